"""What flows between the rooms: places, recordings, batches, features, units, scores, densities, stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Unit = Literal["second", "pixel", "position"]
TRANSCRIPTION = "transcription"  # the tier of a text whose letters have no places: one interval over all of it
_SAMPLES = 8000  # steps a second from which on steps are samples, not frames
UNKNOWN = "unknown"  # the value of a side that nobody told; index 0 wherever sides are indices


@dataclass(frozen=True)
class Grid:
    """Places on an axis: `rate` steps per unit, `first` the centre of step 0, both exact.

    Step i covers [first + (i - 1/2)/rate, first + (i + 1/2)/rate), clipped to the recording.
    """

    unit: Unit
    rate: Fraction
    first: Fraction

    def centre(self, step: int) -> Fraction:
        """Where the middle of a step lies, in units of the axis."""
        return self.first + step / self.rate

    def start(self, step: int) -> Fraction:
        """Where a step begins (the end of the one before), never below 0."""
        return max(Fraction(0), self.first + (step - Fraction(1, 2)) / self.rate)

    @property
    def step(self) -> str:
        """What a step is called: a sample or a frame of sound, a column of a line."""
        if self.unit == "second":
            return "sample" if self.rate >= _SAMPLES else "frame"
        return "column" if self.unit == "pixel" else "step"

    def strided(self, stride: int | Fraction) -> Grid:
        """The grid whose step j stands for the steps `stride` j ... `stride` j + `stride` - 1 of this one, or for a share of one."""
        return Grid(self.unit, self.rate / stride, self.first + Fraction(stride - 1) / (2 * self.rate))


@dataclass(frozen=True)
class Interval:
    """A labelled stretch of a tier, [start, end) in units of the axis."""

    start: Fraction
    end: Fraction
    label: str


class Signal(Protocol):
    """A lazily read signal: `read(a, b)` gives steps a to b as float32 (b - a, *shape); sound is mono in [-1, 1]."""

    @property
    def grid(self) -> Grid: ...
    @property
    def steps(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def read(self, start: int, stop: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Recording:
    """One recording: its id (path below the source without ending), signals, side information and label tiers.

    The first of its signals is what it is a recording of: `audio`, sound at 16 kHz, or `line`, the columns of a line of
    handwriting. `sides` holds speaker (whoever speaks, or writes), sex, language, ... (`UNKNOWN` is a value). A tier is a
    sorted sequence of intervals; stretches that no interval covers have no label. Knows nothing of models.
    """

    id: str
    signals: Mapping[str, Signal]
    sides: Mapping[str, str] = field(default_factory=dict)
    tiers: Mapping[str, Sequence[Interval]] = field(default_factory=dict)
    split: str = "train"  # what the corpus' owner declares: "train" or "evaluation"

    @property
    def signal(self) -> Signal:
        """What it is a recording of."""
        return next(iter(self.signals.values()))

    def signal_for(self, name: str, reader: str) -> Signal:
        """The signal that a reader wants; raises `UntoldError` where there is none: sound is asked of handwriting."""
        if name not in self.signals:
            from untold.errors import UntoldError

            raise UntoldError(f"{reader} reads the signal {name!r}, and {self.id} has {' and '.join(self.signals)}: take a method for that (untold list)")
        return self.signals[name]

    @property
    def length(self) -> Fraction:
        """How long it is, in units of its axis (seconds, pixels)."""
        return self.signal.steps / self.signal.grid.rate

    @property
    def speaker(self) -> str:
        """Who speaks, or writes; `UNKNOWN` when nobody told."""
        return self.sides.get("speaker", UNKNOWN)


@dataclass(frozen=True)
class Stream:
    """Padded sequences: values (batch, steps, *shape), lengths (batch,), counted (batch, steps) of the loss."""

    values: Tensor
    lengths: Tensor
    counted: Tensor
    grid: Grid

    def with_values(self, values: Tensor) -> Stream:
        """The same places, other values."""
        return replace(self, values=values)

    def stretch(self, start: Tensor, steps: int) -> Stream:
        """`steps` of each example from its own start (batch,) on; they must be there. The grid is that of the whole."""
        import torch

        place = start[:, None] + torch.arange(steps, device=start.device)
        row = torch.arange(len(start), device=start.device)[:, None]
        lengths = (self.lengths - start).clamp(0, steps)
        return replace(self, values=self.values[row, place], lengths=lengths, counted=self.counted[row, place])

    def of(self, chosen: Tensor) -> Stream:
        """Only these examples: a mask or indices."""
        return replace(self, values=self.values[chosen], lengths=self.lengths[chosen], counted=self.counted[chosen])


@dataclass(frozen=True)
class Batch:
    """Streams by name; sides as indices (batch,), 0 = unknown; the example's number in the corpus; a random key each.

    Keys are made of seed, step and example, so that one process and several draw the same.
    """

    streams: Mapping[str, Stream]
    sides: Mapping[str, Tensor]
    index: Tensor
    keys: Tensor


@dataclass(frozen=True)
class Features:
    """What was read of one recording at a point: values (steps, dimensions) float32, and their grid."""

    values: np.ndarray
    grid: Grid
    point: str


@dataclass(frozen=True)
class Units:
    """Tokens of one recording, in order: tokens, starts, ends (segments,) int64; starts and ends in steps of the grid.

    Gaps between segments are allowed (nothing emitted). A frame token is a segment of one step.
    """

    tokens: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    alphabet: int
    grid: Grid
    made_by: str

    def merged(self) -> Units:
        """Neighbours with the same token, and no gap between them, as one segment."""
        import numpy as np

        if len(self.tokens) == 0:
            return self
        new = np.ones(len(self.tokens), bool)
        new[1:] = (self.tokens[1:] != self.tokens[:-1]) | (self.starts[1:] != self.ends[:-1])
        last = np.append(np.flatnonzero(new)[1:] - 1, len(new) - 1)
        return replace(self, tokens=self.tokens[new], starts=self.starts[new], ends=self.ends[last])

    def framewise(self, steps: int) -> np.ndarray:
        """A token a step (steps,), -1 where nothing was emitted."""
        import numpy as np

        out = np.full(steps, -1, np.int64)
        for token, start, end in zip(self.tokens, self.starts, self.ends, strict=True):
            out[start:end] = token
        return out

    @staticmethod
    def from_frames(tokens: np.ndarray, alphabet: int, grid: Grid, made_by: str) -> Units:
        """Units of one step each from a token a step; steps with -1 become gaps."""
        import numpy as np

        at = np.flatnonzero(tokens >= 0).astype(np.int64)
        return Units(tokens[at].astype(np.int64), at, at + 1, alphabet, grid, made_by)


@dataclass(frozen=True)
class Score:
    """One number with what a reader needs beside it; `conventions` says how it was made."""

    task: str
    metric: str
    point: str
    value: float
    low: float | None
    high: float | None
    n: int
    better: Literal["lower", "higher"]
    conventions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Loss:
    """A sum over what is counted, its unit (`nats per frame`, ...) and the count: summable over processes.

    The objective takes `weight` times the value per count.
    """

    value: Tensor
    count: Tensor
    unit: str
    weight: float = 1.0


@dataclass(frozen=True)
class Conditions:
    """What a decoder is told: named streams on their own grids, and sides as indices (0 = unknown)."""

    streams: Mapping[str, Stream]
    sides: Mapping[str, Tensor]


class Density(Protocol):
    """A distribution over the input given conditions."""

    def log_prob(self, x: Stream) -> Tensor:
        """Nats (batch, steps), 0 where not counted."""
        ...

    @property
    def mean(self) -> Tensor:
        """The expected input (batch, steps, *shape)."""
        ...


@runtime_checkable
class Sequential(Protocol):
    """A density that is drawn step by step, each given those before: (batch, steps, 1)."""

    def part(self, start: int, stop: int) -> Sequential:
        """That of the latents from `start` to `stop`."""
        ...

    def walker(self, rows: int) -> Any:
        """What goes on from part to part while `rows` recordings are drawn."""
        ...

    def pieces(self, keys: Tensor, temperature: float = 1.0, samples: int | None = None, walker: Any = None) -> Iterator[np.ndarray]:
        """Steps (batch, some) float32 as they are drawn with keys (batch,)."""
        ...


class Decoder(Protocol):
    """Latents and side information -> a density over the target."""

    def __call__(self, given: Conditions) -> Density: ...


@dataclass(frozen=True)
class Coded:
    """What a bottleneck makes of a stream.

    `losses` are its own terms (sums and counts), `bits` (batch, steps) its bits per latent, `tokens` (batch, steps)
    with -1 beyond the lengths, absent where there are none.
    """

    stream: Stream
    losses: Mapping[str, Loss]
    bits: Tensor
    tokens: Tensor | None = None


@runtime_checkable
class Bottleneck(Protocol):
    """Vectors -> vectors that carry less. One that looks at more than single steps says its `reach`, as a `Stage` does."""

    dimensions: int

    def __call__(self, x: Stream, keys: Tensor) -> Coded: ...


@dataclass(frozen=True)
class Windows:
    """How a stage that looks at all it is given reads what is long: in windows of `steps`, two of which share 2 `margin`.

    What is no longer than a window is one. Else windows begin at 0, `steps` - 2 `margin`, ..., the last one ends with the
    recording; of each the `margin` steps at a cut are left out (of the last: all that the one before gave).
    """

    steps: int
    margin: int

    def cut(self, total: int) -> Iterator[tuple[int, int, int, int]]:
        """Each window of `total` steps: where it begins and ends, and the steps that are kept of it. Those are 0 ... `total` - 1."""
        kept = 0
        while kept < total:
            start = max(0, min(kept - self.margin, total - self.steps))
            end = min(total, start + self.steps)
            until = total if end == total else end - self.margin
            yield start, end, kept, until
            kept = until


@dataclass(frozen=True)
class Stage:
    """One step from point to point: `run` maps a Stream to a Stream.

    `reach` is how many input steps to the left and right of the `stride` steps under an output step it looks at, or
    `whole`. Chunked with that reach it gives what it gives on the whole. With `Windows` (and a stride of 1) what it gives
    on the whole is what it gives in these windows. A stride of 1/2 gives two steps for each.
    """

    point: str
    run: StageFunction
    reach: tuple[int, int] | Literal["whole"] | Windows = (0, 0)
    stride: int | Fraction = 1


class StageFunction(Protocol):
    """A map from stream to stream."""

    def __call__(self, x: Stream, /) -> Stream: ...
