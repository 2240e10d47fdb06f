"""What units cost and how they are used: bits per second in four accountings, units per second, perplexity, speaker.

On another axis it is its unit instead of the second (bits a pixel of handwriting). `log2k`: steps per second x log2 of the alphabet. `unigram`: steps per second x H(token). `bigram`: steps per second
x H(token | token before). `run_length`: runs per second x (H(token | token of the run before) + H(duration of a run)).
Entropies are corrected for the sample's size (Miller 1955): (kinds that occur - 1) / (2 n) nats are added, and a
conditional entropy is the difference of two corrected ones. A step without a unit is a symbol of its own. The rate
divides by the time that the steps cover; pairs do not cross recordings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from untold.contract import Unit, Units
from untold.evaluation._tables import Table, Tally, corrected, frames_of, summed
from untold.evaluation.clusters import Contingency

ACCOUNTINGS = ("log2k", "unigram", "bigram", "run_length")


@dataclass(frozen=True)
class Usage:
    """Counts of tokens, of neighbours, of neighbouring runs and of durations, by group, and how often a unit begins."""

    alphabet: int
    rate: Fraction  # steps per second, or whatever the axis has
    axis: Unit
    tokens: Table
    neighbours: Table  # (before, token)
    runs: Table  # (token of the run before, token of the run)
    durations: Table
    units: np.ndarray  # (groups,) runs that are no gaps
    recordings: np.ndarray  # (groups,)
    gaps: bool

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups by name."""
        return self.tokens.groups

    @property
    def symbols(self) -> int:
        """How many symbols there are to choose from: the alphabet, and one for gaps if there are some."""
        return self.alphabet + int(self.gaps)


def usage(units: Iterable[tuple[str, Units]]) -> Usage:
    """Counts of (group, units of a recording); all on grids of one rate."""
    tallies = Tally(1), Tally(2), Tally(2), Tally(1)
    begun: dict[str, int] = {}
    many: dict[str, int] = {}
    alphabet, rate = 1, Fraction(1)
    axis: Unit = "second"
    for group, some in units:
        alphabet, rate, axis = max(alphabet, some.alphabet), some.grid.rate, some.grid.unit
        tokens = frames_of(some)
        starts = np.flatnonzero(np.r_[True, tokens[1:] != tokens[:-1]]) if len(tokens) else np.zeros(0, np.int64)
        heads = tokens[starts]
        values = tokens, _pairs(tokens), _pairs(heads), np.diff(np.r_[starts, len(tokens)])
        for tally, value in zip(tallies, values, strict=True):
            tally.add(group, value)
        begun[group] = begun.get(group, 0) + int((heads >= 0).sum())
        many[group] = many.get(group, 0) + 1
    tables = [tally.table() for tally in tallies]
    counts, recordings = (np.array([of[group] for group in tables[0].groups], np.float64) for of in (begun, many))
    tokens_, neighbours, runs, durations = tables
    gaps = bool((tokens_.kinds < 0).any())
    return Usage(alphabet, rate, axis, tokens_, neighbours, runs, durations, counts, recordings, gaps)


def _pairs(tokens: np.ndarray) -> np.ndarray:
    return np.stack([tokens[:-1], tokens[1:]], axis=1)


def bits_per_second(use: Usage, accounting: str, weight: np.ndarray) -> np.ndarray:
    """Bits per second of weighted groups (draws, groups) -> (draws,), by an accounting of `ACCOUNTINGS`."""
    rate = float(use.rate)
    if accounting == "log2k":
        return np.full(len(weight), rate * math.log2(use.symbols))
    if accounting == "unigram":
        return np.asarray(rate * _over(use.tokens, weight) / math.log(2))
    if accounting == "bigram":
        return np.asarray(rate * _conditional(use.neighbours, weight) / math.log(2))
    runs = weight @ np.asarray(use.durations.counts.sum(axis=1)).ravel()
    nats = _conditional(use.runs, weight) + _over(use.durations, weight)
    return np.asarray(runs / _seconds(use, weight) * nats / math.log(2))


def _over(table: Table, weight: np.ndarray) -> np.ndarray:
    return np.concatenate([corrected(table.drawn(part)) for part in table.blocks(weight)])


def _conditional(table: Table, weight: np.ndarray) -> np.ndarray:
    """H(second | first) in nats of a table of pairs; 0 where there are no pairs."""
    if not len(table.kinds):
        return np.zeros(len(weight))
    parts = []
    for part in table.blocks(weight):
        joint = table.drawn(part)
        parts.append(corrected(joint) - corrected(summed(joint, table.kinds[:, 0])))
    return np.asarray(np.maximum(0.0, np.nan_to_num(np.concatenate(parts))))


def _seconds(use: Usage, weight: np.ndarray) -> np.ndarray:
    return np.asarray(weight @ np.asarray(use.tokens.counts.sum(axis=1)).ravel() / float(use.rate))


def units_per_second(use: Usage, weight: np.ndarray) -> np.ndarray:
    """Units that begin per second, neighbours with the same token being one, of weighted groups."""
    return np.asarray(weight @ use.units / _seconds(use, weight))


def units_per_recording(use: Usage, weight: np.ndarray) -> np.ndarray:
    """Units that begin in a recording, neighbours with the same token being one, of weighted groups."""
    return np.asarray(weight @ use.units / (weight @ use.recordings))


def _emitted(use: Usage) -> Table:
    keep = use.tokens.kinds[:, 0] >= 0
    return Table(use.groups, use.tokens.kinds[keep], use.tokens.counts[:, keep])


def codewords_in_use(use: Usage) -> int:
    """Tokens that occur at least once."""
    return len(_emitted(use).kinds)


def perplexity(use: Usage, weight: np.ndarray) -> np.ndarray:
    """exp(H(token)) over steps with a unit, the entropy corrected, at most the alphabet; of weighted groups."""
    table = _emitted(use)
    if not len(table.kinds):
        return np.zeros(len(weight))
    return np.asarray(np.minimum(np.exp(_over(table, weight)), use.alphabet))


def information(table: Contingency, weight: np.ndarray) -> np.ndarray:
    """I(row; unit) in bits of weighted groups, entropies corrected, never below 0 (the rows are speakers)."""
    if not len(table.phone):
        return np.full(len(weight), np.nan)
    parts = []
    for part in table.cells.blocks(weight):
        joint = table.cells.drawn(part)
        rows, units = summed(joint, table.phone), summed(joint, table.unit)
        parts.append(corrected(rows) + corrected(units) - corrected(joint))
    return np.asarray(np.maximum(0.0, np.concatenate(parts)) / math.log(2))
