"""What a front end is given: stretches of recordings with the samples around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from untold.contract import Signal


@dataclass(frozen=True)
class Excerpt:
    """A batch of stretches of recordings.

    samples (batch, margin + longest + margin, *shape) float32: sound in [-1, 1], ink in [0, 1]; beyond the ends of its recording a row is mirrored
    with the edge repeated (index -1 is 0, n is n - 1), after its margin it is 0. start (batch,) is the place of the
    first wanted sample in the recording, a multiple of the front end's hop; total (batch,) the samples of the whole
    recording; lengths (batch,) the wanted samples. All int64 but the samples. `shared` is what front ends left for each
    other: power spectra are computed once, whoever wants them.
    """

    samples: Tensor
    margin: int
    start: Tensor
    total: Tensor
    lengths: Tensor
    shared: dict[str, tuple[int, Tensor]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def longest(self) -> int:
        """Wanted samples of the longest row."""
        return int(self.samples.shape[1]) - 2 * self.margin

    def to(self, device: torch.device | str) -> Excerpt:
        """The same on another device."""
        samples, start, total, lengths = (t.to(device, non_blocking=True) for t in (self.samples, self.start, self.total, self.lengths))
        return Excerpt(samples, self.margin, start, total, lengths)


def excerpt(signals: Sequence[Signal], starts: Sequence[int], stops: Sequence[int], margin: int) -> Excerpt:
    """Samples starts[i] to stops[i] of each signal with `margin` more on each side, as a batch."""
    lengths = [stop - start for start, stop in zip(starts, stops, strict=True)]
    shape = signals[0].shape if signals else ()
    samples = np.zeros((len(lengths), 2 * margin + max(lengths, default=0), *shape), np.float32)
    for row, signal, start, stop in zip(samples, signals, starts, stops, strict=True):
        if not 0 <= start <= stop <= signal.steps:
            raise ValueError(f"samples {start} to {stop} of a signal of {signal.steps}")
        row[: 2 * margin + stop - start] = _mirrored(signal, start - margin, stop + margin)
    return Excerpt(
        torch.from_numpy(samples),
        margin,
        torch.tensor(list(starts), dtype=torch.int64),
        torch.tensor([signal.steps for signal in signals], dtype=torch.int64),
        torch.tensor(lengths, dtype=torch.int64),
    )


def _mirrored(signal: Signal, start: int, stop: int) -> np.ndarray:
    """Samples `start` to `stop`, which may lie beyond the ends. Mirrored places fall into the part that is read."""
    total = signal.steps
    if total == 0:
        return np.zeros((stop - start, *signal.shape), np.float32)
    low, high = max(start, 0), min(stop, total)
    read = signal.read(low, high)
    if low == start and high == stop:
        return read
    places = np.arange(start, stop) % (2 * total)
    places = np.where(places >= total, 2 * total - 1 - places, places)
    return read[places - low]
