"""Drives a method: makes batches for it, and reads recordings through it, chunk by chunk, with one result.

A `Model` is a method with its front ends and the names behind its side indices: all that a RUN needs to be used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from untold import registry
from untold.contract import UNKNOWN, Batch, Encodes, Features, Grid, Recording, Stage, Stream, Tokenizes, Units, Windows
from untold.errors import UntoldError, unknown_name
from untold.frontends import Excerpt, FrontEnd, adapt, read_frames
from untold.settings import Settings

_CHUNK = 6000  # steps of a point that are computed at once: what bounds the memory of a two-hour file

Adapted = Mapping[str, Mapping[str, Tensor]]  # stream -> what its front end knows of a recording


class Model(nn.Module):
    """A method by name, its settings, its front ends by stream, and the names of each side's values."""

    def __init__(self, name: str, settings: Settings, sides: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        module = registry.load("methods", name)
        self.name, self.settings = name, settings
        self.sides = {side: [UNKNOWN, *(v for v in values if v != UNKNOWN)] for side, values in sides.items()}
        fronts: dict[str, FrontEnd] = {stream: part.build() for stream, part in module.inputs(settings).items()}
        self.fronts = nn.ModuleDict(fronts)
        counts = {side: len(values) for side, values in self.sides.items()}
        self.method: Any = module.build(settings, fronts, counts)
        self._places = {side: {value: i for i, value in enumerate(values)} for side, values in self.sides.items()}

    @property
    def margin(self) -> int:
        """Samples around an excerpt that all the front ends together need."""
        return max(self._front(stream).margin for stream in self.fronts)

    @property
    def finest_hop(self) -> int:
        """Samples of a step of the stream with the most steps."""
        return min(self._front(stream).hop for stream in self.fronts)

    @property
    def hop(self) -> int:
        """Samples that an excerpt's start must be a multiple of: the steps of the slowest stage."""
        stride = max((s.stride for s in self.method.stages(self.method.points[0])), default=1) if isinstance(self.method, Encodes) else 1
        return max(self._front(stream).hop for stream in self.fronts) * math.ceil(stride)

    def _front(self, stream: str) -> FrontEnd:
        front = self.fronts[stream]
        assert isinstance(front, FrontEnd)
        return front

    def place_of(self, side: str, value: str) -> int:
        """The index of a side's value; 0 for one that the model does not know."""
        return self._places.get(side, {}).get(value, 0)

    def device(self) -> torch.device:
        """Where the model lies."""
        for tensor in [*self.parameters(), *self.buffers()]:
            return tensor.device
        return torch.device("cpu")

    # batches -----------------------------------------------------------------------------------------------------

    def side_indices(self, recordings: Sequence[Recording]) -> dict[str, Tensor]:
        """The index of each recording's value of each side; 0 is unknown."""
        return {
            side: torch.tensor([places.get(r.sides.get(side, UNKNOWN), 0) for r in recordings], device=self.device())
            for side, places in self._places.items()
        }

    def adapt(self, recording: Recording) -> dict[str, dict[str, Tensor]]:
        """What each front end has to know of a recording before it reads it."""
        return {stream: adapt(self._front(stream), recording.signal_for(self._front(stream).stream, self.name)) for stream in self.fronts}

    def batch(self, given: Excerpt, adapted: Adapted, sides: Mapping[str, Tensor], index: Tensor, keys: Tensor | None) -> Batch:
        """The streams that the method wants of an excerpt; keys only in training."""
        with torch.no_grad():
            streams = {stream: self._front(stream)(narrowed(given, self._front(stream).margin), adapted[stream], keys) for stream in self.fronts}
        if keys is None:
            keys = torch.zeros(len(index), dtype=torch.int64, device=index.device)
        return Batch(streams, sides, index, keys)

    # reading -----------------------------------------------------------------------------------------------------

    @property
    def points(self) -> tuple[str, ...]:
        """Where the method can be read; none where it cannot."""
        return tuple(self.method.points) if isinstance(self.method, Encodes) else ()

    @property
    def alphabet(self) -> int | None:
        """Tokens it tells apart; none where it has no tokens."""
        return self.method.alphabet if isinstance(self.method, Tokenizes) else None

    def stages(self, point: str) -> Sequence[Stage]:
        """The way to a point (or to `tokens`); raises `UntoldError` for a point that the method has not."""
        if point == "tokens":
            if not self.alphabet:
                raise UntoldError(f"{self.name} has no tokens here: make some with 'untold codebook'")
            return tuple(self.method.token_stages())
        if point not in self.points:
            raise unknown_name(f"point of {self.name}", point, self.points)
        return tuple(self.method.stages(point))

    def grid(self, point: str) -> Grid:
        """The grid of a point's steps."""
        grid = self._front(self.method.reads).grid
        for stage in self.stages(point):
            grid = grid.strided(stage.stride)
        return grid

    def chunks(self, recording: Recording, point: str, steps: int = _CHUNK) -> Iterator[np.ndarray]:
        """The steps of a point, a chunk after another: (steps, dimensions). Joined they equal the whole."""
        front = self._front(self.method.reads)
        signal = recording.signal_for(front.stream, self.name)
        adapted, stages = adapt(front, signal), self.stages(point)
        way = _Way(lambda start, stop: read_frames(front, signal, start, stop, adapted), front.steps(signal.steps), front.grid, self.device())
        for reaches, some in groupby(stages, lambda stage: stage.reach if isinstance(stage.reach, str) else type(stage.reach)):
            for group in [tuple(some)] if reaches is tuple else [(stage,) for stage in some]:
                way = way.through(group)
        for part in way.parts(steps):
            yield part.cpu().numpy()

    def features(self, recording: Recording, point: str) -> Features:
        """A whole recording at a point, float32 (steps, dimensions)."""
        return Features(np.concatenate(list(self.chunks(recording, point))).astype(np.float32, copy=False), self.grid(point), point)

    def units(self, recording: Recording) -> Units:
        """A token a step."""
        tokens = np.concatenate([chunk[:, 0] for chunk in self.chunks(recording, "tokens")]).astype(np.int64)
        assert self.alphabet is not None
        return Units.from_frames(tokens, self.alphabet, self.grid("tokens"), self.name)


def one_stream(values: Tensor, grid: Grid) -> Stream:
    """(steps, dimensions) as a batch of one."""
    lengths = torch.tensor([len(values)], device=values.device)
    return Stream(values[None], lengths, torch.ones((1, len(values)), dtype=torch.bool, device=values.device), grid)


def narrowed(given: Excerpt, margin: int) -> Excerpt:
    """The same excerpt with a smaller margin."""
    cut = given.margin - margin
    if cut == 0:
        return given
    return Excerpt(given.samples[:, cut : given.samples.shape[1] - cut], margin, given.start, given.total, given.lengths, given.shared)


class _Way:
    """Steps of a recording that are computed where they are asked for: `read` gives those from one place to another."""

    def __init__(self, read: Callable[[int, int], Tensor], total: int, grid: Grid, device: torch.device) -> None:
        self.read, self.total, self.grid, self.device = read, total, grid, device

    def parts(self, steps: int) -> Iterator[Tensor]:
        """All of them, so many at once; one empty part where there are none."""
        for first in range(0, max(self.total, 1), steps):
            yield self.read(first, min(first + steps, self.total))

    def through(self, stages: Sequence[Stage]) -> _Way:
        """The way that goes on through stages of finite reach, or through one that needs windows or the whole."""
        reach = stages[0].reach
        total, grid = self.total, self.grid
        for stage in stages:
            total, grid = -(-total // stage.stride), grid.strided(stage.stride)
        if isinstance(reach, tuple):
            return _Way(partial(self._around, stages), total, grid, self.device)
        if isinstance(reach, Windows):
            assert stages[0].stride == 1
            return _Way(partial(self._in_windows, stages[0], list(reach.cut(self.total)), {}), total, grid, self.device)
        return _Way(partial(self._of_whole, stages[0], []), total, grid, self.device)

    def _run(self, stages: Sequence[Stage], steps: Tensor) -> Tensor:
        stream = one_stream(steps.to(self.device), self.grid)
        with torch.no_grad():
            for stage in stages:
                stream = stage.run(stream)
        return stream.values[0]

    def _around(self, stages: Sequence[Stage], first: int, last: int) -> Tensor:
        """Each reads its steps and as many around them as the stages reach."""
        low, high, stride, coarsest = first, last, Fraction(1), 1
        for stage in reversed(stages):  # each in its own steps: a part of a step needs all of it
            assert isinstance(stage.reach, tuple)
            low, high = math.floor(low * stage.stride) - stage.reach[0], math.ceil(high * stage.stride) + stage.reach[1]
        for stage in stages:
            stride *= stage.stride
            coarsest = math.lcm(coarsest, stride.numerator)  # parts begin on a step of every stage
        low, high = max(0, low) // coarsest * coarsest, min(self.total, high)
        begun = int(low / stride)
        return self._run(stages, self.read(low, high))[first - begun : last - begun]

    def _in_windows(self, stage: Stage, windows: Sequence[tuple[int, int, int, int]], held: dict[int, Tensor], first: int, last: int) -> Tensor:
        """What is kept of the windows that these steps lie in; the last window is held until another is needed."""
        found = []
        for number, (start, end, kept, until) in enumerate(windows):
            if until <= first or kept >= last:
                continue
            if number not in held:
                part = self._run([stage], self.read(start, end))[kept - start : until - start].clone()
                held.clear()
                held[number] = part
            found.append(held[number][max(first, kept) - kept : min(last, until) - kept])
        return torch.cat(found) if found else self._run([stage], self.read(0, 0))

    def _of_whole(self, stage: Stage, held: list[Tensor], first: int, last: int) -> Tensor:
        """A part of what it gives on everything, which is kept."""
        if not held:
            held.append(self._run([stage], torch.cat(list(self.parts(_CHUNK)))))
        return held[0][first:last]
