"""Compiled dynamic time warping: one item against a bundle of items at a time, path length carried forward.

Speech.md 3.1.4: c(i, j) = d(i, j) + min(c(i-1, j), c(i-1, j-1), c(i, j-1)), divided by the number of cells on the path
that a trace-back would take. The trace-back at a cell looks only at the three costs before it, so the length of its path
can be carried along with the cost, and nothing has to be traced. The items of a bundle lie side by side in memory
(lanes), so that the same step of all of them is one vector instruction; a lane shorter than the longest one is read out
at its own last column.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]

ANGULAR, EUCLIDEAN, KL_SYMMETRIC, IDENTICAL = range(4)
DISTANCES = {"angular": ANGULAR, "euclidean": EUCLIDEAN, "kl_symmetric": KL_SYMMETRIC, "identical": IDENTICAL}
LANES = 64  # items of a bundle: enough for long vector loops, few enough to stay in the first caches
STEP = 16  # a bundle's lanes are padded to a multiple of this, so that no loop has a remainder

_ONE, _ZERO, _HALF = np.float32(1), np.float32(0), np.float32(0.5)
_OVER_PI = np.float32(1 / math.pi)
_NEAR = np.float32(1 - 1e-4)  # cosines beyond are taken again from the chord: arccos of a float32 is rough there
_NULL = np.float32(1.5)  # products beyond come from null vectors, see `prepare`
# arccos(x) = sqrt(1 - x) * polynomial, error below 2e-8 (Abramowitz and Stegun 4.4.46)
_A0, _A1, _A2, _A3 = (np.float32(a) for a in (1.5707963050, -0.2145988016, 0.0889789874, -0.0501743046))
_A4, _A5, _A6, _A7 = (np.float32(a) for a in (0.0308918810, -0.0170881256, 0.0066700901, -0.0012624911))

# "contract" lets a product and a sum be one instruction; nothing is reordered, so equal frames give equal distances
_compiled = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})


@_compiled
def _products(x: Floats, row: int, y: Floats, out: Floats) -> None:
    """Inner products of frames `row` and `row` + 1 of x (frames, dimensions) with y (dimensions, columns)."""
    dimensions, columns = y.shape
    out[:, :columns] = _ZERO
    k = 0
    while k + 3 < dimensions:
        a0, a1, a2, a3 = x[row, k], x[row, k + 1], x[row, k + 2], x[row, k + 3]
        b0, b1, b2, b3 = x[row + 1, k], x[row + 1, k + 1], x[row + 1, k + 2], x[row + 1, k + 3]
        for q in range(columns):
            y0, y1, y2, y3 = y[k, q], y[k + 1, q], y[k + 2, q], y[k + 3, q]
            out[0, q] = out[0, q] + a0 * y0 + a1 * y1 + a2 * y2 + a3 * y3
            out[1, q] = out[1, q] + b0 * y0 + b1 * y1 + b2 * y2 + b3 * y3
        k += 4
    while k < dimensions:
        a0, b0 = x[row, k], x[row + 1, k]
        for q in range(columns):
            out[0, q] += a0 * y[k, q]
            out[1, q] += b0 * y[k, q]
        k += 1


@_compiled
def _angles(x: Floats, row: int, y: Floats, out: Floats) -> None:
    """Products -> angles over pi, in place (one row of `out`)."""
    columns = y.shape[1]
    near = 0
    for q in range(columns):
        c = out[q]
        size = abs(c)
        near += size > _NEAR
        size = size if size < _ONE else _ONE
        p = _A4 + size * (_A5 + size * (_A6 + size * _A7))
        p = _A0 + size * (_A1 + size * (_A2 + size * (_A3 + size * p)))
        angle = np.sqrt(_ONE - size) * p * _OVER_PI
        out[q] = angle if c >= _ZERO else _ONE - angle
    if near:
        _chords(x, row, y, out)


@_compiled
def _chords(x: Floats, row: int, y: Floats, out: Floats) -> None:
    """Small angles (and those near a half turn) again, from the length of the chord: equal frames give exactly 0."""
    dimensions, columns = y.shape
    limit = np.float32(0.005)  # a little beyond the angle whose cosine is _NEAR
    for q in range(columns):
        if out[q] < limit or out[q] > _ONE - limit:
            sign = 1.0 if out[q] < _HALF else -1.0
            total, product = 0.0, 0.0
            for k in range(dimensions):
                difference = x[row, k] - sign * y[k, q]
                total += difference * difference
                product += x[row, k] * y[k, q]
            if abs(product) < _NULL:
                angle = 2.0 * math.asin(min(1.0, 0.5 * math.sqrt(total))) / math.pi
                out[q] = angle if sign > 0 else 1.0 - angle


@_compiled
def _distances(kind: int, x: Floats, more_x: Floats, row: int, y: Floats, more_y: Floats, out: Floats) -> None:
    """Distances of frames `row` and `row` + 1 of x with all columns of y into out (2, columns)."""
    dimensions, columns = y.shape
    if kind == ANGULAR:
        _products(x, row, y, out)
        for r in range(2):
            _angles(x, row + r, y, out[r, :columns])
    elif kind == IDENTICAL:
        for r in range(2):
            a = x[row + r, 0]
            for q in range(columns):
                out[r, q] = _ZERO if a == y[0, q] else _ONE
    else:
        for r in range(2):
            line = out[r, :columns]
            line[:] = _ZERO
            for k in range(dimensions):
                a, b = x[row + r, k], more_x[row + r, k]
                if kind == EUCLIDEAN:
                    for q in range(columns):
                        line[q] += (a - y[k, q]) * (a - y[k, q])
                else:
                    for q in range(columns):
                        line[q] += (a - y[k, q]) * (b - more_y[k, q])
            if kind == EUCLIDEAN:
                for q in range(columns):
                    line[q] = np.sqrt(line[q])
            else:
                for q in range(columns):
                    line[q] = _HALF * line[q]


@_compiled
def _first_row(d: Floats, lanes: int, cost: Floats, length: Floats) -> None:
    """c(0, j): borders are cumulative."""
    for q in range(lanes):
        cost[q], length[q] = d[q], _ONE
    for q in range(lanes, len(d)):
        cost[q] = cost[q - lanes] + d[q]
        length[q] = length[q - lanes] + _ONE


@_compiled
def _next_row(d: Floats, lanes: int, above: Floats, above_length: Floats, cost: Floats, length: Floats) -> None:
    """c(i, j) from c(i - 1, .); the diagonal where it is no worse, else the left where it is no worse, else above."""
    for q in range(lanes):
        cost[q], length[q] = above[q] + d[q], above_length[q] + _ONE
    for j in range(1, len(d) // lanes):
        at = j * lanes
        here, here_length = cost[at : at + lanes], length[at : at + lanes]
        left, left_length = cost[at - lanes : at], length[at - lanes : at]
        up, up_length = above[at : at + lanes], above_length[at : at + lanes]
        corner, corner_length = above[at - lanes : at], above_length[at - lanes : at]
        added = d[at : at + lanes]
        for q in range(lanes):
            is_left = left[q] <= up[q]
            best = left[q] if is_left else up[q]
            best_length = left_length[q] if is_left else up_length[q]
            is_corner = corner[q] <= best
            best = corner[q] if is_corner else best
            best_length = corner_length[q] if is_corner else best_length
            here[q] = best + added[q]
            here_length[q] = best_length + _ONE


@_compiled
def against_bundle(
    kind: int,
    x: Floats,
    more_x: Floats,
    steps: int,
    y: Floats,
    more_y: Floats,
    lanes: int,
    ends: Whole,
    room: Floats,
    out: Floats,
) -> None:
    """Normalised DTW of x with each lane of a bundle into out (lanes,).

    x: (steps rounded up to even, dimensions); y: (dimensions, longest * lanes), step-major; ends: (lanes,) last step of each
    lane; room: (6, >= longest * lanes) to work in. x comes first: rows are its steps.
    """
    columns = y.shape[1]
    now = 2
    for row in range(steps):
        if row % 2 == 0:
            _distances(kind, x, more_x, row, y, more_y, room[:2])
        d = room[row % 2, :columns]
        if row == 0:
            _first_row(d, lanes, room[2], room[3])
        else:
            old, now = now, 6 - now
            _next_row(d, lanes, room[old], room[old + 1], room[now], room[now + 1])
    for q in range(lanes):
        at = ends[q] * lanes + q
        out[q] = room[now, at] / room[now + 1, at]


def warm() -> None:
    """Compiles every kernel of ABX into the cache on disk, so that the first user does not wait for it."""
    from fractions import Fraction

    from untold.contract import Grid
    from untold.evaluation.abx import abx
    from untold.formats.item import Item

    rng = np.random.default_rng(0)
    values = rng.random((40, 1), np.float32)
    items = [Item("a", Fraction(i * 2), Fraction(i * 2 + 2), "pq"[i % 2], "", "", "st"[i // 10]) for i in range(20)]
    grid = Grid("second", Fraction(1), Fraction(1, 2))
    for name in DISTANCES:
        given = np.ones_like(values) if name == "kl_symmetric" else values
        abx(lambda _, given=given: given, items, grid=grid, distance=name, max_x_across=1, seed=0, draws=2)  # type: ignore[misc, arg-type]
