"""Labels of tiers as instruments read them: which tier, folded how, what is silence, the label of each step, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from importlib import import_module

import numpy as np

from untold.contract import TRANSCRIPTION, Grid, Interval, Recording
from untold.errors import UntoldError, unknown_name

# as TIMIT, Kaldi, the Montreal aligner, ARPAbet dictionaries, the Bavarian archive, Praat, and espeak write nothing
SILENCE = frozenset(
    {"", "sil", "SIL", "h#", "pau", "epi", "sp", "spn", "SPN", "nsn", "NSN", "#", "_", "_:", "<p:>", "<p>", "<sil>", "(...)"}
)
FOLDS = ("timit39",)  # names of `evaluation._folding`
NO_LABEL = -1


def is_silence(label: str) -> bool:
    """Whether a label stands for no speech."""
    return label.strip() in SILENCE


def folding(name: str | None) -> Callable[[str], str | None]:
    """The folding of labels by its name; None folds nothing. A folding gives None for labels that it removes."""
    if name is None:
        return lambda label: label
    if name not in FOLDS:
        raise unknown_name("folding", name, FOLDS)
    fold: Callable[[str], str | None] = getattr(import_module("untold.evaluation._folding"), name)
    return fold


def tier_of(tiers: Sequence[str], wanted: str | None) -> str:
    """The tier to read of those that occur: the wanted one, else `phones`, else the first of labels that have places."""
    if wanted is not None:
        if wanted not in tiers:
            there = ", ".join(tiers) or "none"
            raise UntoldError(f"there is no tier {wanted!r} in these recordings (there: {there}): name one with --tier")
        return wanted
    placed = [name for name in tiers if name != TRANSCRIPTION]
    if not placed:
        raise UntoldError("these recordings have no tier of labels: add TextGrid, ELAN or CTM files beside the audio")
    return "phones" if "phones" in placed else placed[0]


def tier_in(recordings: Iterable[Recording], wanted: str | None) -> str:
    """`tier_of` the tiers that occur in some recordings."""
    return tier_of(list(dict.fromkeys(name for r in recordings for name in r.tiers)), wanted)


def folded(tier: Iterable[Interval], fold: Callable[[str], str | None]) -> list[tuple[Fraction, Fraction, str]]:
    """Start, end and folded label of the intervals that the folding does not remove."""
    found = ((i.start, i.end, fold(i.label)) for i in tier)
    return [(start, end, label) for start, end, label in found if label is not None]


class Inventory:
    """Labels as numbers, in the order in which they are met."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._index: dict[str, int] = {}

    def index(self, label: str) -> int:
        """The label's number, a new one if it was never met."""
        if label not in self._index:
            self._index[label] = len(self.names)
            self.names.append(label)
        return self._index[label]


def of_steps(
    tier: Iterable[Interval], grid: Grid, steps: int, fold: Callable[[str], str | None], inventory: Inventory
) -> np.ndarray:
    """The label of each step (steps,) int64: of the interval that holds the step's centre, NO_LABEL where none does."""
    out = np.full(steps, NO_LABEL, np.int64)
    for start, end, label in folded(tier, fold):
        a, b = (max(0, _first_at(grid, place)) for place in (start, end))
        if a < min(b, steps):
            out[a:b] = inventory.index(label)
    return out


def _first_at(grid: Grid, place: Fraction) -> int:
    """The first step whose centre lies at `place` or after it, exactly."""
    return -int(((grid.first - place) * grid.rate) // 1)
