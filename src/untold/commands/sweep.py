"""A grid of settings times seeds, each cell a RUN; finished cells are skipped; a table at the end.

FILE.toml: `name` (a method or recipe, or a list of them, each with settings of its own after a colon), `minutes` or
`steps`, `seeds` (a list), a table `[grid]` of settings with lists, and as one likes `[set]` with settings for all cells,
`precision`; for the scores `tasks`, `points`, `split`, and `size`, the codewords of k-means that stand for the units of a
method that has none.
"""

from __future__ import annotations

import argparse
import itertools
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from untold.commands._terminal import Terminal
from untold.errors import UntoldError, unknown_name

if TYPE_CHECKING:
    from untold.evaluation.scores import Row

_KEYS = ("name", "minutes", "steps", "seeds", "grid", "set", "tasks", "points", "split", "size", "precision")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("file", metavar="FILE.toml", type=Path, help="what to vary: name, minutes or steps, seeds, [grid]")
    parser.add_argument("source", metavar="SOURCE", help="recordings to train on; those with labels are scored")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the cells and the table")
    parser.add_argument("--part", metavar="i/n", help="do only the i-th of n shares of the cells (several machines)")


@dataclass(frozen=True)
class Cell:
    """One method with one choice of settings and one seed."""

    name: str
    changes: tuple[tuple[str, str], ...]
    seed: int

    @property
    def folder(self) -> str:
        """A name for its RUN."""
        words = [self.name, *(f"{key.rpartition('.')[2]}-{value}" for key, value in self.changes), f"seed-{self.seed}"]
        return re.sub(r"[^A-Za-z0-9_.+-]", "_", "--".join(words))


def cells(plan: Mapping[str, Any], where: Path) -> list[Cell]:
    """The cells of a plan, in order; raises `UntoldError` for keys that a plan has not."""
    for key in plan:
        if key not in _KEYS:
            raise unknown_name(f"key in {where}", key, _KEYS)
    names, seeds, grid = plan.get("name"), plan.get("seeds", [0]), plan.get("grid", {})
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise UntoldError(f"{where}: name must be a method or recipe, or a list of them")
    if not isinstance(seeds, list) or not seeds or not all(isinstance(s, int) for s in seeds):
        raise UntoldError(f"{where}: seeds must be a list of whole numbers")
    if not isinstance(grid, dict) or not all(isinstance(v, list) and v for v in _flat(grid).values()):
        raise UntoldError(f"{where}: [grid] must hold lists of values")
    size = plan.get("size", 2)
    if not isinstance(size, int) or not 2 <= size <= 1 << 20:
        raise UntoldError(f"{where}: size must be a whole number from 2 to {1 << 20}")
    fixed = {key: _word(value) for key, value in _flat(plan.get("set", {})).items()}
    varied = _flat(grid)
    out = []
    for name, values, seed in itertools.product(names, itertools.product(*varied.values()), seeds):
        chosen = dict(zip(varied, (_word(v) for v in values), strict=True))
        method, _, words = name.partition(":")
        own = dict(word.split("=", 1) if "=" in word else (word, "") for word in words.split(",")) if words else {}
        out.append(Cell(method, tuple({**fixed, **own, **chosen}.items()), seed))
    return out


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in table.items():
        out |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return out


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def run(
    file: Path, source: str, *, out: Path, part: str | None = None, force: bool = False,
    device: str = "auto", threads: int | None = None, limit: int | None = None, quiet: bool = False,
) -> list[Row]:
    """Trains and scores every cell that is not finished; gives the rows of `DIR/table.csv`."""
    from untold.commands import _kmeans, _scoring, evaluate, train
    from untold.commands._options import machine, opened
    from untold.corpora import open_source
    from untold.evaluation import scores
    from untold.report import trade_off
    from untold.runs import Run, resolve
    from untold.settings import parse_assignments

    terminal = Terminal(quiet)
    try:
        plan = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UntoldError(f"{file}: not readable as TOML ({error})") from None
    every = cells(plan, Path(file))
    for cell in every:  # mistakes in words come before hours of work
        resolve(cell.name, parse_assignments([f"{k}={v}" for k, v in cell.changes]))
    if ("steps" in plan) == ("minutes" in plan):
        raise UntoldError(f"{file}: give steps or minutes (one of them)")
    mine = _share(every, part)
    rival = _scoring.yardsticks(open_source(source, limit=1)).partition(",")[0]
    for number, cell in enumerate(mine):
        folder = out / cell.folder
        terminal.say(f"cell {number + 1} of {len(mine)}: {folder}")
        if not (folder / "model.safetensors").exists() or force:
            going = (folder / "run.json").exists() and not force
            train.run(
                cell.name, source, out=None if going else folder, resume=folder if going else None, seed=cell.seed,
                minutes=plan.get("minutes"), steps=plan.get("steps"), set=[f"{k}={v}" for k, v in cell.changes], precision=plan.get("precision", "no"),
                force=force, device=device, threads=threads, limit=limit, quiet=quiet,
            )
        if not (folder / "scores.csv").exists():
            if "size" in plan:
                _kmeans.of_run(Run.open(folder), opened(source, terminal, limit=limit), machine(device, threads), plan["size"], terminal)
            evaluate.run(
                str(folder), source, tasks=plan.get("tasks", ""), points=plan.get("points", "all"), split=plan.get("split", "all"),
                rivals=rival if number == 0 else "none", device=device, threads=threads, limit=limit, quiet=True,
            )
    rows = _table(every, out, terminal)
    (out / "table.csv").unlink(missing_ok=True)
    scores.append(out / "table.csv", rows)
    if trade_off.draw(rows, out / "trade-off.svg"):
        terminal.result(str(out / "trade-off.svg"))
    terminal.result(str(out / "table.csv"))
    return rows


