"""`units.jsonl`: a line a recording, with the keys that fastabx and textless-lib read.

`units`, `durations` (steps), `starts` and `ends` (units of the axis), `rate` and `first` as fractions. Tokens are placed
by `starts`; a step without a unit is a gap, or token -1 in files of others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, TextIO

import numpy as np

from untold.contract import Grid, Units
from untold.errors import UntoldError
from untold.formats._writing import beside
from untold.formats.features import read_grid

_LONGEST_LINE = 256 << 20
_MOST_STEPS = 1 << 31
_PIECE = 8192  # numbers of a line that are turned into text at once


def read_units(path: Path | str, *, limit: int | None = None) -> dict[str, Units]:
    """Id -> units, from a file or from the folder that holds `units.jsonl`, in the file's order; `limit` lines at most.

    An id is `audio` without its last ending. Raises `UntoldError` with the line for ids that lead out of their folder, lists of
    different lengths, tokens beyond the alphabet, and lines that are no JSON.
    """
    path = _file(path)
    found: dict[str, Units] = {}
    for identity, units in islice(each_units(path), limit):
        if identity in found:
            raise UntoldError(f"{path}: {identity!r} stands there twice")
        found[identity] = units
    if not found:
        raise UntoldError(f"{path} holds no units: a line of JSON a recording expected")
    largest = max((int(u.tokens.max()) for u in found.values() if len(u.tokens)), default=0)
    return {name: u if u.alphabet else replace(u, alphabet=largest + 1) for name, u in found.items()}


def each_units(path: Path | str) -> Iterator[tuple[str, Units]]:
    """Id and units, a line at a time, as `read_units` without the checks that need all of them."""
    path = _file(path)
    try:
        with path.open(encoding="utf-8") as lines:
            number = 0
            while line := lines.readline(_LONGEST_LINE):
                number += 1
                if line.strip():
                    yield _read_line(line, f"{path}, line {number}")
    except UnicodeDecodeError:
        raise UntoldError(f"{path} is no units.jsonl: it is not text in UTF-8") from None


def _file(path: Path | str) -> Path:
    return Path(path) / "units.jsonl" if Path(path).is_dir() else Path(path)


def _read_line(line: str, where: str) -> tuple[str, Units]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UntoldError(f"{where}: not readable as JSON ({str(error)[:60]})") from None
    if not isinstance(said, dict) or not isinstance(said.get("audio"), str):
        raise UntoldError(f"{where}: an object with the keys audio and units expected")
    identity = _identity(said["audio"], where)
    tokens = _whole(said.get("units"), "units", where, low=-1)
    durations = (
        np.ones(len(tokens), np.int64)
        if said.get("durations") is None
        else _whole(said["durations"], "durations", where, low=1)
    )
    alphabet = said.get("alphabet", 0)
    if type(alphabet) is not int or alphabet < 0:
        raise UntoldError(f"{where}: alphabet = {str(alphabet)[:40]!r}: the number of different tokens expected")
    if len(durations) != len(tokens):
        raise UntoldError(f"{where}: {len(tokens)} units, {len(durations)} durations: a duration a unit expected")
    if alphabet and len(tokens) and int(tokens.max()) >= alphabet:
        raise UntoldError(f"{where}: token {int(tokens.max())} in an alphabet of {alphabet}")
    if len(durations) and sum(int(d) for d in durations) > _MOST_STEPS:
        raise UntoldError(f"{where}: durations of more than {_MOST_STEPS} steps")
    starts = _seconds(said.get("starts"), "starts", len(tokens), where)
    ends = _seconds(said.get("ends"), "ends", len(tokens), where)
    grid = _grid(said, durations, starts, ends, where)
    first = np.concatenate([[0], np.cumsum(durations)[:-1]]) if starts is None else _steps(starts, grid, where)
    first = first.astype(np.int64)[: len(tokens)]
    last = first + durations
    if np.any(first[1:] < last[:-1]):
        raise UntoldError(f"{where}: units lie over each other: starts and durations disagree at rate {grid.rate}")
    kept = tokens >= 0
    made_by = said.get("made_by", "")
    units = Units(tokens[kept], first[kept], last[kept], alphabet, grid, made_by if isinstance(made_by, str) else "")
    return identity, units


def _identity(audio: str, where: str) -> str:
    pure = PurePosixPath(audio)
    if not pure.name or pure.is_absolute() or ".." in pure.parts or "\\" in audio or "\0" in audio:
        raise UntoldError(f"{where}: the audio {audio!r} leads out of its folder: name it below the source")
    return pure.with_suffix("").as_posix()


def _whole(value: Any, name: str, where: str, low: int) -> np.ndarray:
    if not isinstance(value, list) or not all(type(v) is int and low <= v < _MOST_STEPS for v in value):
        raise UntoldError(f"{where}: {name} must be a list of whole numbers of at least {low}")
    return np.array(value, np.int64)


def _seconds(value: Any, name: str, count: int, where: str) -> list[float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(
        type(v) in (int, float) and math.isfinite(v) and 0 <= v < 1e9 for v in value
    ):
        raise UntoldError(f"{where}: {name} must be a list of times from 0")
    if len(value) != count:
        raise UntoldError(f"{where}: {count} units, {len(value)} {name}: one a unit expected")
    return value


def _grid(
    said: dict[str, Any], durations: np.ndarray, starts: list[float] | None, ends: list[float] | None, where: str
) -> Grid:
    """The grid that the line states, or the one that its times and durations imply."""
    if said.get("rate") is not None:
        return read_grid(said, where)
    if starts and ends:
        spent = sum(ends) - sum(starts)
        if spent > 0:
            rate = (Fraction(int(durations.sum())) / Fraction(spent)).limit_denominator(1000)
            if rate > 0:
                return read_grid({**said, "rate": str(rate)}, where)
    raise UntoldError(f'{where}: no rate: add "rate": "50" (steps per second) to the line')


def _steps(starts: list[float], grid: Grid, where: str) -> np.ndarray:
    """Times -> steps whose beginning they are nearest to, exact up to what seconds as floats can hold."""
    try:
        return np.array(
            [max(0, math.ceil((Fraction(s) - grid.first) * grid.rate - Fraction(1, 1000))) for s in starts], np.int64
        )
    except OverflowError:
        raise UntoldError(f"{where}: a start beyond every recording") from None


class UnitsWriter:
    """Writes `units.jsonl`, a line a recording; the file appears when the block ends well."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._open = ExitStack()
        self._out: TextIO | None = None

    def __enter__(self) -> UnitsWriter:
        temporary = self._open.enter_context(beside(self.path))
        self._out = self._open.enter_context(temporary.open("w", encoding="utf-8", newline="\n"))
        return self

    def write(self, identity: str, units: Units, audio_name: str | None = None) -> None:
        """One recording; `audio_name` is its file below the source (`speaker/name.wav`; default: the id with `.wav`)."""
        if self._out is None:
            raise UntoldError(f"{self.path} is not open: write inside of a with block")
        _identity(audio_name or identity, str(self.path))
        self._out.writelines(_line(audio_name or f"{identity}.wav", units))
        self._out.write("\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)
        self._out = None


def _line(audio: str, units: Units) -> Iterator[str]:
    """The JSON object of one recording's units, in pieces: hours of units as one object would take a gigabyte."""
    grid = units.grid
    lists: dict[str, tuple[np.ndarray, Callable[[int], float]]] = {
        "units": (units.tokens, int),
        "durations": (units.ends - units.starts, int),
        "starts": (units.starts, lambda step: float(grid.start(step))),
        "ends": (units.ends, lambda step: float(grid.start(step))),
    }
    yield "{" + f'"audio": {json.dumps(audio, ensure_ascii=False)}'
    for name, (values, shown) in lists.items():
        yield f', "{name}": ['
        for first in range(0, len(values), _PIECE):
            piece = values[first : first + _PIECE].tolist()
            yield (", " if first else "") + ", ".join(repr(shown(value)) for value in piece)
        yield "]"
    rest = {"axis": grid.unit, "alphabet": int(units.alphabet), "rate": str(grid.rate), "first": str(grid.first), "made_by": units.made_by}
    yield ", " + json.dumps(rest, ensure_ascii=False)[1:]
