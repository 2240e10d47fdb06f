"""Folders of features: one `.npy` a recording (steps x dimensions) and `features.json` with their grid.

Nothing here executes what a file holds: arrays of objects and pickles are refused, and a header's sizes are compared
with the file's size before anything is allocated.
"""

from __future__ import annotations

import os
import re
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from untold.contract import Grid, Unit
from untold.errors import UntoldError
from untold.formats._writing import beside, inside, read_json, write_json

HEADER_NAME = "features.json"
_MAGIC = b"\x93NUMPY"
_HEADER_SIZE = 128
_FRACTION = re.compile(r"-?\d{1,18}(/\d{1,18}|\.\d{1,18})?", re.ASCII)
# what NumPy lets through of the parser that it reads headers with
_HEADER_ERRORS = (
    ValueError, TypeError, SyntaxError, LookupError, MemoryError, RecursionError, OverflowError, tokenize.TokenError,
)  # fmt: skip
_TORCH = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclass(frozen=True)
class Header:
    """What `features.json` says: the grid, the point, the dimensions (None: not said), what made them and its hash (empty: not said)."""

    grid: Grid
    point: str
    dimensions: int | None
    made_by: Any
    hash: str = ""


def read_header(folder: Path | str) -> Header:
    """Reads `features.json`; raises `UntoldError` naming the key that is missing or wrong."""
    path = Path(folder) / HEADER_NAME
    if not path.is_file():
        raise UntoldError(
            f"{folder} has no {HEADER_NAME}: write one beside the arrays, such as "
            '{"rate": "50", "first": "1/100", "dimensions": 768, "point": "layer6"}'
        )
    said = read_json(path, most=1 << 20)
    if not isinstance(said, dict):
        raise UntoldError(f"{path}: an object with rate and first expected")
    point = said.get("point", "features")
    dimensions = said.get("dimensions")
    if not isinstance(point, str):
        raise UntoldError(f"{path}: point = {str(point)[:40]!r}: a name expected")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise UntoldError(f"{path}: dimensions = {str(dimensions)[:40]!r}: a whole number of at least 1 expected")
    return Header(read_grid(said, path), point, dimensions, said.get("made_by", ""), str(said.get("hash") or ""))


def read_grid(said: dict[str, Any], where: Path | str) -> Grid:
    """The grid of `rate` and `first` (strings of fractions); `first` defaults to half a step, `axis` to seconds."""
    axis = said.get("axis", "second")
    if axis not in ("second", "pixel", "position"):
        raise UntoldError(f"{where}: axis = {str(axis)[:40]!r}: second, pixel or position expected")
    rate = fraction(said.get("rate"), "rate", where)
    if rate <= 0:
        raise UntoldError(f"{where}: rate = {rate}: more than 0 steps per {axis} expected")
    first = 1 / (2 * rate) if said.get("first") is None else fraction(said["first"], "first", where)
    unit: Unit = axis
    return Grid(unit, rate, first)


def fraction(value: Any, name: str, where: Path | str) -> Fraction:
    """An exact number from a string (`"100"`, `"1/200"`, `"0.005"`) or a whole number."""
    text = str(value) if type(value) in (int, str) else repr(value) if type(value) is float else ""
    if not _FRACTION.fullmatch(text) or text.endswith(("/0", "/00")):
        raise UntoldError(
            f'{where}: {name} = {str(value)[:40]!r}: a fraction in quotes expected, such as "100" or "1/200"'
        )
    try:
        return Fraction(text)
    except ZeroDivisionError:
        raise UntoldError(f"{where}: {name} = {text!r} divides by zero") from None


class FeatureFolder:
    """A folder of features to read. `limit` keeps the first so many recordings, by id.

    Raises `UntoldError` when the folder has no arrays, no `features.json`, or only other people's pickles.
    """

    def __init__(self, path: Path | str, *, limit: int | None = None) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise UntoldError(
                f"{path} is no folder of features" if self.path.exists() else f"{path}: there is no such folder"
            )
        self._ids = tuple(sorted(_arrays(self.path)))[:limit]
        if not self._ids:
            refuse_pickles(self.path)
            raise UntoldError(f"{path} holds no .npy files: one a recording expected, steps x dimensions")
        header = read_header(self.path)
        self.grid, self.point, self.dimensions = header.grid, header.point, header.dimensions
        self.made_by, self.hash = header.made_by, header.hash

    def ids(self) -> tuple[str, ...]:
        """The recordings' ids, sorted."""
        return self._ids

    def read(self, identity: str) -> np.ndarray:
        """The features of a recording (steps, dimensions) float32, mapped from the file where it holds just that.

        Raises `UntoldError` for files that lie about their size, hold objects, are of another size than
        `features.json` says, or hold values that are not finite.
        """
        path = inside(self.path, identity, ".npy")
        values = read_array(path)
        if values.ndim == 1:
            values = values[:, None]
        if values.ndim != 2 or values.shape[1] == 0:
            raise UntoldError(f"{path}: an array of shape {values.shape}: steps x dimensions expected")
        if self.dimensions is not None and values.shape[1] != self.dimensions:
            raise UntoldError(
                f"{path} has {values.shape[1]} dimensions where {HEADER_NAME} says {self.dimensions}: features of two sizes cannot be compared"
            )
        if values.dtype != np.float32:
            with np.errstate(over="ignore"):
                values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise UntoldError(f"{path} holds values that are not finite: make these features again")
        return values


