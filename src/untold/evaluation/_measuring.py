"""What the tasks on units share: the units of every recording that has some, with the group it is resampled in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from untold.contract import Recording, Units
from untold.errors import UntoldError
from untold.evaluation._groups import Grouped, Measured, measured, resampled
from untold.evaluation._options import TaskOptions

_MOST_TOKENS = 100_000_000  # kept in memory between tasks


class Remembering:
    """A subject whose units are made once for all tasks; features pass through."""

    def __init__(self, subject: Any) -> None:
        self._subject, self._kept, self._tokens = subject, dict[str, Units](), 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._subject, name)

    def units(self, recording: Recording) -> Units:
        """The units of a recording, from memory when they were asked for before."""
        if recording.id in self._kept:
            return self._kept[recording.id]
        units: Units = self._subject.units(recording)
        if self._tokens + len(units.tokens) <= _MOST_TOKENS:
            self._kept[recording.id] = units
            self._tokens += len(units.tokens)
        return units


@dataclass(frozen=True)
class Reading:
    """The recordings of a corpus and their units, read one after the other."""

    task: str
    subject: Any
    corpus: Any
    options: TaskOptions
    what: str
    groups: Mapping[str, str]
    said: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[str, Recording, Units]]:
        for recording in self.options.over(self.corpus, len(self.corpus), self.task):
            yield self.groups[recording.id], recording, self.subject.units(recording)

    def row(
        self, metric: str, better: Literal["lower", "higher"], groups: tuple[str, ...],
        of: Callable[[np.ndarray], np.ndarray], said: Mapping[str, str], *, method: str = "", centred: bool = False,
    ) -> Measured:
        """A score of weighted groups with its interval."""
        return measured(
            self.task, metric, "units", better, Grouped(groups, of, self.what, centred), {**self.said, **said},
            draws=self.options.draws, seed=self.options.seed, method=method,
        )


def reading(task: str, subject: Any, corpus: Any, options: TaskOptions) -> Reading:
    """Raises `UntoldError` for a subject without units."""
    if subject.alphabet is None:
        raise UntoldError(f"{subject.name} has no units: make a codebook of it first (untold codebook)")
    recordings = list(corpus)
    if not recordings:
        raise UntoldError(f"{corpus.name} has no recordings to measure on")
    what, groups = resampled(recordings)
    return Reading(task, subject, corpus, options, what, dict(zip((r.id for r in recordings), groups, strict=True)))
