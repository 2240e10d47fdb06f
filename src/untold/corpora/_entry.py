"""What a reader of a corpus says of one recording before anything is decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from untold.contract import Interval

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Cut:
    """Where a line lies on a page: polygon and baseline, points (x, y) in pixels, and the page's size as its labels tell it."""

    polygon: tuple[tuple[float, float], ...]
    baseline: tuple[tuple[float, float], ...] = ()
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Entry:
    """One recording as its owner lays it out: where it lies, who speaks or writes, what its labels say.

    `start` and `end` are seconds within the file (whole file when absent); `tiers` are in seconds from `start`.
    `labels` are the label files that it was made of, for the fingerprint. `channel` counts from 0; without it all
    channels are mixed. Of a line of handwriting: `cut` is where on the picture it lies (the whole picture when absent),
    `drawn` makes the picture where the file is none, `made_up` says that it has its final height and must not be touched;
    its tiers are in pixels from the left of the picture.
    """

    id: str
    file: Path
    start: Fraction | None = None
    end: Fraction | None = None
    sides: Mapping[str, str] = field(default_factory=dict)
    tiers: Mapping[str, Sequence[Interval]] = field(default_factory=dict)
    split: str = "train"
    labels: tuple[Path, ...] = ()
    channel: int | None = None
    cut: Cut | None = None
    drawn: Callable[[], np.ndarray] | None = None
    made_up: bool = False
