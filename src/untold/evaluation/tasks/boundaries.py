"""Whether units begin and end where labels do: precision, recall, F1, R-value, over-segmentation at 20 ms or 8 pixels

Labels are not folded, so that a closure and its burst are two. The first and the last boundary of a recording are
dropped from both sides, silence's own edges are kept, counts are pooled over recordings. Three rivals have as many
boundaries as the units in each recording: `chance` anywhere, and never two in a twentieth of the tolerance; `uniform` evenly spaced;
`feature_change` at the greatest peaks of how MFCC (or columns of ink) change over two frames. Formulas in
`evaluation.boundaries`. `rate_error` says how far the number of units is from that of labels, with their lengths beside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from untold.contract import Interval, Recording, Score, Units
from untold.errors import UntoldError
from untold.evaluation._axes import AXES
from untold.evaluation._labels import tier_in
from untold.evaluation._measuring import reading
from untold.evaluation._options import TaskOptions
from untold.evaluation.boundaries import METRICS, count, of_tier, of_units
from untold.frontends import adapt, read_frames
from untold.settings import Choice

BETTER = {
    "precision": "higher", "recall": "higher", "f1": "higher", "r_value": "higher", "over_segmentation": "lower",
    "rate_error": "lower",
}
NEEDS = "units"
READS = "tier"
_HEARD_THROUGH = {"audio": "mfcc", "line": "columns"}  # what changes, by what there is a signal of
_GUESSES = 10  # random placements that are pooled


def measure(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """The five metrics and the rivals for each, and `rate_error`: units over labels, less 1, without its sign."""
    read = reading("boundaries", subject, corpus, options)
    tier = tier_in(corpus, options.tier)
    counts: dict[str, dict[str, np.ndarray]] = {"": {}, "chance": {}, "uniform": {}, "feature_change": {}}
    unlabelled, axis, rates = 0, AXES["second"], _Rates()
    for number, (group, recording, units) in enumerate(read):
        intervals = recording.tiers.get(tier, ())
        if not intervals:
            unlabelled += 1
            continue
        rates.add(group, units, intervals)
        reference, found, axis = of_tier(intervals), of_units(units), AXES[units.grid.unit]
        end = max(intervals[-1].end, units.grid.start(int(units.ends.max(initial=0))))
        rng = np.random.default_rng((options.seed, number))
        far = axis.tolerance
        ours = [count(reference, found, far)]
        theirs = [count(reference, _anywhere(rng, len(found), end, far / 20), far) for _ in range(_GUESSES)]
        spaced = [count(reference, [end * (i + 1) / (len(found) + 1) for i in range(len(found))], far)]
        changed = [count(reference, _changes(recording, len(found)), far)] if recording.signals else []
        for method, placed in (("", ours), ("chance", theirs), ("uniform", spaced), ("feature_change", changed)):
            for one in placed:
                row = np.array([one.hits, one.hypothesis, one.reference], np.float64)
                counts[method][group] = counts[method].get(group, 0) + row
    if not counts[""]:
        raise UntoldError(f"no recording has the tier {tier!r}")
    groups = tuple(sorted(counts[""]))
    read.said.update(
        tier=tier, fold="none", tolerance=axis.tolerated, matching="two-pointer", edges="dropped",
        edges_of_silence="kept", pooled="counts",
    )
    if unlabelled:
        read.said["left_out"] = f"{unlabelled} recordings without the tier"
    rows: list[Score] = []
    for metric, of in METRICS.items():
        for method, some in counts.items():
            if len(some) < len(groups):  # nobody has the signal
                continue
            table = np.stack([some[group] for group in groups])
            said = {"boundaries": str(int(table[:, 2].sum())), "found": str(int(table[:, 1].sum()))} if not method else {}
            rows.append(
                read.row(metric, BETTER[metric], groups, partial(_weighted, of, table), said, method=method)  # type: ignore[arg-type]
            )
    if collapsed := rates.collapsed():
        options.note(f"the units have collapsed: {collapsed}")
    return [*rows, read.row("rate_error", "lower", groups, partial(_weighted, _rate_error, rates.table(groups)), rates.said(axis.per))]


class _Rates:
    """How many units and labels there are, and how long they are."""

    def __init__(self) -> None:
        self.counts: dict[str, np.ndarray] = {}
        self.units: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []
        self.steps = 0

    def add(self, group: str, units: Units, intervals: Sequence[Interval]) -> None:
        merged = units.merged()
        self.units.append((merged.ends - merged.starts) / float(units.grid.rate))
        self.labels.append(np.array([float(i.end - i.start) for i in intervals]))
        self.counts[group] = self.counts.get(group, 0) + np.array([len(merged.tokens), len(intervals)], np.float64)
        self.steps += int(units.ends.max(initial=0))

    def table(self, groups: Sequence[str]) -> np.ndarray:
        """(groups, 2): units, labels."""
        return np.stack([self.counts[group] for group in groups])

    def collapsed(self) -> str:
        """In words, where units are single steps or whole recordings; else nothing."""
        units, labels = np.sum(list(self.counts.values()), axis=0)
        many = len(self.units)
        if units > 0.95 * self.steps > many:
            return "one a step"
        return "one a recording" if units <= 1.2 * many and labels >= 3 * many else ""

    def said(self, unit: str) -> dict[str, str]:
        """Lengths of units and labels."""
        units, labels = np.concatenate(self.units), np.concatenate(self.labels)
        out = {"units": str(len(units)), "labels": str(len(labels)), "units_per_label": f"{len(units) / len(labels):.4g}"}
        for name, some in (("unit", units), ("label", labels)):
            if len(some):
                out |= {f"{name}_mean": f"{some.mean():.4g} {unit}s", f"{name}_median": f"{np.median(some):.4g} {unit}s"}
        return out | {"collapse": self.collapsed() or "no"}


def _rate_error(counts: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(counts[..., 0] / counts[..., 1] - 1))


def _anywhere(rng: np.random.Generator, number: int, end: Fraction, grain: Fraction) -> list[Fraction]:
    """Distinct places on a grid of `grain`, inside (0, end)."""
    places = max(1, int(end / grain) - 1)
    return [(int(p) + 1) * grain for p in np.sort(rng.choice(places, min(number, places), replace=False))]


def _changes(recording: Recording, number: int) -> list[Fraction]:
    """The `number` greatest peaks of the distance between the frames on either side of a frame, in order."""
    name, signal = next(iter(recording.signals.items()))
    front = Choice.of("frontends", _HEARD_THROUGH[name]).build()
    frames = read_frames(front, signal, 0, front.steps(signal.steps), adapt(front, signal)).numpy()
    change = np.zeros(len(frames))
    change[1:-1] = np.linalg.norm(frames[2:] - frames[:-2], axis=1)
    peaks = np.flatnonzero((change[1:-1] >= change[:-2]) & (change[1:-1] > change[2:])) + 1
    best = np.sort(peaks[np.argsort(-change[peaks], kind="stable")[:number]])
    return [front.grid.centre(int(place)) for place in best]


def _weighted(metric: Callable[[np.ndarray], np.ndarray], table: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return metric(weight @ table)
