"""Item files of ZeroSpeech: which stretches of which recordings ABX compares (speech.md 3.1.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath

from untold.errors import UntoldError
from untold.formats._writing import beside

COLUMNS = ("file", "onset", "offset", "phone", "prev-phone", "next-phone", "speaker")
HEADER = "#file onset offset #phone prev-phone next-phone speaker"
_SECONDS = re.compile(r"[+-]?(\d{1,15}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Item:
    """One stretch of a recording: onset and offset in seconds, exact; a phone between two others; who speaks."""

    file: str
    onset: Fraction
    offset: Fraction
    phone: str
    previous: str
    next: str
    speaker: str


def read_items(path: Path | str) -> list[Item]:
    """The items of a file, in its order.

    Raises `UntoldError` with the line for a missing column, a time that is none, an offset before its onset.
    """
    path = Path(path)
    items: list[Item] = []
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as lines:
            order = _columns(path, lines.readline())
            for number, line in enumerate(lines, 2):
                words = line.split()
                if not words:
                    continue
                if len(words) != len(order):
                    raise UntoldError(
                        f"{path}, line {number}: {len(words)} columns where the header has {len(order)}: one item a line, seven columns"
                    )
                file, onset, offset, phone, previous, following, speaker = (words[i] for i in _places(order))
                begin, end = _seconds(path, number, onset), _seconds(path, number, offset)
                if begin < 0 or end < begin:
                    raise UntoldError(
                        f"{path}, line {number}: an item from {onset} to {offset} s: onset and offset must rise from 0"
                    )
                items.append(Item(file, begin, end, phone, previous, following, speaker))
    except UnicodeDecodeError:
        raise UntoldError(f"{path} is no item file: it is not text in UTF-8") from None
    if not items:
        raise UntoldError(f"{path} holds no items: lines are to follow the header {HEADER!r}")
    return items


def write_items(path: Path | str, items: Iterable[Item]) -> int:
    """Writes an item file, whole or not at all; gives the number of items. Seconds are written exactly where decimals can."""
    count = 0
    with beside(Path(path)) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as out:
        out.write(HEADER + "\n")
        for item in items:
            words = (
                item.file,
                decimal(item.onset),
                decimal(item.offset),
                item.phone,
                item.previous,
                item.next,
                item.speaker,
            )
            for word in words:
                if not word or len(word.split()) != 1 or word.split()[0] != word:
                    raise UntoldError(
                        f"{word!r} cannot stand in an item file, whose columns are parted by spaces: rename it"
                    )
            out.write(" ".join(words) + "\n")
            count += 1
    return count


def decimal(seconds: Fraction, digits: int = 12) -> str:
    """A time as a decimal of at most `digits` places: exact when it has one, else rounded to the nearest."""
    whole = round(seconds * 10**digits)
    text = f"{abs(whole):0{digits + 1}d}"
    text = (text[:-digits] + "." + text[-digits:]).rstrip("0")
    return ("-" if whole < 0 else "") + text + ("0" if text.endswith(".") else "")


class Names:
    """Finds the recording that an item's `#file` names: as an id, as an id with `/` written `_` (on either side), as a unique stem."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = set(ids)
        self._flat: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for name in sorted(self._ids):
            self._flat.setdefault(name.replace("/", "_"), []).append(name)
            self._stems.setdefault(PurePosixPath(name).name, []).append(name)

    def find(self, file: str) -> str | None:
        """The id, or None; raises `UntoldError` for two candidates."""
        if file in self._ids:
            return file
        for found in (self._flat.get(file.replace("/", "_"), []), self._stems.get(file, [])):
            if len(found) > 1:
                raise UntoldError(
                    f"the item file's {file!r} may be {found[0]!r} or {found[1]!r}: write the whole id in the item file"
                )
            if found:
                return found[0]
        return None


def _columns(path: Path, line: str) -> tuple[str, ...]:
    names = tuple(word.lstrip("#") for word in line.split())
    if not line.startswith("#") and "onset" not in names:
        raise UntoldError(f"{path} is no item file: its first line is not {HEADER!r}")
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise UntoldError(f"{path}: the column {missing[0]!r} is missing: the first line is to be {HEADER!r}")
    if len(names) != len(set(names)):
        raise UntoldError(f"{path}: a column stands twice in the first line, which is to be {HEADER!r}")
    return names


def _places(order: tuple[str, ...]) -> tuple[int, ...]:
    return _STANDARD if order == COLUMNS else tuple(order.index(name) for name in COLUMNS)


_STANDARD = tuple(range(len(COLUMNS)))


def _seconds(path: Path, number: int, word: str) -> Fraction:
    if not _SECONDS.fullmatch(word):
        raise UntoldError(f"{path}, line {number}: {word!r} is no time in seconds")
    return Fraction(word)
