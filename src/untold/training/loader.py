"""Stretches of a corpus as batches: which ones is a function of seed, phase, step and example, so nothing is kept.

One process and several draw the same global batch; each takes its share. A run that is resumed draws what it would
have drawn. Samples come from memory-mapped shards, so no worker processes are needed and none fight for threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from untold.contract import Batch, Phase
from untold.corpora import Corpus, Pieces
from untold.driver import Model
from untold.errors import UntoldError
from untold.frontends import Excerpt, excerpt
from untold.layers import random
from untold.training.processes import share

_SALT = 0x10AD

AdaptedTable = Mapping[str, Mapping[str, np.ndarray]]  # stream -> key -> (recordings, ...)


class Loader:
    """Batches of a phase by their step."""

    def __init__(self, corpus: Corpus | Pieces, model: Model, phase: Phase, seed: int, number: int, adapted: AdaptedTable) -> None:
        if phase.batch < share()[1]:
            raise UntoldError(f"batch = {phase.batch} examples cannot be shared out among {share()[1]} processes: use fewer processes")
        self.corpus, self.model, self.phase, self.adapted = corpus, model, phase, adapted
        self.hop = model.hop
        lengths = np.asarray(corpus.steps(), np.int64)
        self.lengths = lengths
        self.ends = np.cumsum(np.maximum(lengths // self.hop, 1))
        self.crop = max(1, round(phase.crop * corpus.medium.rate / self.hop)) * self.hop
        self.base = random.fold(random.fold(torch.tensor([seed]), number), _SALT)
        self._ahead: dict[int, Future[tuple[Excerpt, np.ndarray, Tensor]]] = {}
        self._pool = ThreadPoolExecutor(1)

    @property
    def steps_a_pass(self) -> int:
        """Batches that hold the phase's frames, or the data once."""
        samples = float(self.lengths.sum())
        if self.phase.frames is not None:
            samples = min(samples, float(self.phase.frames * self.model.finest_hop))
        return max(1, round(samples / self.crop / self.phase.batch))

    def _drawn(self, step: int) -> tuple[Excerpt, np.ndarray, Tensor]:
        rank, world = share()
        examples = torch.arange(self.phase.batch).tensor_split(world)[rank]  # in order: what is gathered is the whole batch
        keys = random.fold(random.fold(self.base, step), examples)
        fine = random.uniform(keys, (2,), _SALT).double().numpy()
        places = (fine[:, 0] + fine[:, 1] * 2.0**-24) * self.ends[-1]
        index = np.searchsorted(self.ends, places, side="right").clip(max=len(self.ends) - 1)
        within = places - (self.ends[index] - np.maximum(self.lengths[index] // self.hop, 1))
        starts = np.minimum(within.astype(np.int64), (self.lengths[index] - self.crop).clip(0) // self.hop) * self.hop
        stops = np.minimum(starts + self.crop, self.lengths[index])
        signals = [self.corpus[int(i)].signal for i in index]
        return excerpt(signals, starts.tolist(), stops.tolist(), self.model.margin), index, keys

    def batch(self, step: int, following: int | None = None) -> Batch:
        """The batch of a step on the model's device; the one of `following` is read meanwhile."""
        given, index, keys = (self._ahead.pop(step).result() if step in self._ahead else self._drawn(step))
        if following is not None and following not in self._ahead:
            self._ahead[following] = self._pool.submit(self._drawn, following)
        device = self.model.device()
        recordings = [self.corpus[int(i)] for i in index]
        sides = self.model.side_indices(recordings)
        return self.model.batch(given.to(device), rows(self.adapted, index, device), sides, torch.from_numpy(index).to(device), keys.to(device))


def rows(adapted: AdaptedTable, index: np.ndarray | Sequence[int], device: torch.device) -> dict[str, dict[str, Tensor]]:
    """What the front ends know of some recordings, as a batch."""
    return {stream: {key: torch.from_numpy(table[index]).to(device) for key, table in tables.items()} for stream, tables in adapted.items()}
