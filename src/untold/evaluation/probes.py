"""Probes: how much a small network can read from frozen features.

A probe is a network with one hidden layer of 2048 units (Chorowski et al. 2019, arXiv 1901.08810), Adam for a fixed
number of steps, the rate falling to zero. Inputs are standardised with the mean and deviation of the training part.
Every point has the same split, budget and seed. A latent that stands for several frames of 10 ms has an output head
for each of them (several predictions per latent, as the paper has it).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from untold.contract import Grid
from untold.evaluation._axes import AXES

NO_CLASS = -1


@dataclass(frozen=True)
class Budget:
    """What every probe of a kind is given."""

    steps: int
    batch: int
    hidden: int = 2048
    rate: float = 1e-3


@dataclass(frozen=True)
class Alignment:
    """Which latent each frame (of 10 ms, of 2 pixels) belongs to, and as which of the `positions` frames of that latent."""

    latent: np.ndarray  # (frames,) int64
    position: np.ndarray  # (frames,) int64
    positions: int


def align(grid: Grid, frames: int) -> Alignment:
    """The latents of a grid in which the centres of the first frames of its axis fall, exactly.

    Latents below 0 are those that a grid which begins late does not have.
    """
    # latent i covers first + (i - 1/2) / rate and on: i = floor((centre - first) rate + 1/2), in whole numbers
    asked = AXES[grid.unit].frames
    slope = grid.rate / asked.rate
    offset = (asked.first - grid.first) * grid.rate + Fraction(1, 2)
    common = math.lcm(slope.denominator, offset.denominator)
    latent = (np.arange(frames) * int(slope * common) + int(offset * common)) // common
    new = np.r_[True, latent[1:] != latent[:-1]][:frames]
    begins = np.maximum.accumulate(np.where(new, np.arange(frames), 0)) if frames else np.zeros(0, np.int64)
    position = np.arange(frames) - begins
    if frames and slope < 1:  # the first latent may have begun before frame 0
        position[latent == latent[0]] += _before(latent[0], slope, offset)
    return Alignment(latent, position, max(1, math.ceil(asked.rate / grid.rate)))


def _before(latent: int, slope: Fraction, offset: Fraction) -> int:
    """Frames before frame 0 whose centres would fall into the same latent."""
    return -math.ceil((int(latent) - offset) / slope)


def train_part(names: Sequence[str], share: Fraction = Fraction(2, 3), fewest: int = 0) -> list[bool]:
    """Which of some names are for training: ordered by a hash, the first `share`; at least one on each side.

    At least `fewest` are left for testing where that leaves as many for training. Depends on the names only.
    """
    order = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())
    test = max(len(order) - int(len(order) * share), min(fewest, len(order) // 2), 1)
    chosen = set(order[: len(order) - test])
    return [name in chosen for name in names]


class Probe(nn.Module):
    """Standardised inputs (n, dimensions) -> hidden -> outputs (n, positions, values)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor, hidden: int, positions: int, values: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.positions, self.values = positions, values
        self.layers = nn.Sequential(nn.Linear(len(mean), hidden), nn.ReLU(), nn.Linear(hidden, positions * values))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n, positions, values)."""
        out: Tensor = self.layers((x - self.mean) / self.scale)
        return out.view(len(x), self.positions, self.values)

    @torch.no_grad()
    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Outputs (n, positions, values), computed in parts."""
        parts = [self(torch.from_numpy(x[i : i + 4096])).numpy() for i in range(0, len(x), 4096)]
        return np.concatenate(parts) if parts else np.zeros((0, self.positions, self.values), np.float32)


def fit_classes(x: np.ndarray, y: np.ndarray, classes: int, seed: int, budget: Budget) -> Probe:
    """A probe of classes: x (n, dimensions) float32, y (n, positions) int64, NO_CLASS where nothing is asked."""

    def loss(out: Tensor, wanted: Tensor) -> Tensor:
        return functional.cross_entropy(out.flatten(0, 1), wanted.flatten(), ignore_index=NO_CLASS, reduction="sum") / (
            (wanted != NO_CLASS).sum().clamp(min=1)
        )

    return _fit(x, torch.from_numpy(y), classes, y.shape[1], seed, budget, loss)


def fit_values(x: np.ndarray, y: np.ndarray, seed: int, budget: Budget) -> Probe:
    """A probe of values: x (n, dimensions), y (n, positions, values) float32, NaN where nothing is asked."""

    def loss(out: Tensor, wanted: Tensor) -> Tensor:
        asked = ~wanted.isnan()
        return ((out - wanted.nan_to_num()) * asked).square().sum() / asked.sum().clamp(min=1)

    return _fit(x, torch.from_numpy(y), y.shape[2], y.shape[1], seed, budget, loss)


def _fit(
    x: np.ndarray, y: Tensor, values: int, positions: int, seed: int, budget: Budget, loss: Callable[[Tensor, Tensor], Tensor]
) -> Probe:
    inputs = torch.from_numpy(x)
    mean, scale = standardising(x)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = Probe(torch.from_numpy(mean), torch.from_numpy(scale), budget.hidden, positions, values)
    order = torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam(probe.parameters(), lr=budget.rate)
    falling = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / budget.steps)
    waiting = torch.zeros(0, dtype=torch.int64)
    for _ in range(budget.steps):
        if len(waiting) < min(budget.batch, len(inputs)):
            waiting = torch.cat([waiting, torch.randperm(len(inputs), generator=order)])
        chosen, waiting = waiting[: budget.batch], waiting[budget.batch :]
        adam.zero_grad(set_to_none=True)
        value = loss(probe(inputs[chosen]), y[chosen])
        value.backward()  # type: ignore[no-untyped-call]
        adam.step()
        falling.step()
    return probe.eval()


def standardising(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of columns (dimensions,) float32; a constant column keeps its scale."""
    mean = x.mean(axis=0, dtype=np.float64)
    scale = np.sqrt(np.maximum(x.var(axis=0, dtype=np.float64), 0))
    return mean.astype(np.float32), np.where(scale > 1e-6 * np.maximum(1, np.abs(mean)), scale, 1).astype(np.float32)


def majority(y: np.ndarray) -> int:
    """The commonest class of y, the first of several."""
    return int(np.bincount(y[y != NO_CLASS]).argmax())


def standardised(y: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Targets (..., values) with the mean and deviation of those seen in training, NaN kept."""
    flat = seen.reshape(-1, seen.shape[-1])
    mean, scale = standardising(flat[~np.isnan(flat).any(axis=1)])
    return np.asarray((y - mean) / scale)


def by_class(counts: Mapping[str, int]) -> str:
    """Counts in words for a row's conventions: `f 7, m 9`."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
