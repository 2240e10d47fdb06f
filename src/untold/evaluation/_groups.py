"""Scores as functions of how often each group (a speaker, a recording) is counted: what bootstrap and pairs resample.

The bootstrap (Efron 1979) draws as many groups as there are, with replacement. A draw is a vector of weights, how
often each group came, and a score that can be computed from weighted groups needs no second look at the data. Two
rows that were measured on the same groups and drawn with the same seed have paired draws, so the interval of their
difference comes from the difference of the draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from untold.contract import UNKNOWN, Recording, Score

FEWEST_SPEAKERS = 5  # with fewer, recordings are resampled


@dataclass(frozen=True)
class Grouped:
    """`of(weights)`: weights (draws, groups) -> the score of each draw (draws,), NaN where it is undefined.

    `what` names the groups (`speakers` or `recordings`). `centred`: the percentiles are moved so that the median of
    the draws lies on the value; for scores such as mutual information, which rise when fewer different groups are
    seen, so that plain percentiles would lie above the value.
    """

    groups: tuple[str, ...]
    of: Callable[[np.ndarray], np.ndarray]
    what: str = "speakers"
    centred: bool = False

    @property
    def value(self) -> float:
        """The score with every group counted once."""
        return float(self.of(np.ones((1, len(self.groups))))[0])


@dataclass(frozen=True)
class Measured(Score):
    """A score that remembers how it was summed, so that it can be paired with another row's.

    `method` is empty for the subject's own score, else the rival's name (`chance`).
    """

    method: str = ""
    grouped: Grouped | None = field(default=None, compare=False, repr=False)


def weights(groups: int, draws: int, seed: int) -> np.ndarray:
    """Bootstrap weights (draws, groups): the same for the same numbers, so that rows are paired."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=draws).astype(np.float64)


def resampled(recordings: Sequence[Recording]) -> tuple[str, list[str]]:
    """What is resampled and the group of each recording: speakers, or recordings below five known speakers.

    A recording of an unknown speaker is a group of its own.
    """
    known = {r.speaker for r in recordings} - {UNKNOWN}
    if len(known) < FEWEST_SPEAKERS:
        return "recordings", [r.id for r in recordings]
    return "speakers", [r.speaker if r.speaker != UNKNOWN else r.id for r in recordings]


def interval(grouped: Grouped, draws: int, seed: int) -> tuple[float | None, float | None]:
    """The 95 % percentile interval, (None, None) with fewer than two groups or draws."""
    if len(grouped.groups) < 2 or draws < 2:
        return None, None
    return _limits(grouped.of(weights(len(grouped.groups), draws, seed)), grouped.value if grouped.centred else None)


def difference(one: Grouped, other: Grouped, draws: int, seed: int) -> tuple[float, float | None, float | None]:
    """`one` minus `other` with its 95 % interval from paired draws; no interval where their groups differ."""
    value = one.value - other.value
    if one.groups != other.groups or len(one.groups) < 2 or draws < 2:
        return value, None, None
    drawn = weights(len(one.groups), draws, seed)
    low, high = _limits(one.of(drawn) - other.of(drawn), value if one.centred or other.centred else None)
    return value, low, high


def _limits(drawn: np.ndarray, centre: float | None) -> tuple[float | None, float | None]:
    finite = drawn[np.isfinite(drawn)]
    if len(finite) < 2:
        return None, None
    low, middle, high = np.percentile(finite, [2.5, 50, 97.5])
    shift = 0.0 if centre is None else centre - middle
    return float(low + shift), float(high + shift)


def measured(
    task: str,
    metric: str,
    point: str,
    better: Literal["lower", "higher"],
    grouped: Grouped,
    conventions: Mapping[str, str],
    *,
    draws: int,
    seed: int,
    method: str = "",
) -> Measured:
    """A score with its interval; what was resampled and what the interval is stand in its conventions."""
    low, high = interval(grouped, draws, seed)
    said = dict(conventions)
    if low is None:
        said["interval"] = "none"
    else:
        said["resampled"] = grouped.what
        if grouped.centred:
            said["interval"] = "centred"
    return Measured(
        task, metric, point, grouped.value, low, high, len(grouped.groups), better, said, method=method, grouped=grouped
    )


def ratio(groups: Sequence[str], above: np.ndarray, below: np.ndarray, what: str) -> Grouped:
    """The pooled ratio sum(above) / sum(below) of numbers (n,) that belong to groups (n names)."""
    names = tuple(sorted(set(groups)))
    at = {name: i for i, name in enumerate(names)}
    index = np.array([at[g] for g in groups], np.int64)
    numerator = np.bincount(index, above, len(names)).astype(np.float64)
    denominator = np.bincount(index, below, len(names)).astype(np.float64)

    def of(weight: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weight @ numerator) / (weight @ denominator))

    return Grouped(names, of, what)
