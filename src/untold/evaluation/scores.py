"""scores.csv: a row a number, with its interval, its rivals and the conventions behind it.

Columns as `COLUMNS`; `low`, `high` and `seconds` may be empty. `seconds` is what training the method cost (0: nothing
is trained). `conventions` is `key=value;key=value`. Rows are only ever added: the file is written beside and renamed,
under a lock of its folder, so that neither a kill nor a second program loses a row.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from untold.contract import Score
from untold.errors import UntoldError
from untold.evaluation._groups import Measured
from untold.formats._writing import write_text

COLUMNS = (
    "corpus", "task", "metric", "point", "value", "low", "high", "n", "better", "method", "seed", "seconds", "conventions"
)
_MOST = 256 << 20  # bytes of a file that is still taken for a table of scores


@dataclass(frozen=True)
class Row:
    """A line of scores.csv."""

    corpus: str
    task: str
    metric: str
    point: str
    value: float
    low: float | None
    high: float | None
    n: int
    better: str
    method: str
    seed: int | None
    seconds: float | None
    conventions: Mapping[str, str] = field(default_factory=dict)


def rows(
    scores: Iterable[Score], *, corpus: str, method: str, seed: int | None = None, seconds: float | None = None,
    conventions: Mapping[str, str] | None = None,
) -> list[Row]:
    """Scores of one method on one corpus as rows; a score of a rival (`chance`) keeps the rival's name, at no cost.

    `conventions` are added to those of the scores. A front end with settings (`mfcc:deltas=no`) is named without them, and
    `settings` says them.
    """
    made = []
    method, _, words = method.partition(":")
    added = dict(conventions or {}) | ({"settings": words} if words else {})
    for score in scores:
        rival = score.method if isinstance(score, Measured) else ""
        said = {**score.conventions, **({} if rival else added)}
        made.append(
            Row(
                corpus, score.task, score.metric, score.point, score.value, score.low, score.high, score.n, score.better,
                rival or method, seed, 0.0 if rival else seconds, said,
            )
        )
    return made


def written(conventions: Mapping[str, str]) -> str:
    """`key=value;key=value`; what would break the form (`;`, line ends, `=` in a key) is written `,`, ` ` and `:`."""
    return ";".join(
        f"{_plain(str(key)).replace('=', ':')}={_plain(str(value))}" for key, value in conventions.items()
    )


def _plain(text: str) -> str:
    return " ".join(text.replace(";", ",").split())


def conventions_of(text: str) -> dict[str, str]:
    """The mapping that `written` wrote."""
    return {key: value for key, _, value in (part.partition("=") for part in text.split(";") if part)}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.8g}"


def _line(row: Row) -> list[str]:
    seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
    seed = "" if row.seed is None else str(row.seed)
    return [
        row.corpus, row.task, row.metric, row.point, _number(row.value), _number(row.low), _number(row.high), str(row.n),
        row.better, row.method, seed, seconds, written(row.conventions),
    ]


def read(path: Path) -> list[Row]:
    """The rows of a file; raises `UntoldError` when it is no table of scores."""
    try:
        if path.stat().st_size > _MOST:
            raise UntoldError(f"{path}: too large for a table of scores")
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            missing = [c for c in COLUMNS if c not in (table.fieldnames or ())]
            if missing:
                raise UntoldError(f"{path}: no table of scores, the column {missing[0]!r} is missing")
            return [_row(path, number, line) for number, line in enumerate(table, 2)]
    except FileNotFoundError:
        raise UntoldError(f"{path}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UntoldError(f"{path}: not readable as a table of scores ({error})") from None


def _row(path: Path, number: int, line: dict[str, str | None]) -> Row:
    def optional(name: str) -> float | None:
        return float(line[name] or "") if line[name] else None

    def word(name: str) -> str:
        return line[name] or ""

    try:
        value, seed = float(word("value")), optional("seed")
        if not math.isfinite(value):
            raise ValueError(f"value {value}")
        return Row(
            word("corpus"), word("task"), word("metric"), word("point"), value, optional("low"), optional("high"),
            int(word("n")), word("better"), word("method"), None if seed is None else int(seed), optional("seconds"),
            conventions_of(word("conventions")),
        )
    except ValueError as error:
        raise UntoldError(f"{path}, line {number}: not a row of scores ({error})") from None


def append(path: Path, new: Iterable[Row]) -> None:
    """Adds rows to a file, which is made if it is not there. A row that stands there already is not repeated."""
    lines = [_line(row) for row in new]
    for line in lines:
        if not math.isfinite(float(line[4])):
            raise ValueError(f"{line[2]} of {line[9]} is {line[4]}: no score")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent):
        old = [_line(row) for row in read(path)] if path.exists() and path.stat().st_size else []
        there = {tuple(line) for line in old}
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(old)
        for line in lines:
            if tuple(line) not in there:
                there.add(tuple(line))
                table.writerow(line)
        write_text(path, text.getvalue())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else adds to a file of this folder meanwhile, where the system has such locks."""
    try:
        import fcntl
    except ImportError:  # Windows: renaming is still atomic
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
