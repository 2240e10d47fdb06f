"""What probes are given of a corpus at one point, read in one pass: drawn latents, their targets, and averages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from untold import registry
from untold.contract import Grid, Recording
from untold.evaluation._labels import NO_LABEL, Inventory, of_steps
from untold.evaluation.probes import Alignment, align
from untold.frontends import FrontEnd, read_frames

MOST_FRAMES = 200_000  # on each side of the split
MOST_NUMBERS = 1 << 26  # of latents, on each side of the split (256 MiB)
_BLOCK = 3000  # log-mel frames computed at once

Over = Callable[[Iterable[Any], int, str], Iterable[Any]]


@dataclass(frozen=True)
class Drawn:
    """Latents (n, dimensions) float32 of one side of the split; their recordings (n,); phones (n, positions) int64 with
    NO_LABEL where there is none; log-mel frames (n, positions, bins) float32, NaN beyond the recording."""

    x: np.ndarray
    recording: np.ndarray
    phones: np.ndarray
    mel: np.ndarray


@dataclass(frozen=True)
class Gathered:
    """Both sides, and the time averages of all recordings (recordings, dimensions), NaN rows for those not read."""

    train: Drawn
    test: Drawn
    averages: np.ndarray


@dataclass(frozen=True)
class Plan:
    """What is read: which tier, how folded; for each recording True, False or None; the draw's seed; log-mel or not; the frames that are asked for."""

    tier: str | None
    fold: Callable[[str], str | None]
    train: Sequence[bool | None]
    seed: int
    mel: FrontEnd | None
    asked: Grid


def log_mel() -> FrontEnd:
    """The front end of the targets: 40 log-mel energies, not normalised."""
    module = registry.load("frontends", "logmel")
    front: FrontEnd = module.build(module.Settings(normalise="none"))
    return front


def _frames(recording: Recording, plan: Plan, inventory: Inventory) -> np.ndarray:
    """The label of each frame of a recording's axis; without a tier NO_LABEL for as many as the recording has."""
    if plan.tier is not None:
        tier = recording.tiers.get(plan.tier, ())
        frames = math.ceil(max((i.end for i in tier), default=0) * plan.asked.rate)
        return of_steps(tier, plan.asked, frames, plan.fold, inventory)
    return np.full(int(recording.length * plan.asked.rate), NO_LABEL, np.int64)


def _asked(labels: np.ndarray, plan: Plan) -> np.ndarray:
    return np.flatnonzero(labels != NO_LABEL) if plan.tier is not None else np.arange(len(labels))


class _Side:
    """Latents of one side as they come."""

    def __init__(self) -> None:
        self.parts: list[Drawn] = []

    def joined(self, dimensions: int, positions: int, bins: int) -> Drawn:
        empty = Drawn(
            np.zeros((0, dimensions), np.float32), np.zeros(0, np.int64), np.zeros((0, positions), np.int64),
            np.zeros((0, positions, bins), np.float32),
        )
        parts = [empty, *self.parts]
        self.parts = []
        return Drawn(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("x", "recording", "phones", "mel")))


def gather(
    subject: Any, corpus: Iterable[Recording], point: str, plan: Plan, inventory: Inventory, over: Over
) -> Gathered:
    """Reads every recording once at a point. Memory: what is drawn, one chunk, and an average a recording."""
    grid: Grid = subject.grid(point)
    many = {True: 0, False: 0}
    for recording, part in zip(corpus, plan.train, strict=True):
        if part is not None:
            many[part] += len(_asked(_frames(recording, plan, inventory), plan))
    sides = {True: _Side(), False: _Side()}
    averages: list[np.ndarray | None] = []
    positions, dimensions = align(grid, 0).positions, 0
    bins = plan.mel.dimensions if plan.mel is not None else 0
    reading = over(corpus, len(plan.train), f"reading {point}")
    for number, (recording, part) in enumerate(zip(reading, plan.train, strict=True)):
        labels = _frames(recording, plan, inventory)
        where = align(grid, len(labels))
        total, steps, at = None, 0, None
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for chunk in subject.chunks(recording, point):
            dimensions = chunk.shape[1]
            if part is not None and at is None:
                at = _draw(where, _asked(labels, plan), many[part], dimensions, (plan.seed, number))
            total = chunk.sum(axis=0, dtype=np.float64) + (0 if total is None else total)
            if at is not None:
                inside = at[(at >= steps) & (at < steps + len(chunk))]
                found.append((inside, chunk[inside - steps].astype(np.float32)))
            steps += len(chunk)
        averages.append(None if total is None or not steps else (total / steps).astype(np.float32))
        if part is not None and found:
            latents = np.concatenate([f[0] for f in found])
            phones, mel = _targets(recording, labels, where, latents, plan)
            x = np.concatenate([f[1] for f in found])
            sides[part].parts.append(Drawn(x, np.full(len(x), number, np.int64), phones, mel))
    none = np.full(dimensions, np.nan, np.float32)
    return Gathered(
        sides[True].joined(dimensions, positions, bins), sides[False].joined(dimensions, positions, bins),
        np.stack([none if average is None else average for average in averages]),
    )


def _draw(where: Alignment, asked: np.ndarray, frames: int, dimensions: int, seed: tuple[int, int]) -> np.ndarray:
    """The latents to keep of a recording, in order: all of them, or an even share where there are too many."""
    latents = np.unique(where.latent[asked])
    latents = latents[latents >= 0]
    share = min(1.0, MOST_FRAMES / max(1, frames), MOST_NUMBERS * where.positions / max(1, frames * dimensions))
    if share == 1.0:
        return latents
    kept = np.random.default_rng(seed).permutation(len(latents))[: round(share * len(latents))]
    return latents[np.sort(kept)]


def _targets(
    recording: Recording, labels: np.ndarray, where: Alignment, latents: np.ndarray, plan: Plan
) -> tuple[np.ndarray, np.ndarray]:
    """Phones (n, positions) and log-mel frames (n, positions, bins) of the frames that belong to latents."""
    row = np.searchsorted(latents, where.latent)
    row[row == len(latents)] = 0
    mine = np.flatnonzero(latents[row] == where.latent) if len(latents) else np.zeros(0, np.int64)
    phones = np.full((len(latents), where.positions), NO_LABEL, np.int64)
    phones[row[mine], where.position[mine]] = labels[mine]
    mel = np.full((len(latents), where.positions, plan.mel.dimensions if plan.mel is not None else 0), np.nan, np.float32)
    if plan.mel is not None and "audio" in recording.signals and len(mine):
        signal = recording.signals["audio"]
        there = min(plan.mel.steps(signal.steps), int(mine[-1]) + 1)
        for start in range(0, there, _BLOCK):
            stop = min(there, start + _BLOCK)
            inside = mine[(mine >= start) & (mine < stop)]
            if len(inside):
                values = read_frames(plan.mel, signal, start, stop, {}).numpy()
                mel[row[inside], where.position[inside]] = values[inside - start]
    return phones, mel

