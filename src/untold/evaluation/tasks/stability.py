"""How far two runs' units agree: their adjusted mutual information over steps

Two seeds of one method should find the same units up to names. Where the rates differ, the slower one's steps are
taken, and the other's unit at their centres. A step without a unit is a unit of its own. 1 is the same units, 0 is chance.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from untold.contract import Score, Units
from untold.errors import UntoldError
from untold.evaluation._measuring import reading
from untold.evaluation._options import TaskOptions
from untold.evaluation._tables import frames_of
from untold.evaluation.clusters import Contingency, contingency, score

BETTER = {"stability": "higher"}
NEEDS = "units"


def together(one: Units, other: Units) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of both at the centres of the slower one's steps, cut to the shorter."""
    if one.grid.rate > other.grid.rate:
        return together(other, one)[::-1]
    slow, fast = frames_of(one), frames_of(other)
    if one.grid == other.grid:
        steps = min(len(slow), len(fast))
        return slow[:steps], fast[:steps]
    at = np.array([_step(other, one.grid.centre(i)) for i in range(len(slow))], np.int64)
    inside = (at >= 0) & (at < len(fast))
    return slow[inside], fast[at[inside]]


def _step(units: Units, place: Fraction) -> int:
    """The step that covers a place."""
    return int(((place - units.grid.first) * units.grid.rate + Fraction(1, 2)) // 1)


def _table(pairs: Iterable[tuple[str, np.ndarray, np.ndarray]], alphabet: int) -> Contingency:
    """Joint counts of two runs' tokens; -1 is a token like any other."""
    shifted = ((group, a + 1, b) for group, a, b in pairs)
    return contingency(shifted, [str(token) for token in range(-1, alphabet)])


def stability(units_a: Units, units_b: Units) -> float:
    """Adjusted mutual information of two runs' units of the same recording."""
    a, b = together(units_a, units_b)
    return float(score(_table([("", a, b)], units_a.alphabet), "mutual_information")[0])


def measure(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """`stability` of the subject's units and those of `options.against`."""
    if options.against is None:
        raise UntoldError("stability needs the units of two runs: untold compare RUN RUN --on SOURCE --tasks stability")
    other = options.against
    if other.alphabet is None:
        raise UntoldError(f"{other.name} has no units: make a codebook of it first (untold codebook)")
    read = reading("stability", subject, corpus, options)
    pairs = ((group, *together(units, other.units(recording))) for group, recording, units in read)
    table = _table(pairs, subject.alphabet)
    if not len(table.phone):
        raise UntoldError("the two have no steps in common")
    said = {"against": other.name, "adjusted": "yes"}
    of = partial(score, table, "mutual_information")
    return [read.row("stability", "higher", table.groups, of, said, centred=True)]
