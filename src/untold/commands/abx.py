"""Measures how well features or units tell phones apart (ABX error on an item file).

FEATURES is a folder of .npy files with features.json, or a folder with units.jsonl. Values are fractions of errors: 0.5 is chance.
"""

from __future__ import annotations

import argparse
import json as json_format
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from untold.commands._terminal import Terminal
from untold.errors import UntoldError

if TYPE_CHECKING:
    import numpy as np

    from untold.contract import Grid
    from untold.evaluation.abx import AbxResult
    from untold.evaluation.abx import Distance as DistanceName


def _at_least_one(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{word} is not at least 1")
    return number


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `untold abx`."""
    parser.add_argument("features", metavar="FEATURES", help="a folder of features or units")
    parser.add_argument("item", metavar="ITEM", help="an item file (untold items makes them)")
    parser.add_argument(
        "--speaker", default="across", choices=["within", "across"], help="whether x has another speaker (across)"
    )
    parser.add_argument(
        "--context", default="within", choices=["within", "any"], help="whether neighbours must be the same (within)"
    )
    parser.add_argument(
        "--distance",
        default="angular",
        choices=["angular", "euclidean", "kl_symmetric", "identical"],
        help="of frames (angular)",
    )
    parser.add_argument(
        "--frames",
        default="zerospeech",
        choices=["zerospeech", "librilight", "stated"],
        help="which frames an item holds (zerospeech)",
    )
    parser.add_argument(
        "--empty", default="error", choices=["error", "skip"], help="what to do with items without a frame (error)"
    )
    parser.add_argument(
        "--max-size-group", type=_at_least_one, metavar="N", help="take at most N items of a phone, speaker and context"
    )
    parser.add_argument("--max-x-across", type=_at_least_one, metavar="N", help="take at most N speakers of x")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of what is subsampled and of the interval (0)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(
    features: Path | str,
    item: Path | str,
    *,
    speaker: Literal["within", "across"] = "across",
    context: Literal["within", "any"] = "within",
    distance: DistanceName = "angular",
    frames: Literal["zerospeech", "librilight", "stated"] = "zerospeech",
    empty: Literal["error", "skip"] = "error",
    max_size_group: int | None = None,
    max_x_across: int | None = None,
    seed: int = 0,
    json: bool = False,
    threads: int | None = None,
    limit: int | None = None,
    quiet: bool = False,
    **_: Any,
) -> AbxResult:
    """The ABX error, said or printed as JSON, and returned with all cells."""
    from dataclasses import replace

    from untold.evaluation.abx import abx
    from untold.formats.item import Names, read_items

    terminal = Terminal(quiet)
    wanted = read_items(item)
    grid, ids, held, read = _open(Path(features), distance, limit, max(i.offset for i in wanted))
    names = Names(held)
    place = {file: names.find(file) for file in dict.fromkeys(i.file for i in wanted)}
    absent = [file for file, name in place.items() if name is None]
    if absent:
        raise UntoldError(
            f"{item}: {len(absent)} of {len(place)} recordings are not in {features} (the first: {absent[0]!r}): "
            "names are to be those of the .npy files, with / as it is or as _"
        )
    taken = set(ids)
    kept = [replace(i, file=name) for i in wanted if (name := place[i.file]) in taken and name is not None]
    if not kept:
        raise UntoldError(f"no item lies in the first {limit} recordings of {features}: take a larger --limit")
    with terminal.bar(100, "%", "comparing") as bar:
        result = abx(
            read, kept, grid=grid, speaker=speaker, context=context, distance=distance, frames=frames, empty=empty,
            max_size_group=max_size_group, max_x_across=max_x_across, seed=seed, threads=threads,
            progress=lambda share: bar.advance(100 * share),
        )  # fmt: skip
    if len(kept) < len(wanted):
        result = replace(result, conventions={**result.conventions, "items_dropped": str(len(wanted) - len(kept))})
    if json:
        terminal.result(
            json_format.dumps(
                {
                    "value": result.value, "low": result.low, "high": result.high, "cells": len(result.cells), "items": result.items,
                    "items_empty": result.items_empty, "conventions": dict(result.conventions),
                }, ensure_ascii=True, allow_nan=False,
            )
        )  # fmt: skip
        return result
    span = "" if result.low is None or result.high is None else f" (95 % {result.low:.4f} to {result.high:.4f})"
    terminal.result(f"ABX error {speaker} speakers, context {context}: {result.value:.4f}{span}")
    terminal.say(f"{len(result.cells)} cells, {result.items} items, {result.items_empty} items without a frame")
    terminal.say(", ".join(f"{key} {value}" for key, value in result.conventions.items()))
    return result


def _open(
    path: Path, distance: str, limit: int | None, last: Fraction
) -> tuple[Grid, tuple[str, ...], tuple[str, ...], Callable[[str], np.ndarray]]:
    """Grid, the ids to score, all ids, and how to read one, of a folder of features or of units."""
    from untold.formats.features import FeatureFolder

    units = path if path.suffix == ".jsonl" else path / "units.jsonl"
    if units.is_file() and (distance == "identical" or path == units or not any(path.rglob("*.npy"))):
        return _units(units, distance, limit, last)
    folder = FeatureFolder(path)
    return folder.grid, folder.ids()[:limit], folder.ids(), folder.read


def _units(
    path: Path, distance: str, limit: int | None, last: Fraction
) -> tuple[Grid, tuple[str, ...], tuple[str, ...], Callable[[str], np.ndarray]]:
    import numpy as np

    from untold.formats.units import read_units

    if distance != "identical":
        raise UntoldError(f"{path} holds units, which have no {distance} distance: add --distance identical")
    found = read_units(path)
    grids = {u.grid for u in found.values()}
    if len(grids) > 1:
        raise UntoldError(
            f"{path}: units at different rates cannot be compared: {', '.join(sorted(str(g.rate) for g in grids)[:3])}"
        )
    grid = grids.pop()
    # units with gaps may well end before their recording does: what follows, up to the last item, is a gap too
    longest = min(int(last * grid.rate) + 1, 1 << 24)
    gaps = any(len(u.starts) == 0 or u.starts[0] > 0 or np.any(u.starts[1:] != u.ends[:-1]) for u in found.values())

    def read(identity: str) -> np.ndarray:
        units = found[identity]
        steps = int(units.ends[-1]) if len(units.ends) else 0
        tokens = units.framewise(steps)
        return np.append(tokens, np.full(max(0, longest - steps), -1)) if gaps else tokens

    return grid, tuple(found)[:limit], tuple(found), read
