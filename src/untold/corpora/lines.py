"""A folder of pictures of lines of handwriting: ids are paths, scribes are the first folders, texts lie beside.

A text has the picture's name and ends in .txt or .gt.txt (of `line.bin.png` it is `line.gt.txt` or `line.txt`). Scribes come
from sub-folders; a `speakers.csv` says more of them, such as `direction` (`rtl` for scripts that are written from right to
left; without it the texts tell).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from untold.contract import TRANSCRIPTION, Interval
from untold.corpora._audio import ENDINGS as SOUNDS
from untold.corpora._entry import Entry
from untold.corpora._lines import ENDINGS
from untold.corpora._walking import Found, inside, read_small, walk
from untold.corpora.folder import read_speakers, sides_of
from untold.errors import UntoldError

TITLE = "a folder"
LICENCE = "yours"
WHERE = "on your disk"
PREFIX = False
MEDIUM = "line"
_LOOKED = 2000  # files that are looked at to tell pictures from sounds
_LONGEST = 1 << 16  # bytes of a line's text
_FORMS = (".bin", ".nrm", ".gt", ".raw")  # what tools write before a picture's ending


def recognise(root: Path) -> bool:
    """A folder with pictures and without sounds."""
    if not root.is_dir():
        return False
    pictures = 0
    for number, found in enumerate(walk(root)):
        ending = found.path.suffix.lower()
        if ending in SOUNDS or number > _LOOKED:
            break
        pictures += ending in ENDINGS
    else:
        return pictures > 0
    return number > _LOOKED and pictures > number // 4


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """The lines below `root`, sorted; raises `UntoldError` for two with one id or a bad speakers.csv."""
    about = read_speakers(root / "speakers.csv") if (root / "speakers.csv").is_file() else {}
    seen: dict[str, str] = {}
    for found in walk(root):
        ending = found.path.suffix.lower()
        if ending not in ENDINGS:
            continue
        if found.problem:
            skip(found.name, found.problem)
            continue
        identity = name_of(found.name)
        if other := seen.get(identity):
            raise UntoldError(f"two lines have one id: {other} and {found.name}: keep one, or rename one")
        seen[identity] = found.name
        yield with_text(Entry(identity, found.path, sides=sides_of(found.name, about)), beside(found), root, skip)


def name_of(name: str) -> str:
    """The id of a picture: its path without its endings."""
    stem = name[: -len(Path(name).suffix)]
    return stem[: -len(Path(stem).suffix)] if Path(stem).suffix in _FORMS else stem


def beside(found: Found) -> Path | None:
    """The file of a line's text, if there is one."""
    stem = found.path.parent / name_of(found.path.name)
    for ending in (".gt.txt", ".txt"):
        path = stem.parent / (stem.name + ending)
        if path.is_file():
            return path
    return None


def with_text(entry: Entry, path: Path | None, root: Path, skip: Callable[[str, str], None]) -> Entry:
    """The line with its text as a tier, and the direction of writing; a text that cannot be read is left out by name."""
    if path is None:
        return entry
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    if not inside(path, root):
        skip(name, "leads out of the folder of the source")
        return entry
    try:
        text = read_small(path, _LONGEST)
    except (UntoldError, OSError) as error:
        skip(name, f"its line has no text: {str(error).removeprefix(f'{path}: ')}")
        return entry
    return transcribed(replace(entry, labels=(*entry.labels, path)), text)


def transcribed(entry: Entry, text: str) -> Entry:
    """The line with a text as a tier over all of it; a text in a right-to-left script says that the line is.

    White space is one blank, letters with marks are composed.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if not text:
        return entry
    kinds = [unicodedata.bidirectional(letter) for letter in text]
    leftward = sum(kind in ("R", "AL") for kind in kinds) > sum(kind == "L" for kind in kinds)
    direction = entry.sides.get("direction") or ("rtl" if leftward else "")
    sides = {**entry.sides, **({"direction": direction} if direction else {})}
    whole = Interval(Fraction(-1 << 30), Fraction(1 << 30), text)  # as long as the line is: cut at its end when it is decoded
    return replace(entry, sides=sides, tiers={**entry.tiers, TRANSCRIPTION: [whole]})
