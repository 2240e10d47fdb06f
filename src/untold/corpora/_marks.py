"""Label files of lines `start end label`, in samples or in seconds, as TIMIT and many after it have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

from untold.contract import Interval
from untold.errors import UntoldError
from untold.formats._labels import read_text, seconds


def read_marks(path: Path, *, rate: int = 1, late: Fraction = Fraction(0)) -> list[Interval]:
    """Intervals in seconds: the numbers of the file over `rate`, less `late`, begun no earlier than 0.

    Raises `UntoldError` with the line for one that is no `start end label`. Neighbours may overlap, as TIMIT's words do.
    """
    found = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.split(None, 2)
        if not words:
            continue
        if len(words) != 3:
            raise UntoldError(f"{path}, line {number}: {line[:40]!r} is no 'start end label'")
        start, end = (seconds(word, f"{path}, line {number}") / rate - late for word in words[:2])
        if end < start:
            raise UntoldError(f"{path}, line {number}: ends before it begins")
        if end > 0 and end > start:
            found.append(Interval(max(start, Fraction(0)), end, words[2].strip()))
    return sorted(found, key=lambda interval: (interval.start, interval.end))


Reader = Callable[[Path], list[Interval]]


def gather(
    files: Mapping[str, tuple[Path, Reader]], skip: Callable[[str, str], None], root: Path
) -> tuple[dict[str, list[Interval]], tuple[Path, ...]]:
    """Tiers of those label files that are there and can be read, and these files; the others are skipped by name."""
    tiers, read = {}, []
    for tier, (path, reader) in files.items():
        if not path.is_file():
            continue
        try:
            tiers[tier] = reader(path)
            read.append(path)
        except UntoldError as error:
            skip(path.relative_to(root).as_posix(), str(error).removeprefix(str(path)).lstrip(":, "))
    return tiers, tuple(read)


def beside(audio: Path, *endings: str) -> Path:
    """The file of that stem with the first of the endings that is there, in either case; else the first."""
    for ending in endings:
        for word in (ending, ending.upper()):
            path = audio.parent / (audio.stem + word)
            if path.is_file():
                return path
    return audio.parent / (audio.stem + endings[0])
