"""Where characters meet, when a recogniser has told roughly where they are: at the least ink nearby.

    two characters    minimise  ink at the boundary           + (distance - usual distance)^2 / (2 s^2)
    a blank           minimise  (ink - little) of the blank   + distance^2 / (2 s^2)   on either side; the first at most as much as little

A recogniser of connectionist temporal classification that looks along the whole line may tell a character early or late,
always by about as much. That usual distance is found without labels: there the ink at all boundaries together is least.
Distances are from the recogniser's boundary, and no boundary passes the middle of a character beside it. The constants were
chosen on digit-lines, where all places are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from untold.evaluation._spread import BLANK

_SLACK = 3.0  # s, in columns of 2 pixels
_LITTLE = 0.25  # of the mean ink: a column with less is blank rather than written
_FARTHEST = 4  # columns that a recogniser may be early or late by
_AROUND = np.full(5, 0.2)  # columns whose mean is the ink at a boundary: the middle of a gap is better than its rim

Told = tuple[np.ndarray, Sequence[str], np.ndarray]  # edges (symbols + 1,) in columns, the symbols, ink (columns,)


def usual(lines: Iterable[Told]) -> float:
    """How many columns behind the recogniser's boundaries between two characters lie, from -4 to 4; 0 where there are none."""
    shifts = np.arange(-_FARTHEST, _FARTHEST + 0.5, 0.5)
    sums = np.zeros(len(shifts))
    for edges, symbols, ink in lines:
        inside = np.array([one != BLANK != other for one, other in pairwise(symbols)], bool)
        if inside.any():
            sums += _at(_smooth(ink), edges[1:-1][inside] + shifts[:, None]).sum(1)
    return float(shifts[sums.argmin()]) if sums.any() else 0.0


def settled(told: Told, shift: float) -> np.ndarray:
    """Edges (symbols + 1,) in columns, ascending; the first and the last stay."""
    edges, symbols, ink = told
    middles = (edges[:-1] + edges[1:]) / 2
    smooth, gathered = _smooth(ink), np.r_[0.0, np.cumsum((_scaled(ink) - _LITTLE).clip(-_LITTLE, _LITTLE))]
    out = edges.astype(np.float64).copy()
    for place, (one, other) in enumerate(pairwise(symbols), 1):
        places = np.arange(np.ceil(middles[place - 1]), middles[place] + 1e-9)
        if not len(places):
            continue
        if BLANK in (one, other):
            cost = gathered[places.astype(np.int64)] * ((one == BLANK) - int(other == BLANK))
            wanted = edges[place]
        else:
            cost, wanted = _at(smooth, places), edges[place] + shift
        out[place] = places[(cost + (places - wanted) ** 2 / (2 * _SLACK**2)).argmin()]
    return np.maximum.accumulate(out)


def _scaled(ink: np.ndarray) -> np.ndarray:
    return ink / max(float(ink.mean()), 1e-9)


def _smooth(ink: np.ndarray) -> np.ndarray:
    half = len(_AROUND) // 2
    return np.convolve(np.pad(_scaled(ink), half, mode="edge"), _AROUND, mode="valid")


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values of columns between their middles."""
    return np.asarray(np.interp(places - 0.5, np.arange(len(values)), values))
