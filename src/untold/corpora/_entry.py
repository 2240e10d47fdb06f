"""What a reader of a corpus says of one recording before anything is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from untold.contract import Interval


@dataclass(frozen=True)
class Entry:
    """One recording as its owner lays it out: where its sound lies, who speaks, what its labels say.

    `start` and `end` are seconds within the file (whole file when absent); `tiers` are in seconds from `start`.
    `labels` are the label files that it was made of, for the fingerprint. `channel` counts from 0; without it all
    channels are mixed.
    """

    id: str
    audio: Path
    start: Fraction | None = None
    end: Fraction | None = None
    sides: Mapping[str, str] = field(default_factory=dict)
    tiers: Mapping[str, Sequence[Interval]] = field(default_factory=dict)
    split: str = "train"
    labels: tuple[Path, ...] = ()
    channel: int | None = None
