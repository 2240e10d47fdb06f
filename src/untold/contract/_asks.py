"""What a method can be asked, and the phases in which it learns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from untold.contract._flow import Batch, Density, Loss, Stage, Stream

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


@dataclass(frozen=True)
class Player:
    """Who moves in a phase: its parameters, and optimiser settings in groups."""

    name: str
    parameters: Sequence[nn.Parameter]
    learning_rate: float
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    steps_per_turn: int = 1
    clip: float | None = None
    warm_up: int = 0  # steps in which the rate rises from zero
    constant: float = 1.0  # share of the phase after which the rate falls to zero, linearly
    faster: tuple[tuple[nn.Parameter, float], ...] = ()  # some of its parameters, with a factor on the rate
    halved_at: tuple[int, ...] = ()  # steps from which on the rate is half of what it was before


@runtime_checkable
class Fits(Protocol):
    """Learns from summable statistics of whole passes (EM, counts, k-means)."""

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Sums over a batch; parts of a batch sum to the whole. `objective` and `count` are among them."""
        ...

    def update(self, total: Mapping[str, Tensor]) -> None:
        """Moves to the optimum of the totals of one pass over the phase's data."""
        ...


@dataclass(frozen=True)
class Phase:
    """A part of training: `share` of the budget for players, or `passes` of a `Fits` over `frames` of the data.

    Batches hold `batch` stretches of `crop` units of the axis (seconds, pixels), drawn uniformly from the data. A
    `Fits` sees the same batches in every pass.
    """

    name: str
    batch: int
    crop: Fraction
    share: float = 1.0
    players: tuple[Player, ...] = ()
    fit: Fits | None = None
    passes: int = 0
    frames: int | None = None  # of the longest input stream; None: as many as the data has
    unit: str = "nats per frame"  # of the objective of a `Fits`


class Method(Protocol):
    """A method: a `torch.nn.Module` that says in which phases it learns.

    Its module has `inputs(settings)`, the front ends it wants by the name of the stream, and `build(settings, fronts,
    sides)`: the method on the front ends made of them, with the number of values each side can take. What else it can
    do it says by which protocols below it satisfies.
    """

    def phases(self) -> Sequence[Phase]: ...


@runtime_checkable
class Learns(Protocol):
    """Gives named losses of a batch for a player; their values per count are minimised, added up."""

    def losses(self, batch: Batch, player: str) -> dict[str, Loss]: ...


@runtime_checkable
class Reports(Protocol):
    """Tells a person in training how it goes, in numbers by name (perplexity, codewords in use, ...)."""

    def report(self) -> dict[str, float]: ...


@runtime_checkable
class Restarts(Protocol):
    """Puts parameters elsewhere now and then (codewords): moments and averages of what was there mean nothing any more."""

    def restarted(self) -> list[tuple[nn.Parameter, Tensor]]:
        """Parameters and which of their rows (rows,) bool were put elsewhere since it was last asked."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """Can be read at points; the first is the one meant for ABX."""

    points: tuple[str, ...]
    reads: str  # the input stream that the first stage takes

    def stages(self, point: str) -> Sequence[Stage]: ...


@runtime_checkable
class Tokenizes(Protocol):
    """Gives a token a step on the grid of `token_stages()`'s end: (batch, steps, 1) int64, -1 beyond the lengths."""

    alphabet: int

    def token_stages(self) -> Sequence[Stage]: ...

    def lookup(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, steps) -> vectors (batch, steps, dimensions) as the bottleneck would have given them."""
        ...


@runtime_checkable
class Reconstructs(Protocol):
    """Turns latents or tokens into a density over the target stream."""

    target: str  # the input stream that it reconstructs

    def latents(self, batch: Batch) -> Stream:
        """What the bottleneck passes on for a batch."""
        ...

    def decode(self, latents: Stream, sides: Mapping[str, Tensor]) -> Density:
        """The density over the target given latents and sides."""
        ...


@runtime_checkable
class Scores(Protocol):
    """Gives the likelihood of what it hears."""

    reads: str  # the input stream
    scored: str  # "exact", "lower bound" or "upper bound"

    def log_prob(self, batch: Batch) -> Tensor:
        """Nats (batch, steps), 0 where not counted."""
        ...


@runtime_checkable
class Samples(Protocol):
    """Makes what it hears out of random keys and sides alone."""

    makes: str  # the input stream

    def draw(self, steps: int, sides: Mapping[str, Tensor], keys: Tensor, temperature: float = 1.0) -> Iterator[np.ndarray]:
        """The next steps (batch, some), until there are `steps`, drawn with keys (batch,)."""
        ...


def total(parts: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The sum of statistics, key by key."""
    out: dict[str, Tensor] = {}
    for part in parts:
        for key, value in part.items():
            out[key] = out[key] + value if key in out else value
    return out
