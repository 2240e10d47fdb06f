"""Intervals of means over cells that belong to one or two speakers: what ABX is (speech.md 3.1.1).

The bootstrap itself, draws of weights and percentiles, stands in `_groups`. Here is the nested mean as a function of how
often each speaker was drawn, so that thousands of draws need no second look at the cells.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from untold.evaluation._groups import FEWEST_SPEAKERS, Grouped, difference, interval, weights

__all__ = ["FEWEST_SPEAKERS", "difference", "interval", "mean_of_cells", "weights"]

_MOST_DENSE = 1 << 24


class ScoredCells(Protocol):
    """Cells (cells,) as numbers of phone, other phone, speaker of a and b, speaker of x, and their errors."""

    @property
    def error(self) -> np.ndarray: ...
    @property
    def phone(self) -> np.ndarray: ...
    @property
    def other(self) -> np.ndarray: ...
    @property
    def speaker(self) -> np.ndarray: ...
    @property
    def speaker_of_x(self) -> np.ndarray: ...
    @property
    def speakers(self) -> tuple[str, ...]: ...


def mean_of_cells(cells: ScoredCells) -> Grouped:
    """The mean over (context, speaker of x), then speakers of a and b, then ordered phone pairs, as a `Grouped` of speakers.

    A draw counts a cell as often as its speaker of x came, within the mean of its speaker of a and b, which counts as often as
    that one came. Within speakers both are one and count once. Pairs of phones that a draw has no speakers for are left out of it.
    """
    present = (
        np.unique(np.concatenate([cells.speaker, cells.speaker_of_x])) if len(cells.error) else np.zeros(0, np.int64)
    )
    names = tuple(cells.speakers[i] for i in present)
    speaker, of_x = np.searchsorted(present, cells.speaker), np.searchsorted(present, cells.speaker_of_x)
    count = len(names)
    phones = int(max(cells.phone.max(initial=0), cells.other.max(initial=0))) + 1
    keys, row = np.unique((cells.phone * phones + cells.other) * max(count, 1) + speaker, return_inverse=True)
    pair, place = np.unique(keys // max(count, 1), return_inverse=True)
    row_speaker = keys % max(count, 1)
    starts = np.searchsorted(place, np.arange(len(pair)))
    across = bool((speaker != of_x).any())
    if across:
        errors, numbers = _table(row, of_x, cells.error, len(keys), count), _table(row, of_x, None, len(keys), count)
    else:
        errors = np.bincount(row, cells.error, len(keys))[:, None]
        numbers = np.bincount(row, minlength=len(keys)).astype(np.float64)[:, None]

    def of(weight: np.ndarray) -> np.ndarray:
        out = []
        step = max(1, (1 << 22) // max(len(keys), 1))
        for at in range(0, len(weight), step):
            drawn = weight[at : at + step].T  # (speakers, draws)
            inner = drawn if across else np.ones((1, drawn.shape[1]))
            above, below = np.asarray(errors @ inner), np.asarray(numbers @ inner)
            counted = np.where(below > 0, drawn[row_speaker], 0.0)
            mean = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
            top, bottom = np.add.reduceat(mean * counted, starts), np.add.reduceat(counted, starts)
            of_pair = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
            pairs = (bottom > 0).sum(axis=0)
            out.append(np.where(pairs > 0, of_pair.sum(axis=0) / np.maximum(pairs, 1), np.nan))
        return np.concatenate(out)

    return Grouped(names, of)


def _table(row: np.ndarray, column: np.ndarray, value: np.ndarray | None, rows: int, columns: int) -> np.ndarray:
    """Sums by row and column; sparse where a full table would be large."""
    if rows * columns <= _MOST_DENSE:
        return np.bincount(row * columns + column, value, rows * columns).astype(np.float64).reshape(rows, columns)
    from scipy.sparse import csr_array

    held = np.ones(len(row)) if value is None else value
    table: np.ndarray = csr_array((held, (row, column)), shape=(rows, columns))
    return table
