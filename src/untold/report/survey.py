"""What is counted of the units while recordings pass by once or twice; nothing here grows with the hours."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from untold.contract import UNKNOWN, Interval, Recording, Units
from untold.errors import UntoldError
from untold.report._media import Medium, Place, medium, places_of
from untold.report.data import Kind

BINS = 25  # bars of a histogram of durations
STRANGERS = 64  # speakers remembered as sources of a unit's exemplars


class Source(Protocol):
    """What the page needs of a corpus."""

    @property
    def name(self) -> str: ...
    @property
    def length(self) -> float: ...
    @property
    def tiers(self) -> tuple[str, ...]: ...
    @property
    def speakers(self) -> tuple[str, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Recording: ...
    def __iter__(self) -> Iterator[Recording]: ...


@dataclass
class Survey:
    """Statistics by token (row). `joint` is how much lies under each label, `seen` counts what was looked at."""

    alphabet: int
    medium: Medium
    count: np.ndarray
    covered: np.ndarray
    durations: np.ndarray
    shapes: np.ndarray
    traits: np.ndarray
    seen: np.ndarray
    step: float
    recordings: int = 0
    length: float = 0.0
    joint: dict[str, np.ndarray] = field(default_factory=dict)
    by_speaker: dict[str, np.ndarray] = field(default_factory=dict)

    @staticmethod
    def empty(alphabet: int, of: Medium, step: float = 0.01) -> Survey:
        """Nothing seen yet."""
        shapes, traits = np.zeros((alphabet, of.shapes)), np.zeros((alphabet, of.traits))
        return Survey(alphabet, of, np.zeros(alphabet, np.int64), np.zeros(alphabet), np.zeros((alphabet, 2000), np.int64), shapes, traits, np.zeros(alphabet), step)

    def median(self, token: int) -> float:
        """Median duration of a token's segments."""
        if self.count[token] == 0:
            return 0.0
        return float(np.searchsorted(self.durations[token].cumsum(), (self.count[token] + 1) // 2) * self.medium.fine)

    def typical(self, token: int) -> float:
        """The duration below which half of a token's time lies: passing flickers weigh little in it."""
        weights = self.durations[token] * np.arange(self.durations.shape[1])
        return float(np.searchsorted(weights.cumsum(), weights.sum() / 2) * self.medium.fine)

    def bin(self) -> float:
        """Width of a histogram's bar: whole steps, so that nearly all segments of all units fit into `BINS` bars."""
        totals = self.durations.sum(0).cumsum()
        reach = float(np.searchsorted(totals, 0.98 * totals[-1]) * self.medium.fine) if len(totals) and totals[-1] else 0.0
        return self.step * max(1, int(np.ceil(reach / self.step / (BINS - 1) - 1e-6)))

    def histogram(self, token: int) -> tuple[int, ...]:
        """Segments by bars of `bin()`, the first begins at half a step; the last takes what is longer."""
        fine = self.durations[token]
        bars = np.clip(np.floor(np.arange(len(fine)) * self.medium.fine / self.bin() - 0.5 + 1e-6).astype(int), 0, BINS - 1)
        return tuple(int(n) for n in np.bincount(bars, fine, BINS))

    def kind(self, token: int) -> Kind:
        """What a token lies on, as its medium tells it."""
        return self.medium.kind(self.traits[token] / self.seen[token] if self.seen[token] else np.zeros(0))

    def likeness(self) -> np.ndarray:
        """How alike units are (alphabet, alphabet), -1 to 1: cosine of their mean shapes about the mean of all."""
        mean = self.shapes / np.maximum(self.seen, 1)[:, None]
        used = self.seen > 0
        if not used.any():
            return np.zeros((self.alphabet, self.alphabet))
        mean = np.where(used[:, None], mean - mean[used].mean(0), 0)
        mean /= np.maximum(np.linalg.norm(mean, axis=1), 1e-9)[:, None]
        return np.asarray(mean @ mean.T)

    def hues(self) -> np.ndarray:
        """A hue (degrees) a token: units that are alike get neighbouring hues, spread evenly over the circle."""
        mean = self.shapes / np.maximum(self.seen, 1)[:, None]
        used = np.flatnonzero(self.seen > 0)
        hues = np.zeros(self.alphabet)
        if len(used) > 2:
            centred = mean[used] - mean[used].mean(0)
            axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
            axes *= np.where(axes.sum(1) < 0, -1.0, 1.0)[:, None]  # svd leaves signs open
            flat = centred @ axes.T
            order = np.argsort(np.argsort(np.arctan2(flat[:, 1], flat[:, 0]), kind="stable"), kind="stable")
            hues[used] = order * 360 / len(used)
        return hues


def look(corpus: Source, units: Mapping[str, Units], tier: str) -> Survey:
    """The first pass: counts, durations, labels under the units, and how they sound or look."""
    survey: Survey | None = None
    every = 1
    for index, recording in enumerate(corpus):
        mine = units.get(recording.id)
        if mine is None:
            continue
        if survey is not None and mine.alphabet != survey.alphabet:
            raise UntoldError(f"units of {recording.id} have an alphabet of {mine.alphabet}, others of {survey.alphabet}")
        if survey is None:
            survey = Survey.empty(mine.alphabet, medium(mine.grid.unit), float(1 / mine.grid.rate))
            every = max(1, round(corpus.length / survey.medium.looked))
        _count(survey, recording, mine.merged(), tier)
        if index % every == 0:
            tokens, shapes, traits = survey.medium.look(recording, mine)
            np.add.at(survey.seen, tokens, 1)
            np.add.at(survey.shapes, tokens, shapes)
            np.add.at(survey.traits, tokens, traits)
    return survey if survey is not None else Survey.empty(0, medium("second"))


def _count(survey: Survey, recording: Recording, units: Units, tier: str) -> None:
    starts, ends = places_of(units)
    lengths = ends - starts
    np.add.at(survey.count, units.tokens, 1)
    np.add.at(survey.covered, units.tokens, lengths)
    fine = np.clip(np.round(lengths / survey.medium.fine).astype(int), 0, survey.durations.shape[1] - 1)
    np.add.at(survey.durations, (units.tokens, fine), 1)
    survey.recordings += 1
    survey.length += recording.signal.steps / float(recording.signal.grid.rate)
    if recording.speaker != UNKNOWN:
        row = survey.by_speaker.setdefault(recording.speaker, np.zeros(survey.alphabet, np.int32))
        np.add.at(row, units.tokens, 1)
    for label, token, length in overlaps(units, recording.tiers.get(tier, ())):
        if label not in survey.joint:
            survey.joint[label] = np.zeros(survey.alphabet)
        survey.joint[label][token] += length


def overlaps(units: Units, intervals: Sequence[Interval]) -> Iterator[tuple[str, int, float]]:
    """Each label, the token it lies over, and over how much of the axis (both sorted by place)."""
    starts, ends = places_of(units)
    at = 0
    for interval in intervals:
        low, high = float(interval.start), float(interval.end)
        while at < len(starts) and ends[at] <= low:
            at += 1
        step = at
        while step < len(starts) and starts[step] < high:
            length = min(high, ends[step]) - max(low, starts[step])
            if length > 0:
                yield interval.label, int(units.tokens[step]), float(length)
            step += 1


def exemplars(corpus: Source, units: Mapping[str, Units], survey: Survey, wanted: Sequence[int]) -> dict[int, list[Place]]:
    """The second pass: places of each wanted token, as many as its medium keeps, of middling duration, from as many speakers as can be."""
    fine, kept = survey.medium.fine, survey.medium.kept
    typical = {token: max(survey.typical(token), fine) for token in wanted}
    best: dict[int, dict[str, list[tuple[float, int, Place]]]] = {token: {} for token in wanted}
    for index, recording in enumerate(corpus):
        mine = units.get(recording.id)
        if mine is None:
            continue
        mine = mine.merged()
        starts, ends = places_of(mine)
        # Ties of duration are the rule: a hash spreads the choice over recordings and places, the same at every run.
        salt = zlib.crc32(recording.id.encode())
        for token in np.unique(mine.tokens):
            if int(token) not in best:
                continue
            at = np.flatnonzero(mine.tokens == token)
            off = np.abs(np.log(np.maximum(ends[at] - starts[at], fine) / typical[int(token)])).round(2)
            mix = (at * 2654435761 + salt) % 65521
            first = np.lexsort((mix, off))[: (2 if survey.recordings > kept else kept)]
            mine_best = best[int(token)].setdefault(recording.speaker, [])
            for i in first:
                place = Place(index, recording.speaker, float(starts[at[i]]), float(ends[at[i]]))
                mine_best.append((float(off[i]), int(mix[i]), place))
            mine_best.sort(key=lambda item: item[:2])
            del mine_best[kept:]
            if len(best[int(token)]) > STRANGERS:
                worst = max(best[int(token)], key=lambda name: best[int(token)][name][0][:2])
                del best[int(token)][worst]
    return {token: _in_turns(choices, kept, survey.medium.each) for token, choices in best.items()}


def _in_turns(choices: dict[str, list[tuple[float, int, Place]]], kept: int, each: int) -> list[Place]:
    """The best of each speaker in turns, `each` at a turn, so that nobody of whom there are as many stands alone."""
    ranked = [(turn // each, places[0][:2] if each > 1 else (), off, mix, place) for places in choices.values() for turn, (off, mix, place) in enumerate(places)]
    ranked.sort(key=lambda item: item[:4])
    return [place for *_, place in ranked[:kept]]