def _arrays(folder: Path) -> Iterator[str]:
    """Ids of the arrays below a folder; folders that are links are not followed."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for file in files:
            if file.endswith(".npy") and not file.startswith("."):
                path = Path(place) / file
                if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                    yield path.relative_to(folder).as_posix()[: -len(".npy")]


def refuse_pickles(folder: Path) -> None:
    """Says how to convert when a folder holds `.pt` files: they are pickles, and a pickle is a program."""
    found = next(folder.rglob("*.pt"), None)
    if found is not None:
        raise UntoldError(
            f"{found} is a pickle of torch, which may run anything when it is read: convert it where you trust it, "
            "numpy.save('name.npy', torch.load('name.pt', weights_only=True).float().numpy())"
        )


def read_array(path: Path) -> np.ndarray:
    """An array of numbers of a `.npy` file, memory-mapped read-only; refuses what is none, before allocating."""
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _array_header(path, file)
            at, size = file.tell(), os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise UntoldError(f"{path}: there is no such file") from None
    count = 1
    for length in shape:
        count *= length
    if count * dtype.itemsize > size - at:
        raise UntoldError(
            f"{path}: its header says {count * dtype.itemsize} bytes of numbers, the file has {size - at}: it is cut off or damaged"
        )
    if count == 0:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", at, shape, "F" if fortran else "C")


def _array_header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    start = file.read(len(_MAGIC))
    if start != _MAGIC:
        if start.startswith(_TORCH):
            raise UntoldError(
                f"{path} is a pickle or a torch file, not an array: save it with numpy.save, without objects"
            )
        raise UntoldError(f"{path} is no .npy file: save arrays with numpy.save")
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            elif version == (2, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
            else:
                raise UntoldError(f"{path}: version {version[0]} of .npy is not read: save the array with numpy.save")
    except _HEADER_ERRORS as error:
        reason = str(error).partition("\n")[0][:80]
        raise UntoldError(f"{path}: its header cannot be read ({reason}): it is damaged") from None
    if dtype.hasobject or dtype.kind not in "fiu" or dtype.subdtype is not None:
        what = "objects, which are never read" if dtype.hasobject else f"values of type {dtype}"
        raise UntoldError(f"{path} holds {what}: save an array of numbers with numpy.save")
    if len(shape) > 2 or any(length < 0 for length in shape):
        raise UntoldError(f"{path}: an array of shape {str(shape)[:60]}: steps x dimensions expected")
    return shape, fortran, dtype


class FeatureWriter:
    """Writes a folder of features, a recording at a time and a chunk at a time; each file appears whole or not at all.

    `features.json` is written with the first recording.
    """

    def __init__(self, folder: Path | str, grid: Grid, point: str, made_by: Any, fingerprint: str = "") -> None:
        self.folder = Path(folder)
        self.grid, self.point, self.made_by, self.fingerprint = grid, point, made_by, fingerprint
        self._dimensions: int | None = None

    def write(self, identity: str, chunks: Iterable[np.ndarray]) -> int:
        """Writes chunks (steps, dimensions) one after the other as `<id>.npy` float32; gives the number of steps.

        Raises `UntoldError` for an id that leads out of the folder and for chunks of another size.
        """
        path = inside(self.folder, identity, ".npy")
        steps = 0
        with beside(path) as temporary, temporary.open("wb") as out:
            out.write(b"\0" * _HEADER_SIZE)
            for chunk in chunks:
                values = np.ascontiguousarray(chunk, dtype="<f4")
                if values.ndim != 2 or values.shape[1] != (self._dimensions or values.shape[1]):
                    raise UntoldError(
                        f"{identity}: features of shape {values.shape}, after others of {self._dimensions} dimensions"
                    )
                if self._dimensions is None:
                    self._say(values.shape[1])
                out.write(values.tobytes())
                steps += len(values)
            out.seek(0)
            out.write(_npy_header(steps, self._dimensions or 1))
        return steps

    def _say(self, dimensions: int) -> None:
        self._dimensions = dimensions
        said = {
            "rate": str(self.grid.rate),
            "first": str(self.grid.first),
            "dimensions": dimensions,
            "point": self.point,
            "made_by": self.made_by,
        }
        if self.fingerprint:
            said["hash"] = self.fingerprint
        if self.grid.unit != "second":
            said["axis"] = self.grid.unit
        write_json(self.folder / HEADER_NAME, said)


def _npy_header(steps: int, dimensions: int) -> bytes:
    """A header of version 1.0 and fixed size, so that it can be written once the steps are known."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({steps}, {dimensions}), }}"
    room = _HEADER_SIZE - len(_MAGIC) - 4
    return _MAGIC + b"\x01\x00" + room.to_bytes(2, "little") + text.ljust(room - 1).encode() + b"\n"
