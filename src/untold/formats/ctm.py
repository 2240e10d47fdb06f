"""CTM: one line an interval, `recording channel start duration label [confidence]`, as NIST and Kaldi write it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from untold.contract import Interval
from untold.errors import UntoldError
from untold.formats._labels import read_text, seconds
from untold.formats._writing import beside
from untold.formats.item import decimal


def read(path: Path | str) -> dict[str, list[Interval]]:
    """Recording -> its intervals in seconds, by their beginnings; channels are not told apart.

    Raises `UntoldError` with the line for one that has too few columns or a time that is none.
    """
    path = Path(path)
    found: dict[str, list[Interval]] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith(";;"):
            continue
        where = f"{path}, line {number}"
        words = line.split()
        if len(words) not in (5, 6, 7, 8):  # more columns: what NIST adds of type and speaker
            raise UntoldError(f"{where}: {len(words)} columns, where CTM has: recording channel start duration label [confidence]")
        start, duration = seconds(words[2], where), seconds(words[3], where)
        if start < 0 or duration < 0:
            raise UntoldError(f"{where}: a start of {words[2]} and a duration of {words[3]} seconds: neither may be below 0")
        found.setdefault(words[0], []).append(Interval(start, start + duration, words[4]))
    for intervals in found.values():
        intervals.sort(key=lambda interval: (interval.start, interval.end))
    return found


class Writer:
    """Writes a CTM file recording by recording; it appears under its name when all went well."""

    def __init__(self, path: Path | str) -> None:
        self._path, self._stack = Path(path), ExitStack()

    def __enter__(self) -> Writer:
        part = self._stack.enter_context(beside(self._path))
        self._file = self._stack.enter_context(part.open("w", encoding="utf-8", newline="\n"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, recording: str, intervals: Sequence[Interval]) -> None:
        """The lines of one recording, seconds with up to twelve places."""
        for row in intervals:
            for word in (recording, row.label):
                if word.split() != [word]:
                    raise UntoldError(f"{word!r} cannot stand in a CTM file, whose columns are parted by spaces: rename it")
            self._file.write(f"{recording} 1 {decimal(row.start)} {decimal(row.end - row.start)} {row.label}\n")


def write(
    path: Path | str, recordings: Mapping[str, Sequence[Interval]] | Iterable[tuple[str, Sequence[Interval]]]
) -> None:
    """A CTM file of recordings, whole or not at all; takes pairs one by one, so that nothing has to be in memory."""
    with Writer(path) as writer:
        for recording, intervals in recordings.items() if isinstance(recordings, Mapping) else recordings:
            writer.write(recording, intervals)
