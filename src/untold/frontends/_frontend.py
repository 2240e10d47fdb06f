"""What every front end can do, and how recordings are read through one: whole, or block after block, with one result.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor, nn

from untold.contract import Grid, Signal, Stream, total
from untold.frontends._excerpt import Excerpt, excerpt

SAMPLE_RATE = 16000
_BLOCK = 30 * SAMPLE_RATE  # samples read at once: some tens of megabytes at most, whatever the recording's length


class FrontEnd(nn.Module, ABC):
    """Samples -> frames.

    A front end may need to know a whole recording (or all of a speaker's) before it can read any of it: the mean, the
    warp. `adapts` says over what, `passes` in how many passes: each sums what `summarise` gives of the parts, and
    `settle` makes of the sums what is fixed from then on. What the last `settle` gave is the `adapted` of `forward`.
    """

    dimensions: int
    hop: int  # samples a step
    margin: int  # samples on each side of an excerpt that its frames look at
    grid: Grid
    stream: str = "audio"  # the signal of a recording that is read
    adapts: Literal["none", "file", "speaker"] = "none"
    passes: int = 0

    def steps(self, samples: int) -> int:
        """How many steps so many samples have: a step is there when at least half of it is."""
        return (samples + self.hop // 2) // self.hop

    def summarise(self, given: Excerpt, so_far: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Float64 sums over each example's frames (batch, ...)."""
        raise NotImplementedError(f"{type(self).__name__} adapts to nothing")

    def settle(self, total: Mapping[str, Tensor], so_far: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the sums of one whole pass fix (batch, ...)."""
        raise NotImplementedError(f"{type(self).__name__} adapts to nothing")

    @abstractmethod
    def forward(self, given: Excerpt, adapted: Mapping[str, Tensor], keys: Tensor | None = None) -> Stream:
        """Frames (batch, steps, dimensions). Keys (batch,) are given in training only, for what is drawn at random."""

    def places(self, given: Excerpt) -> tuple[Tensor, Tensor]:
        """Lengths in steps (batch,) and which steps are wanted (batch, steps)."""
        lengths = (given.lengths + self.hop // 2) // self.hop
        steps = torch.arange(self.steps(given.longest), device=lengths.device)
        return lengths, steps < lengths[:, None]


def blocks(front_end: FrontEnd, signal: Signal, start: int, stop: int) -> Iterator[Excerpt]:
    """Steps `start` to `stop` of a signal as excerpts (batch of one) that follow one another."""
    steps = max(1, _BLOCK // front_end.hop)
    device = _device(front_end)
    for first in range(start, stop, steps):
        last = min(first + steps, stop)
        end = min(last * front_end.hop, signal.steps)
        yield excerpt([signal], [first * front_end.hop], [end], front_end.margin).to(device)


def read_frames(
    front_end: FrontEnd, signal: Signal, start: int, stop: int, adapted: Mapping[str, Tensor]
) -> Tensor:
    """Steps `start` to `stop` of a signal: (stop - start, dimensions). Parts read apart equal the whole."""
    with torch.no_grad():
        parts = [front_end(given, adapted).values[0] for given in blocks(front_end, signal, start, stop)]
    if not parts:
        return torch.zeros((0, front_end.dimensions), device=_device(front_end))
    return torch.cat(parts)


def adapt(front_end: FrontEnd, signals: Signal | Sequence[Signal]) -> dict[str, Tensor]:
    """What the front end has to know of a recording (or of all recordings of a speaker), each with a batch of one.

    Memory is constant: the signals are read in blocks, `front_end.passes` times.
    """
    every = signals if isinstance(signals, Sequence) else [signals]
    so_far: dict[str, Tensor] = {}
    with torch.no_grad():
        for _ in range(front_end.passes):
            parts = (
                front_end.summarise(given, so_far)
                for signal in every
                for given in blocks(front_end, signal, 0, max(1, front_end.steps(signal.steps)))
            )
            so_far = front_end.settle(total(parts), so_far)
    return so_far


def stack(adapted: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """What several recordings were adapted to, as a batch."""
    return {key: torch.cat([one[key] for one in adapted]) for key in adapted[0]} if adapted else {}


def sound_grid(hop: int) -> Grid:
    """The grid of steps of `hop` samples at 16 kHz, step 0 being samples 0 to hop - 1."""
    return Grid("second", Fraction(SAMPLE_RATE, hop), Fraction(hop, 2 * SAMPLE_RATE))


def _device(front_end: FrontEnd) -> torch.device:
    for tensor in front_end.buffers():
        return tensor.device
    return torch.device("cpu")
