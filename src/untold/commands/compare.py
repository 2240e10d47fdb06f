"""Measure several of anything on the same recordings, side by side, with paired intervals on the differences.

Only recordings and items that every row can score are scored, and their number is said. A difference is the later one
minus the earlier; both are resampled with the same draws of speakers (fewer than five: of recordings).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from untold.commands import _scoring
from untold.commands._options import machine, opened
from untold.commands._scoring import Scored, figure, key, label, number
from untold.commands._terminal import Terminal
from untold.errors import UntoldError, UsageError

if TYPE_CHECKING:
    from untold.corpora import Corpus
    from untold.evaluation._groups import Measured
    from untold.evaluation._options import TaskOptions
    from untold.evaluation.scores import Row


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `untold compare`."""
    parser.add_argument("whats", nargs="+", metavar="WHAT", help="runs, front ends, codebooks, folders of features or units")
    parser.add_argument("--on", required=True, metavar="SOURCE", help="labelled recordings: a folder, or a corpus by name")
    _scoring.add_scoring(parser)


def run(
    whats: str | Sequence[str], *more: str, on: str, tasks: str | Sequence[str] = "", points: str | Sequence[str] = "",
    items: Sequence[Path | str] = (), tier: str | None = None, fold: str | None = None, split: str = "all",
    out: Path | None = None, force: bool = False, device: str = "auto", threads: int | None = None,
    limit: int | None = None, quiet: bool = False,
) -> list[Row]:
    """The rows of every WHAT and of chance, said side by side with the differences, and added to `out`."""
    from untold.evaluation import scores
    from untold.evaluation._labels import folding
    from untold.evaluation._options import TaskOptions

    names = [*([whats] if isinstance(whats, str) else whats), *more]
    if len(set(names)) < 2:
        raise UsageError("compare needs two different WHATs or more: for one there is untold evaluate")
    terminal = Terminal(quiet)
    where = machine(device, threads)
    chosen, files = _scoring.tasks_of(tasks), tuple(Path(path) for path in items)
    _scoring.check_files(files, out)
    folding(fold)
    corpus = opened(on, terminal, limit=limit, split=split)
    all_of = [Scored(name, _scoring.opened_subject(name, corpus, where)) for name in dict.fromkeys(names)]
    corpus = _scoring.in_common(corpus, [s.subject for s in all_of], terminal)
    read = [_scoring.points_of(s.subject, points) for s in all_of]
    corpus, tier = _scoring.with_places(corpus, chosen, tier, terminal)
    grids = [s.subject.grid(point) for s, some in zip(all_of, read, strict=True) for point in some]
    options = TaskOptions(items=files, tier=tier, fold=fold, threads=threads, grids=grids)
    single = [task for task in chosen if task != "stability"]
    for scored, some in zip(all_of, read, strict=True):
        _scoring.measure(scored, corpus, single, replace(options, points=some), terminal)
    if "stability" in chosen:
        _stability(all_of, corpus, options, terminal)
    if not any(scored.scores for scored in all_of):
        raise UntoldError(f"nothing could be measured: {'; '.join(line for s in all_of for line in s.left_out)}")
    terminal.result(f"every row is of the same {len(corpus)} recordings")
    for task in chosen:
        _side_by_side(task, all_of, read, terminal)
        _differences(task, all_of, read, options, terminal)
    said = {} if split == "all" else {"split": split}
    rows = [row for scored in all_of for row in scored.rows(corpus, **said)]
    if out is not None:
        if force:
            out.unlink(missing_ok=True)
        scores.append(out, rows)
        terminal.say(f"{len(rows)} rows are in {out}")
    return rows


def _stability(all_of: Sequence[Scored], corpus: Corpus, options: TaskOptions, terminal: Terminal) -> None:
    """Agreement of the units of every two that have some."""
    able = [scored for scored in all_of if scored.subject.alphabet is not None]
    if len(able) < 2:
        terminal.result("stability: left out: it needs two that have units")
    for one, other in combinations(able, 2):
        _scoring.measure(one, corpus, ["stability"], replace(options, against=other.subject), terminal)


def _shown(scored: Scored, task: str, points: Sequence[str]) -> dict[tuple[str, ...], Measured]:
    """The scores of a task at the point that is compared: the first."""
    at = {"", "units", *points[:1]}
    return {key(s): s for s in scored.scores if s.task == task and not s.method and s.point in at}


def _side_by_side(task: str, all_of: Sequence[Scored], read: Sequence[Sequence[str]], terminal: Terminal) -> None:
    """A column a WHAT and point, and one for chance and what else a task sets beside."""
    columns = [
        (f"{scored.what} {point}" if len(points) > 1 else scored.what, scored, point)
        for scored, points in zip(all_of, read, strict=True) for point in points or [""]
    ]
    kinds = {key(s): s for scored in all_of for s in scored.scores if s.task == task}
    if not kinds:
        return
    beside = {(key(s), s.method): s for scored in all_of for s in scored.scores if s.task == task and s.method}
    built_in = list(dict.fromkeys(method for _, method in beside))
    lines = []
    for kind, example in kinds.items():
        cells = []
        for _, scored, point in columns:
            mine = (s for s in scored.scores if key(s) == kind and not s.method and s.point in ("", "units", point))
            cells.append(figure(next(mine, None)))
        lines.append([label(example), *cells, *(figure(beside.get((kind, method)), span=False) for method in built_in)])
    terminal.result()
    terminal.table([task, *(name for name, _, _ in columns), *built_in], lines)


def _differences(
    task: str, all_of: Sequence[Scored], read: Sequence[Sequence[str]], options: TaskOptions, terminal: Terminal
) -> None:
    """Later minus earlier, at the first point of each, with paired intervals."""
    from untold.evaluation._groups import difference

    lines = []
    pairs = combinations(zip(all_of, read, strict=True), 2) if task != "stability" else ()
    for (one, first), (other, second) in pairs:
        theirs = _shown(other, task, second)
        for kind, mine in _shown(one, task, first).items():
            if kind not in theirs:
                continue
            here, there = mine.grouped, theirs[kind].grouped
            if here is None or there is None:
                value, low, high = theirs[kind].value - mine.value, None, None
            else:
                value, low, high = difference(there, here, options.draws, options.seed)
            span = "no interval" if low is None else f"{number(low)} to {number(high)}"
            sure = "" if low is None or high is None or low <= 0 <= high else _verdict(mine.better, value)
            lines.append([label(mine), f"{other.what} - {one.what}", number(value), span, sure])
    if lines:
        terminal.result()
        terminal.table(["difference", "of", "value", "95 % interval", ""], lines)


def _verdict(better: str, value: float) -> str:
    return "better" if (value < 0) == (better == "lower") else "worse"
