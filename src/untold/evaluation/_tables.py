"""Counts by group, kept sparse, and the entropies of weighted groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from untold.contract import Units

_AT_ONCE = 1 << 23  # numbers held while draws are computed


@dataclass(frozen=True)
class Table:
    """Counts of `kinds` (kinds, parts) int64, by group: `counts` (groups, kinds)."""

    groups: tuple[str, ...]
    kinds: np.ndarray
    counts: sparse.csr_matrix

    def drawn(self, weight: np.ndarray) -> np.ndarray:
        """Counts (draws, kinds) of weighted groups (draws, groups)."""
        return np.asarray(weight @ self.counts)

    def blocks(self, weight: np.ndarray) -> Iterable[np.ndarray]:
        """Weights in blocks of draws whose counts fit in memory together."""
        block = max(1, _AT_ONCE // max(1, len(self.kinds)))
        return (weight[i : i + block] for i in range(0, len(weight), block))


class Tally:
    """Counts as they come: `add(group, values)` with values (n, parts)."""

    def __init__(self, parts: int) -> None:
        self._parts = parts
        self._groups: dict[str, int] = {}
        self._kinds: dict[tuple[int, ...], int] = {}
        self._cells: dict[tuple[int, int], int] = {}

    def add(self, group: str, values: np.ndarray) -> None:
        """Counts rows of values (n, parts) int64 for a group, which is known from then on even with none."""
        at = self._groups.setdefault(group, len(self._groups))
        kinds, counts = np.unique(values.reshape(-1, self._parts), axis=0, return_counts=True)
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
            cell = at, self._kinds.setdefault(tuple(kind), len(self._kinds))
            self._cells[cell] = self._cells.get(cell, 0) + count

    def table(self) -> Table:
        """The counts, groups sorted by name."""
        cells = np.array(list(self._cells), np.int64).reshape(-1, 2)
        values = np.array(list(self._cells.values()), np.float64)
        counts = sparse.csr_matrix((values, (cells[:, 0], cells[:, 1])), shape=(len(self._groups), len(self._kinds)))
        names = tuple(sorted(self._groups))
        kinds = np.array(list(self._kinds), np.int64).reshape(-1, self._parts)
        return Table(names, kinds, counts[[self._groups[name] for name in names]])


def summed(counts: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Sums (draws, different values of `by`) of counts (draws, kinds)."""
    values, index = np.unique(by, return_inverse=True)
    chosen = sparse.csr_matrix((np.ones(len(by)), (np.arange(len(by)), index.ravel())), shape=(len(by), len(values)))
    return np.asarray(counts @ chosen)


def entropy(counts: np.ndarray) -> np.ndarray:
    """Plug-in entropy in nats of counts (..., kinds) >= 0 that need not be whole; NaN without counts."""
    n = counts.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = (counts * np.log(np.where(counts > 0, counts, 1))).sum(axis=-1)
        return np.asarray(np.maximum(0.0, np.log(n) - terms / n))


def corrected(counts: np.ndarray) -> np.ndarray:
    """Entropy in nats by Miller and Madow: plug-in + (kinds that occur - 1) / (2 n)."""
    n, used = counts.sum(axis=-1), (counts > 0).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(entropy(counts) + (used - 1) / (2 * n))


def frames_of(units: Units, steps: int | None = None) -> np.ndarray:
    """A token a step (steps,) int64, -1 where nothing was emitted; as long as the units when `steps` is not given."""
    steps = int(units.ends.max(initial=0)) if steps is None else steps
    lengths = units.ends - units.starts
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    at = np.repeat(units.starts, lengths) + within
    out = np.full(steps, -1, np.int64)
    out[at[at < steps]] = np.repeat(units.tokens, lengths)[at < steps]
    return out