def _share(every: list[Cell], part: str | None) -> list[Cell]:
    if part is None:
        return every
    match = re.fullmatch(r"(\d+)/(\d+)", part)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UntoldError(f"--part {part}: i/n with i from 1 to n expected, such as 1/4")
    return every[int(match[1]) - 1 :: int(match[2])]


def _table(every: Iterable[Cell], out: Path, terminal: Terminal) -> list[Row]:
    """Means over seeds, with Student's interval over them; one seed keeps the interval of its own score."""
    from untold import registry
    from untold.commands import _scoring
    from untold.evaluation import scores

    every = list(every)
    found: dict[tuple[str, ...], dict[int, Row]] = {}
    several = len({(cell.name, cell.changes) for cell in every}) > 1
    missing = 0
    for number, cell in enumerate(every):
        path = out / cell.folder / "scores.csv"
        if not path.exists():
            missing += 1
            continue
        settings = ",".join(f"{key}={value}" for key, value in cell.changes)
        for row in scores.read(path):
            own = f"{cell.name}:{settings}" if settings else cell.name
            bare = row.method.partition(":")[0] in registry.names("frontends")
            told = own if row.method == cell.name else row.method if bare or not several else f"{row.method} beside {own}"  # but for front ends, what is measured beside hangs on the cell
            # a front end is always the same, however many parts of a sweep measured it
            found.setdefault((told, row.point, *_scoring.key(row)), {})[0 if bare else number] = row
    if missing:
        terminal.result(f"{missing} cells are not finished yet: the table is of the others")
    rows = [_mean(name[0], list(same.values())) for name, same in found.items()]
    shown = [(r.method, _scoring.label(r), r.point, f"{r.value:.3f}", "-" if r.low is None or r.high is None else f"{r.low:.3f} to {r.high:.3f}", str(r.n)) for r in rows]
    terminal.table(("method", "score", "point", "value", "95 % interval", "n"), sorted(shown, key=lambda line: (line[1], line[2], line[0])))
    return rows


def _mean(method: str, same: list[Row]) -> Row:
    from dataclasses import replace

    import numpy as np
    from scipy import stats

    first = replace(same[0], method=method)
    if len(same) == 1:
        return first
    values = np.array([row.value for row in same])
    error = float(stats.sem(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    said = {**first.conventions, "seeds": str(len(values)), "interval": "Student's t over seeds"}
    seconds = [row.seconds for row in same if row.seconds is not None]
    return replace(
        first, value=float(values.mean()), low=float(values.mean()) - half, high=float(values.mean()) + half, n=len(values),
        seed=None, seconds=sum(seconds) / len(seconds) if seconds else None, conventions=said,
    )
