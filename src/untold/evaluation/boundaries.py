"""Boundaries that were found against boundaries that were labelled: precision, recall, F1, R-value, over-segmentation.

A hit is a pair of boundaries at most a tolerance apart (20 ms, 8 pixels, the end included), each used once. Both lists are sorted and
the tolerance is the same everywhere, so matching the earliest feasible pair is a maximum matching. R-value: Räsänen,
Laine, Altosaar (Interspeech 2009).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from untold.contract import Interval, Units
from untold.evaluation._axes import AXES

TOLERANCE = AXES["second"].tolerance


@dataclass(frozen=True)
class Counts:
    """Boundaries that hit, were found (`hypothesis`) and are there (`reference`)."""

    hits: int
    hypothesis: int
    reference: int

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.hits + other.hits, self.hypothesis + other.hypothesis, self.reference + other.reference)


def hits(reference: Sequence[Fraction], hypothesis: Sequence[Fraction], tolerance: Fraction = TOLERANCE) -> int:
    """The largest number of pairs at most `tolerance` apart, each boundary in one pair at most; both lists sorted."""
    scale = math.lcm(*(place.denominator for place in (*reference, *hypothesis, tolerance)))  # exact, and fast
    there, found = ([int(place * scale) for place in places] for places in (reference, hypothesis))
    far, i, j, matched = int(tolerance * scale), 0, 0, 0
    while i < len(there) and j < len(found):
        if abs(there[i] - found[j]) <= far:
            matched, i, j = matched + 1, i + 1, j + 1
        elif there[i] < found[j]:
            i += 1
        else:
            j += 1
    return matched


def count(reference: Sequence[Fraction], hypothesis: Sequence[Fraction], tolerance: Fraction = TOLERANCE) -> Counts:
    """Counts of one recording, to be added up over the corpus."""
    return Counts(hits(reference, hypothesis, tolerance), len(hypothesis), len(reference))


def edges(spans: Iterable[tuple[Fraction, Fraction]]) -> list[Fraction]:
    """Starts and ends of spans without the first and the last of all, each place once."""
    return sorted({place for span in spans for place in span})[1:-1]


def of_tier(tier: Iterable[Interval]) -> list[Fraction]:
    """The inner boundaries of a tier, in units of its axis; those of its silences are among them."""
    return edges((interval.start, interval.end) for interval in tier)


def of_units(units: Units) -> list[Fraction]:
    """The inner boundaries of units in seconds: where a step begins, neighbours with the same token being one."""
    merged, grid = units.merged(), units.grid
    return edges((grid.start(int(a)), grid.start(int(b))) for a, b in zip(merged.starts, merged.ends, strict=True))


def precision(counts: np.ndarray) -> np.ndarray:
    """Of counts (..., 3: hits, hypothesis, reference); 0 where nothing was found."""
    return _share(counts[..., 0], counts[..., 1])


def recall(counts: np.ndarray) -> np.ndarray:
    """Of counts (..., 3); 0 where nothing is there."""
    return _share(counts[..., 0], counts[..., 2])


def f1(counts: np.ndarray) -> np.ndarray:
    """The harmonic mean of precision and recall, of counts (..., 3)."""
    return _share(2 * counts[..., 0], counts[..., 1] + counts[..., 2])


def over_segmentation(counts: np.ndarray) -> np.ndarray:
    """Boundaries found per boundary that is there, minus 1 (recall / precision - 1), of counts (..., 3)."""
    return np.asarray(_share(counts[..., 1], counts[..., 2]) - 1)


def r_value(counts: np.ndarray) -> np.ndarray:
    """1 is perfect; hitting by finding too many is punished. Of counts (..., 3); -1 over-segmentation if none found."""
    return r_value_of(recall(counts), over_segmentation(counts))


def r_value_of(found: np.ndarray, over: np.ndarray) -> np.ndarray:
    """The R-value of recall and over-segmentation."""
    first = np.sqrt((1 - found) ** 2 + over**2)
    second = (-over + found - 1) / math.sqrt(2)
    return np.asarray(1 - (np.abs(first) + np.abs(second)) / 2)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    shares = np.zeros(np.broadcast(part, whole).shape)
    np.divide(part, whole, out=shares, where=np.asarray(whole) != 0)
    return shares


METRICS = {
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "r_value": r_value,
    "over_segmentation": over_segmentation,
}
