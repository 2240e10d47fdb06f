"""How units go together with labels, frame by frame: PNMI, NMI, purity, adjusted Rand index, mutual information

The label of a step is that of the interval which holds its centre; steps without a label are not counted, a step
without a unit counts as a unit of its own. On lines of handwriting columns of 2 pixels are counted instead of steps, and
the blank between words is their silence. `pnmi` leaves silence out first, with `silence=in` beside it; the others
have silence in first. `token_to_character` is the purity of characters: the share of columns that are right when each token
stands for its commonest character. `chance` is the same units moved along their recording, so that they say nothing of the labels and
still are as many and as long. Formulas and sources in `evaluation.clusters`.
"""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import Any

import numpy as np

from untold.contract import Grid, Score
from untold.errors import UntoldError
from untold.evaluation._axes import AXES
from untold.evaluation._labels import Inventory, folding, is_silence, of_steps, tier_in
from untold.evaluation._measuring import Reading, reading
from untold.evaluation._options import TaskOptions
from untold.evaluation._tables import frames_of
from untold.evaluation.clusters import Contingency, contingency, score
from untold.evaluation.probes import align

BETTER = {
    "pnmi": "higher", "nmi": "higher", "ari": "higher", "purity": "higher", "rand_score": "higher",
    "mutual_information": "higher", "token_to_character": "higher",
}
NEEDS = "units"
READS = "tier"


def tables(subject: Any, corpus: Any, options: TaskOptions) -> tuple[Contingency, Contingency, str]:
    """Labels against units, labels against moved units (chance), and the tier; silence is in."""
    return _tables(reading("clusters", subject, corpus, options))


def _tables(read: Reading) -> tuple[Contingency, Contingency, str]:
    o, inventory = read.options, Inventory()
    tier, fold = tier_in(read.corpus, o.tier), folding(o.fold)
    frames, moved = [], []
    for number, (group, recording, units) in enumerate(read):
        axis, intervals, tokens = AXES[units.grid.unit], recording.tiers.get(tier, ()), frames_of(units)
        grid = axis.frames if axis.columns else units.grid
        if axis.columns:
            tokens = _at(tokens, units.grid, ceil(max((i.end for i in intervals), default=0) * grid.rate))
        labels = of_steps(intervals, grid, len(tokens), fold, inventory)
        read.said["frames"] = axis.rate(grid)
        frames.append((group, labels.astype(np.int32), tokens.astype(np.int32)))
        far = np.random.default_rng((o.seed, number)).uniform(0.25, 0.75)
        moved.append((group, frames[-1][1], np.roll(frames[-1][2], int(far * len(tokens)))))
    return contingency(frames, inventory.names), contingency(moved, inventory.names), tier


def _at(tokens: np.ndarray, grid: Grid, frames: int) -> np.ndarray:
    """The token at each frame of the axis, -1 where nothing was emitted."""
    latent = align(grid, frames).latent
    inside = (latent >= 0) & (latent < len(tokens))
    out = np.full(frames, -1, np.int64)
    out[inside] = tokens[latent[inside]]
    return out


def measure(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """Each metric with silence in and out, and `chance` for each."""
    read = reading("clusters", subject, corpus, options)
    whole, moved, tier = _tables(read)
    if not len(whole.phone):
        raise UntoldError(f"the tier {tier!r} covers no step of these units: are they of other recordings?")
    silent = [label for label in whole.phones if is_silence(label)]
    read.said.update(tier=tier, fold=options.fold or "none", in_sample="yes")
    rows: list[Score] = []
    characters = subject.units(next(iter(corpus))).grid.unit == "pixel"
    for metric in BETTER:
        if metric == "token_to_character" and not characters:
            continue
        order = ("out", "in") if metric == "pnmi" else ("in", "out")
        for silence in order if silent else order[:1]:
            for method, table in (("", whole), ("chance", moved)):
                used = table.without(silent) if silence == "out" else table
                if not len(used.phone) or np.isnan(score(used, metric)[0]):
                    options.say(f"{metric} with silence {silence} left out: fewer than two labels")
                    continue
                said = {"silence": silence, "labels": str(len(used.table()[1])), "steps": str(int(used.table()[0].sum()))}
                if metric == "mutual_information":
                    said |= {"adjusted": "yes", "normalised": f"{score(used, 'nmi')[0]:.6g}"}
                if metric == "nmi":
                    said |= {"average": "arithmetic"}
                rows.append(
                    read.row(metric, "higher", used.groups, partial(score, used, metric), said, method=method, centred=True)
                )
    return rows
