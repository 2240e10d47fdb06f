"""MNIST's digits set into lines: exact places of every digit, made-up pens, other people's digits for evaluation.

Sixteen made-up pens, each with a slant, a size, a stroke and a spacing of its own, write numbers of random digits: twelve
with digits of the training files, four with those of the test files, which other people wrote. Who wrote a digit is not
known, so pens are the scribes. Read are the four published files, packed (.gz) or not, with dots or dashes in their names.

Source: LeCun, Cortes, Burges, The MNIST database of handwritten digits, 1998.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from untold.contract import Interval
from untold.corpora._entry import Entry
from untold.corpora._setting import Hand, Sort, in_words, inked, set_line
from untold.corpora._walking import inside
from untold.errors import UntoldError

TITLE = "MNIST, set into lines,"
LICENCE = "its owners state none; a copy as PNG pictures: MIT (Raschka, 2022)"
WHERE = "yann.lecun.com/exdb/mnist"
MEDIUM = "line"

_KEY = 0x3157  # of the pens
_PENS, _JUDGES = 12, 4
_LINES, _JUDGED = 80, 40  # of each pen
_IMAGES, _LABELS = 2051, 2049  # what the files begin with
_MOST = 1 << 20  # pictures of a file
_LARGEST = 64  # pixels of a side
_TEST_LABELS = "27ae3e4e09519cfbb04c329615203637"  # MD5 of what train and test sets that are named alike have different


def recognise(root: Path) -> bool:
    """A folder with MNIST's own files: others, such as Fashion-MNIST, are named alike."""
    path = _file(root, "t10k", "labels", 1) if root.is_dir() else None
    if path is None:
        return False
    try:
        return hashlib.md5(_unpacked(path, 1 << 16), usedforsecurity=False).hexdigest() == _TEST_LABELS
    except UntoldError:
        return False


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """Lines of the pens in turn, training first; raises `UntoldError` for a file that is absent, damaged or none of MNIST's."""
    note("real digits, set into lines by made-up pens; their places are exact")
    for split, part, pens, lines in (("train", "train", range(_PENS), _LINES), ("evaluation", "t10k", range(_PENS, _PENS + _JUDGES), _JUDGED)):
        file, pictures, of_digit = _digits(root, part)
        for turn in range(1, lines + 1):
            for pen in pens:
                draw = np.random.default_rng((_KEY, pen, turn))
                ink, tier = set_line(in_words(draw, partial(_pick, draw, pictures, of_digit), (3, 6), (1, 5)), Hand.of((_KEY, pen)), draw)
                yield Entry(
                    f"pen-{pen + 1:02d}/line-{turn:03d}", file, sides={"speaker": f"pen-{pen + 1:02d}"},
                    tiers={"characters": [Interval(Fraction(a), Fraction(b), label) for a, b, label in tier]},
                    split=split, drawn=partial(_as_bytes, ink), made_up=True,
                )


def _pick(draw: np.random.Generator, pictures: np.ndarray, of_digit: list[np.ndarray]) -> Sort:
    label = int(draw.integers(len(of_digit)))
    one = of_digit[label][int(draw.integers(len(of_digit[label])))]
    return Sort(str(label), inked(pictures[one].astype(np.float32) / 255, 0.3))


def _as_bytes(ink: np.ndarray) -> np.ndarray:
    return np.round(255 * ink).astype(np.uint8)


def _digits(root: Path, part: str) -> tuple[Path, np.ndarray, list[np.ndarray]]:
    """The file of a part's pictures, the pictures (count, rows, columns) uint8, and the numbers of those that show each digit."""
    paths = {kind: _file(root, part, kind, sides) for kind, sides in (("images", 3), ("labels", 1))}
    for kind, path in paths.items():
        if path is None:
            raise UntoldError(f"{root}: no {part}-{kind}-idx{3 if kind == 'images' else 1}-ubyte.gz: MNIST's four files expected")
        if not inside(path, root):
            raise UntoldError(f"{path}: leads out of the folder of the source")
    images, labels = paths["images"], paths["labels"]
    assert images is not None
    assert labels is not None
    pictures, classes = _numbers(images, _IMAGES, 3), _numbers(labels, _LABELS, 1)
    if len(pictures) != len(classes) or not len(pictures):
        raise UntoldError(f"{images}: {len(pictures)} pictures and {len(classes)} labels: a label a picture expected")
    of_digit = [np.flatnonzero(classes == digit) for digit in range(10)]
    if int(classes.max()) > 9 or not all(len(some) for some in of_digit):
        raise UntoldError(f"{labels}: labels 0 to 9 expected, each at least once")
    return images, pictures, of_digit


def _file(root: Path, part: str, kind: str, sides: int) -> Path | None:
    names = [f"{part}-{kind}{joint}idx{sides}-ubyte{packed}" for packed in (".gz", "") for joint in ("-", ".")]
    return next((root / name for name in names if (root / name).is_file()), None)


def _numbers(path: Path, magic: int, sides: int) -> np.ndarray:
    """An IDX file of bytes: its size is told in its header and must be what it holds."""
    head = _unpacked(path, 4 * (sides + 1), whole=False)
    if len(head) < 4 * (sides + 1) or struct.unpack(">I", head[:4])[0] != magic:
        raise UntoldError(f"{path}: none of MNIST's files: its first bytes are not those of {'pictures' if sides == 3 else 'labels'}")
    shape = struct.unpack(f">{sides}I", head[4:])
    if shape[0] > _MOST or any(not 1 <= side <= _LARGEST for side in shape[1:]):
        raise UntoldError(f"{path}: its header tells {' x '.join(map(str, shape))} numbers, more than can be read")
    size = len(head) + int(np.prod(shape, dtype=np.int64))
    data = _unpacked(path, size)
    if len(data) != size:
        raise UntoldError(f"{path}: truncated: its header tells {size} bytes, it holds {len(data)}: get it anew")
    return np.frombuffer(data, np.uint8, offset=len(head)).reshape(shape)


def _unpacked(path: Path, most: int, *, whole: bool = True) -> bytes:
    """At most `most` bytes of a file, unpacked if need be; with `whole`, more than that is damage."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(most)
            if whole and file.read(1):
                raise UntoldError(f"{path}: damaged: it holds more than its header tells")
            return data
    except (OSError, EOFError, zlib.error) as error:
        raise UntoldError(f"{path}: truncated or damaged ({str(error)[:60]}): get it anew") from None
