"""Measure a run, a front end, a codebook or other people's features on labelled recordings.

Every score is printed with its interval, chance and the best MFCC row beside it; with several points the probes are
printed as a matrix. What cannot be measured is named with its reason.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from untold.commands import _scoring
from untold.commands._options import machine, opened
from untold.commands._scoring import Scored, figure, key, label
from untold.commands._terminal import Terminal
from untold.errors import UntoldError

if TYPE_CHECKING:
    from untold.evaluation._groups import Measured
    from untold.evaluation.scores import Row


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `untold evaluate`."""
    parser.add_argument("what", metavar="WHAT", help="a RUN, a front end, a codebook, or a folder of features or units")
    parser.add_argument("source", metavar="SOURCE", help="labelled recordings: a folder, or a corpus by name")
    _scoring.add_scoring(parser)
    parser.add_argument(
        "--rivals", default="", metavar="WHAT,...",
        help="measured beside, where features are read ('none': no one; + stands for , in settings); the four MFCC rows, or columns of ink",
    )


def run(
    what: str, source: str, *, tasks: str | Sequence[str] = "", points: str | Sequence[str] = "",
    items: Sequence[Path | str] = (), tier: str | None = None, fold: str | None = None, split: str = "all",
    out: Path | None = None, rivals: str | Sequence[str] = "", force: bool = False, device: str = "auto",
    threads: int | None = None, limit: int | None = None, quiet: bool = False,
) -> list[Row]:
    """The rows of WHAT, of chance and of the rivals, said as tables, and added to `out` or to the RUN's scores.csv."""
    from untold.evaluation import scores
    from untold.evaluation._labels import folding
    from untold.evaluation._options import TaskOptions

    terminal = Terminal(quiet)
    where = machine(device, threads)
    chosen, files = _scoring.tasks_of(tasks), tuple(Path(path) for path in items)
    _scoring.check_files(files, out)
    folding(fold)
    corpus = opened(source, terminal, limit=limit, split=split)
    ours = Scored(what, _scoring.opened_subject(what, corpus, where))
    corpus = _scoring.in_common(corpus, [ours.subject], terminal)
    corpus, tier = _scoring.with_places(corpus, chosen, tier, terminal)
    options = TaskOptions(
        items=files, tier=tier, fold=fold, points=_scoring.points_of(ours.subject, points), threads=threads
    )
    _scoring.measure(ours, corpus, chosen, options, terminal)
    if not ours.scores:
        raise UntoldError(f"nothing could be measured of {what}: {'; '.join(ours.left_out)}")
    beside = []
    compared = [task for task in chosen if _scoring.reads_features(task) and any(s.task == task for s in ours.scores)]
    for name in _scoring.words(rivals or _scoring.yardsticks(corpus)) if compared and rivals != "none" else ():
        name = name.replace("+", ",")
        if name != what:
            rival = Scored(name, _scoring.opened_subject(name, corpus, where))
            grids = [ours.subject.grid(point) for point in options.points]
            told = TaskOptions(items=files, tier=tier, fold=fold, threads=threads, grids=grids)
            _scoring.measure(rival, corpus, compared, told, terminal)
            rival.scores = [s for s in rival.scores if not s.method]
            beside.append(rival)
    said = {} if split == "all" else {"split": split}
    rows = [row for scored in (ours, *beside) for row in scored.rows(corpus, **said)]
    _tables(ours, beside, chosen, options.points, terminal)
    table = out or (Path(what) / "scores.csv" if (Path(what) / "run.json").is_file() else None)
    if table is not None:
        if force and out is not None:
            out.unlink(missing_ok=True)
        scores.append(table, rows)
        terminal.say(f"{len(rows)} rows are in {table}")
    return rows


def _tables(
    ours: Scored, rivals: Sequence[Scored], tasks: Sequence[str], points: Sequence[str], terminal: Terminal
) -> None:
    """A table a task: the score, chance and the best rival beside; a matrix where there are several points."""
    by: dict[tuple[str, ...], list[Measured]] = {}
    for score in ours.scores:
        by.setdefault(key(score), []).append(score)
    of_rivals: dict[tuple[str, ...], list[Measured]] = {}
    names: dict[int, str] = {}
    for rival in rivals:
        for score in rival.scores:
            of_rivals.setdefault(key(score), []).append(score)
            names[id(score)] = rival.what
    for task in tasks:
        kinds = [k for k in by if k[0] == task]
        if not kinds:
            continue
        several = len(points) > 1 and any(s.point in points for s in by[kinds[0]])
        columns = list(points) if several else [ours.subject.name]
        beside = ["best rival", "which"] if any(k in of_rivals for k in kinds) else []
        built_in = list(dict.fromkeys(s.method for k in kinds for s in by[k] if s.method))  # chance, and what else a task sets beside
        terminal.result()
        lines = []
        for k in kinds:
            mine = {s.point if several else columns[0]: s for s in by[k] if not s.method}
            cells = [figure(mine.get(column), span=not several) for column in columns]
            guessed = [figure(next((s for s in by[k] if s.method == method), None), span=not several) for method in built_in]
            top = _scoring.best(of_rivals.get(k, []))
            rival_cells = [figure(top, span=not several), names[id(top)] if top is not None else "-"] if beside else []
            lines.append([label(by[k][0]), *cells, *guessed, *rival_cells])
        terminal.table([task, *columns, *built_in, *beside], lines)
