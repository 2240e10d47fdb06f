"""Items for ABX from a tier of labels, exact: phones, or phones with their two neighbours (speech.md 3.1.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Literal

from untold.contract import Interval, Recording
from untold.evaluation._labels import folding, is_silence
from untold.formats.item import Item

Kind = Literal["triphone", "phone"]
_NOTHING = "sil"  # the neighbour of a phone that nothing adjoins


def items_of(
    recordings: Iterable[Recording],
    tier: str,
    *,
    kind: Kind = "phone",
    fold: str | None = None,
    shortest: Fraction = Fraction(0),
) -> Iterator[Item]:
    """Items of the intervals of a tier that last at least `shortest` seconds, in order.

    Silence is left out, and so are labels that the folding removes; both still stand beside a phone as its neighbours. A
    triphone item reaches from the onset of the previous phone to the offset of the next, and is made only where both
    adjoin and are phones.
    """
    folded = folding(fold)
    for recording in recordings:
        rows = [(i, *_named(folded(i.label), i)) for i in recording.tiers.get(tier, ())]
        speaker = _word(recording.speaker)
        for at, (interval, label, speaks) in enumerate(rows):
            if not speaks:
                continue
            before, after = (
                at > 0 and rows[at - 1][0].end == interval.start,
                at + 1 < len(rows) and rows[at + 1][0].start == interval.end,
            )
            previous = rows[at - 1][1] if before else _NOTHING
            following = rows[at + 1][1] if after else _NOTHING
            onset, offset = interval.start, interval.end
            if kind == "triphone":
                if not (before and after and rows[at - 1][2] and rows[at + 1][2]):
                    continue
                onset, offset = rows[at - 1][0].start, rows[at + 1][0].end
            if offset - onset >= shortest:
                yield Item(recording.id, onset, offset, label, previous, following, speaker)


def _named(folded: str | None, interval: Interval) -> tuple[str, bool]:
    """The label as an item file may hold it, and whether it is a phone to be compared."""
    label = interval.label if folded is None else folded
    return _word(label) or _NOTHING, folded is not None and not is_silence(folded)


def _word(text: str) -> str:
    """Columns of an item file are parted by spaces, so none may stand in a name."""
    return "_".join(text.split())
