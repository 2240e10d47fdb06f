"""How units and phones go together: PNMI, NMI, purity, adjusted Rand index, adjusted mutual information.

All are functions of the table of joint counts n(phone, unit) over frames. With p = n / N: MI = sum p ln(p / (p_phone
p_unit)); PNMI = MI / H(phone) (HuBERT, Hsu et al. 2021); NMI = 2 MI / (H(phone) + H(unit)); purity = sum over units
of max over phones of p, the accuracy of the best many-to-one map on the same data; ARI and AMI (Hubert and Arabie 1985;
Vinh et al. 2010) are 0 on average for chance and 1 for equality up to names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.metrics.cluster import expected_mutual_information

from untold.evaluation._tables import Table, Tally, entropy, summed


@dataclass(frozen=True)
class Contingency:
    """Joint counts by group (a speaker or recording) over the cells that occur: `cells.kinds` are (phone, unit).

    A cell's phone is an index of `phones`, its unit a token.
    """

    phones: tuple[str, ...]
    cells: Table

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups by name."""
        return self.cells.groups

    @property
    def phone(self) -> np.ndarray:
        """The phone of each cell."""
        return np.asarray(self.cells.kinds[:, 0])

    @property
    def unit(self) -> np.ndarray:
        """The unit of each cell."""
        return np.asarray(self.cells.kinds[:, 1])

    def without(self, phones: Iterable[str]) -> Contingency:
        """The table without the rows of some phones (silence)."""
        drop = set(phones)
        keep = np.array([self.phones[p] not in drop for p in self.phone], bool)
        return Contingency(self.phones, Table(self.groups, self.cells.kinds[keep], self.cells.counts[:, keep]))

    def table(self) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
        """Counts (phones, units) with the phones' names and the tokens that stand for rows and columns."""
        rows, r = np.unique(self.phone, return_inverse=True)
        columns, c = np.unique(self.unit, return_inverse=True)
        out = np.zeros((len(rows), len(columns)), np.int64)
        np.add.at(out, (r, c), np.rint(np.asarray(self.cells.counts.sum(axis=0))).astype(np.int64).ravel())
        return out, tuple(self.phones[i] for i in rows), columns


def contingency(frames: Iterable[tuple[str, np.ndarray, np.ndarray]], phones: Sequence[str]) -> Contingency:
    """The table of (group, labels (steps,), tokens (steps,)); labels index `phones`, below 0 none; cut to the shorter.

    A token of -1 (nothing emitted) counts as a unit of its own: a method that stays silent is not rewarded for it.
    `phones` may still grow while the frames are read.
    """
    tally = Tally(2)
    for group, labels, tokens in frames:
        steps = min(len(labels), len(tokens))
        pairs = np.stack([labels[:steps], tokens[:steps]], axis=1)
        tally.add(group, pairs[pairs[:, 0] >= 0])
    return Contingency(tuple(phones), tally.table())


class _Sums:
    """Cells, their sums over units and over phones, of some draws; (draws, ...) each."""

    def __init__(self, table: Contingency, weight: np.ndarray) -> None:
        self.cells = table.cells.drawn(weight)
        self.phones = summed(self.cells, table.phone)
        self.units = summed(self.cells, table.unit)
        self.n = self.cells.sum(axis=1)


def _information(sums: _Sums) -> np.ndarray:
    return np.asarray(np.maximum(0.0, entropy(sums.phones) + entropy(sums.units) - entropy(sums.cells)))


def _divided(above: np.ndarray, below: np.ndarray, empty: float) -> np.ndarray:
    return np.where(below > 0, above / np.where(below > 0, below, 1), empty)


def _pnmi(sums: _Sums, table: Contingency) -> np.ndarray:
    del table
    return _divided(_information(sums), entropy(sums.phones), np.nan)


def _nmi(sums: _Sums, table: Contingency) -> np.ndarray:
    del table
    return _divided(2 * _information(sums), entropy(sums.phones) + entropy(sums.units), 1.0)


def _purity(sums: _Sums, table: Contingency) -> np.ndarray:
    order = np.argsort(table.unit, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(table.unit[order]) != 0])
    return np.asarray(np.maximum.reduceat(sums.cells[:, order], starts, axis=1).sum(axis=1) / sums.n)


def _ari(sums: _Sums, table: Contingency) -> np.ndarray:
    del table
    cells, phones, units, n = (_pairs(x) for x in (sums.cells, sums.phones, sums.units, sums.n[:, None]))
    expected = phones * units / np.where(n > 0, n, 1)
    most = (phones + units) / 2
    return np.where(most == expected, 1.0, (cells - expected) / np.where(most == expected, 1, most - expected))


def _pairs(counts: np.ndarray) -> np.ndarray:
    return np.asarray((counts * (counts - 1) / 2).sum(axis=1))


def _ami(sums: _Sums, table: Contingency) -> np.ndarray:
    """Adjusted by the mutual information expected of the whole table, for every draw: to expect anew takes too long."""
    whole = table.table()[0]
    if min(whole.shape) < 2:
        return np.full(len(sums.n), float(max(whole.shape) < 2))
    expected = float(expected_mutual_information(sparse.csr_matrix(whole), int(whole.sum())))
    above = _information(sums) - expected
    below = (entropy(sums.phones) + entropy(sums.units)) / 2 - expected
    tiny = np.finfo(float).eps  # as scikit-learn: 0 / 0 of a perfect match is 1
    return np.asarray(_at_least(above, tiny) / _at_least(below, tiny))


def _at_least(values: np.ndarray, tiny: float) -> np.ndarray:
    return np.asarray(np.copysign(np.maximum(np.abs(values), tiny), values))


_METRICS = {"pnmi": _pnmi, "nmi": _nmi, "purity": _purity, "ari": _ari, "rand_score": _ari, "mutual_information": _ami, "token_to_character": _purity}


def score(table: Contingency, metric: str, weight: np.ndarray | None = None) -> np.ndarray:
    """A metric of weighted groups, weight (draws, groups) -> (draws,); without weights every group once.

    `metric`: pnmi, nmi, purity, ari, rand_score (= ari), mutual_information (adjusted), token_to_character (= purity).
    """
    weight = np.ones((1, len(table.groups))) if weight is None else weight
    if not len(table.phone):
        return np.full(len(weight), np.nan)
    return np.concatenate([_METRICS[metric](_Sums(table, part), table) for part in table.cells.blocks(weight)])
