"""TextGrids of Praat: tiers of labelled intervals and points, in long and in short form, in any of Praat's encodings.

Praat reads a text file as a run of free-standing numbers, quoted strings and flags, and passes over everything else
(manual, "Praat text file formats"); so do we, which is why both forms are one reader. Intervals with an empty label
are left out: nobody labelled them. A point is an interval that ends where it begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from untold.contract import Interval
from untold.errors import UntoldError
from untold.formats._labels import read_text, seconds
from untold.formats._writing import write_text
from untold.formats.item import decimal

_TOKEN = re.compile(r'"((?:[^"]|"")*)"|<(\w+)>|(?<![^\s])([+-]?[\d.][^\s"]*)(?![^\s])|(!)[^\n]*|(")|[^\s"]+')
_MOST_TIERS = 10_000
_SLIP = Fraction(1, 1000)  # seconds by which neighbours may overlap through somebody's rounding


def read(path: Path | str) -> dict[str, list[Interval]]:
    """Tier name -> labelled intervals in seconds, rising.

    Raises `UntoldError`, one line, for what is no TextGrid, is cut off, or has times that run back.
    """
    path = Path(path)
    words = _Words(path, read_text(path))
    if words.text() != "ooTextFile" or words.text() != "TextGrid":
        raise UntoldError(f"{path}: no TextGrid in Praat's text form: open it in Praat and save it as a text file")
    words.number(), words.number()
    if words.next()[0] != "exists":
        return {}
    tiers: dict[str, list[Interval]] = {}
    for number in range(words.count(_MOST_TIERS)):
        kind, name = words.text(), words.text()
        if kind not in ("IntervalTier", "TextTier"):
            raise UntoldError(f"{path}: tier {number + 1} is of the unknown class {kind[:40]!r}")
        words.number(), words.number()
        rows = list(_rows(words, kind == "IntervalTier", name, path))
        tiers[_free(name, tiers)] = rows
    return tiers


def write(path: Path | str, tiers: Mapping[str, Sequence[Interval]], duration: Fraction) -> None:
    """Interval tiers in Praat's long form, UTF-8, whole or not at all.

    `duration` is the end of the recording in seconds. What no interval covers is filled with empty ones, as Praat
    wants it. Raises `UntoldError` for intervals that overlap or lie outside.
    """
    end = max([duration, *(row.end for rows in tiers.values() for row in rows if row.end - duration <= _SLIP)])
    out = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {decimal(end)}"]
    out += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, rows) in enumerate(tiers.items(), 1):
        filled = list(_filled(rows, end, name))
        out += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(name)}"]
        out += ["        xmin = 0", f"        xmax = {decimal(end)}", f"        intervals: size = {len(filled)}"]
        for place, row in enumerate(filled, 1):
            out += [f"        intervals [{place}]:", f"            xmin = {decimal(row.start)}"]
            out += [f"            xmax = {decimal(row.end)}", f"            text = {_quoted(row.label)}"]
    write_text(Path(path), "\n".join(out) + "\n")


class _Words:
    """The numbers, strings and flags of a file, one after another; a file that ends too early is damaged."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._found = path, self._scan(text)

    def _scan(self, text: str) -> Iterator[tuple[str, str]]:
        for match in _TOKEN.finditer(text):
            string, flag, number, _, open_quote = match.groups()
            if open_quote:
                raise UntoldError(f"{self._path}: damaged: a quotation mark is never closed")
            if string is not None:
                yield "", string.replace('""', '"')
            elif flag is not None:
                yield flag, ""
            elif number is not None:
                yield "number", number

    def next(self) -> tuple[str, str]:
        """(what it is, its text): a string has no name, a flag no text."""
        try:
            return next(self._found)
        except StopIteration:
            raise UntoldError(f"{self._path}: damaged: the TextGrid ends too early") from None

    def text(self) -> str:
        kind, text = self.next()
        if kind:
            raise UntoldError(f"{self._path}: damaged: {text[:40] or kind!r} stands where a text in quotation marks is due")
        return text

    def number(self) -> Fraction:
        kind, text = self.next()
        if kind != "number":
            raise UntoldError(f"{self._path}: damaged: {(text or kind)[:40]!r} stands where a number is due")
        return seconds(text, str(self._path))

    def count(self, most: int) -> int:
        number = self.number()
        if number.denominator != 1 or not 0 <= number <= most:
            raise UntoldError(f"{self._path}: damaged: a count of {float(number):g} is none")
        return int(number)


def _rows(words: _Words, intervals: bool, name: str, path: Path) -> Iterator[Interval]:
    last = None
    for _ in range(words.count(1 << 26)):
        start = words.number()
        end = words.number() if intervals else start
        label = words.text()
        if last is not None and last - _SLIP <= start < last:
            start = last
        if end < start or (last is not None and start < last):
            raise UntoldError(f"{path}: the times of tier {name[:40]!r} run back at {float(start):g} s")
        last = end
        if label.strip() and (end > start or not intervals):
            yield Interval(start, end, label)


def _free(name: str, taken: Mapping[str, object]) -> str:
    number, free = 2, name
    while free in taken:
        number, free = number + 1, f"{name} ({number})"
    return free


def _filled(rows: Sequence[Interval], end: Fraction, name: str) -> Iterator[Interval]:
    at = Fraction(0)
    for row in rows:
        if row.start < at or row.end > end or row.end <= row.start:
            raise UntoldError(f"tier {name!r} cannot be a TextGrid: its interval {row.label!r} at {float(row.start):g} s overlaps or lies outside")
        if row.start > at:
            yield Interval(at, row.start, "")
        yield row
        at = row.end
    if at < end:
        yield Interval(at, end, "")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
