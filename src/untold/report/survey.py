"""What is counted of the units while recordings pass by once or twice; nothing here grows with the hours."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from untold.contract import UNKNOWN, Interval, Recording, Units
from untold.errors import UntoldError
from untold.report import pictures
from untold.report.data import Kind

RATE = 16000
BANDS = 40
BINS = 25  # bars of a histogram of durations
FINE = 0.005  # seconds of a bin in which durations are counted while passing
LISTEN = 3600.0  # seconds of sound looked at for loudness and spectrum, spread over the corpus
PIECE = 60.0  # seconds of one recording looked at
KEPT = 8  # exemplars kept a unit
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


@dataclass(frozen=True)
class Place:
    """Where a unit occurs: number of the recording in the corpus, speaker, and seconds in the recording."""

    index: int
    speaker: str
    start: float
    end: float


@dataclass
class Survey:
    """Statistics by token (row). `joint` is seconds under each label, `heard` frames of sound looked at."""

    alphabet: int
    count: np.ndarray
    covered: np.ndarray
    durations: np.ndarray
    step: float = 0.01
    recordings: int = 0
    seconds: float = 0.0
    joint: dict[str, np.ndarray] = field(default_factory=dict)
    by_speaker: dict[str, np.ndarray] = field(default_factory=dict)
    spectrum: np.ndarray = field(default_factory=lambda: np.zeros((0, BANDS)))
    heard: np.ndarray = field(default_factory=lambda: np.zeros(0))
    above_floor: np.ndarray = field(default_factory=lambda: np.zeros(0))
    crossings: np.ndarray = field(default_factory=lambda: np.zeros(0))
    periodic: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @staticmethod
    def empty(alphabet: int, step: float = 0.01) -> Survey:
        """Nothing seen yet."""
        zero = np.zeros(alphabet)
        return Survey(
            alphabet, np.zeros(alphabet, np.int64), zero.copy(), np.zeros((alphabet, 2000), np.int64), step,
            spectrum=np.zeros((alphabet, BANDS)), heard=zero.copy(), above_floor=zero.copy(), crossings=zero.copy(), periodic=zero.copy(),
        )

    def median(self, token: int) -> float:
        """Median duration of a token's segments, in seconds."""
        if self.count[token] == 0:
            return 0.0
        return float(np.searchsorted(self.durations[token].cumsum(), (self.count[token] + 1) // 2) * FINE)

    def typical(self, token: int) -> float:
        """The duration below which half of a token's time lies, in seconds: passing flickers weigh little in it."""
        weights = self.durations[token] * np.arange(self.durations.shape[1])
        return float(np.searchsorted(weights.cumsum(), weights.sum() / 2) * FINE)

    def bin(self) -> float:
        """Seconds of a histogram's bar: whole steps, so that nearly all segments of all units fit into `BINS` bars."""
        totals = self.durations.sum(0).cumsum()
        reach = float(np.searchsorted(totals, 0.98 * totals[-1]) * FINE) if len(totals) and totals[-1] else 0.0
        return self.step * max(1, int(np.ceil(reach / self.step / (BINS - 1) - 1e-6)))

    def histogram(self, token: int) -> tuple[int, ...]:
        """Segments by bars of `bin()` seconds, the first begins at half a step; the last takes what is longer."""
        fine = self.durations[token]
        bars = np.clip(np.floor(np.arange(len(fine)) * FINE / self.bin() - 0.5 + 1e-6).astype(int), 0, BINS - 1)
        return tuple(int(n) for n in np.bincount(bars, fine, BINS))

    def kind(self, token: int) -> Kind:
        """Silence lies near its recordings' noise floor; noise is aperiodic and crosses zero often."""
        if self.heard[token] == 0:
            return "speech"
        share = 1 / self.heard[token]
        if self.above_floor[token] * share < 0.25:
            return "silence"
        if self.crossings[token] * share > 0.22 and self.periodic[token] * share < 0.55:
            return "noise-like"
        return "speech"

    def likeness(self) -> np.ndarray:
        """How alike units sound (alphabet, alphabet), -1 to 1: cosine of their mean spectra about the mean of all."""
        mean = self.spectrum / np.maximum(self.heard, 1)[:, None]
        used = self.heard > 0
        if not used.any():
            return np.zeros((self.alphabet, self.alphabet))
        mean = np.where(used[:, None], mean - mean[used].mean(0), 0)
        mean /= np.maximum(np.linalg.norm(mean, axis=1), 1e-9)[:, None]
        return np.asarray(mean @ mean.T)

    def hues(self) -> np.ndarray:
        """A hue (degrees) a token: units that sound alike get neighbouring hues, spread evenly over the circle."""
        mean = self.spectrum / np.maximum(self.heard, 1)[:, None]
        used = np.flatnonzero(self.heard > 0)
        hues = np.zeros(self.alphabet)
        if len(used) > 2:
            centred = mean[used] - mean[used].mean(0)
            axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
            axes *= np.where(axes.sum(1) < 0, -1.0, 1.0)[:, None]  # svd leaves signs open
            flat = centred @ axes.T
            order = np.argsort(np.argsort(np.arctan2(flat[:, 1], flat[:, 0]), kind="stable"), kind="stable")
            hues[used] = order * 360 / len(used)
        return hues


def seconds_of(units: Units) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of units (segments,) in seconds."""
    rate, first = float(units.grid.rate), float(units.grid.first)
    starts = np.maximum(0, first + (units.starts - 0.5) / rate)
    return starts, first + (units.ends - 0.5) / rate


def look(corpus: Source, units: Mapping[str, Units], tier: str) -> Survey:
    """The first pass: counts, durations, labels under the units, and how they sound."""
    survey: Survey | None = None
    every = max(1, round(corpus.length / LISTEN))
    for index, recording in enumerate(corpus):
        mine = units.get(recording.id)
        if mine is None:
            continue
        if survey is not None and mine.alphabet != survey.alphabet:
            raise UntoldError(f"units of {recording.id} have an alphabet of {mine.alphabet}, others of {survey.alphabet}")
        if survey is None:
            survey = Survey.empty(mine.alphabet, float(1 / mine.grid.rate))
        _count(survey, recording, mine.merged(), tier)
        if index % every == 0:
            _listen(survey, recording, mine)
    return survey if survey is not None else Survey.empty(0)


def _count(survey: Survey, recording: Recording, units: Units, tier: str) -> None:
    starts, ends = seconds_of(units)
    lengths = ends - starts
    np.add.at(survey.count, units.tokens, 1)
    np.add.at(survey.covered, units.tokens, lengths)
    fine = np.clip(np.round(lengths / FINE).astype(int), 0, survey.durations.shape[1] - 1)
    np.add.at(survey.durations, (units.tokens, fine), 1)
    audio = recording.signals["audio"]
    survey.recordings += 1
    survey.seconds += audio.steps / float(audio.grid.rate)
    if recording.speaker != UNKNOWN:
        row = survey.by_speaker.setdefault(recording.speaker, np.zeros(survey.alphabet, np.int32))
        np.add.at(row, units.tokens, 1)
    for label, token, length in overlaps(units, recording.tiers.get(tier, ())):
        if label not in survey.joint:
            survey.joint[label] = np.zeros(survey.alphabet)
        survey.joint[label][token] += length


def overlaps(units: Units, intervals: Sequence[Interval]) -> Iterator[tuple[str, int, float]]:
    """Each label, the token it lies over, and for how many seconds (both sorted by time)."""
    starts, ends = seconds_of(units)
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


def _listen(survey: Survey, recording: Recording, units: Units) -> None:
    audio = recording.signals["audio"]
    length = min(audio.steps, round(PIECE * RATE))
    begin = (audio.steps - length) // 2
    samples = np.asarray(audio.read(begin, begin + length), np.float32)
    if len(samples) < 800:
        return
    hop = 160
    spectrum = pictures.power(samples, window=400, hop=hop)
    energy = 10 * np.log10(spectrum.mean(1) + 1e-10)
    low, high = np.percentile(energy, [8, 95])
    starts, ends = seconds_of(units)
    times = (begin + np.arange(len(spectrum)) * hop) / RATE
    at = np.searchsorted(starts, times, side="right") - 1
    inside = (at >= 0) & (times < ends[np.maximum(at, 0)]) if len(starts) else np.zeros(len(times), bool)
    tokens = units.tokens[at[inside]]
    # The floor is told from the peaks only where the recording has quiet places: else nothing is called silence.
    span = high - low
    above = np.clip((energy - low) / span, 0, 1) if span > 12 else np.ones(len(energy))
    mel = 10 * np.log10(spectrum @ pictures.mel_weights(BANDS).T + 1e-9)
    mel -= mel.max() if len(mel) else 0
    np.add.at(survey.heard, tokens, 1)
    np.add.at(survey.above_floor, tokens, above[inside])
    np.add.at(survey.spectrum, tokens, mel[inside])
    np.add.at(survey.crossings, tokens, _crossings(samples, hop, len(spectrum))[inside])
    np.add.at(survey.periodic, tokens, _periodic(spectrum)[inside])


def _crossings(samples: np.ndarray, hop: int, frames: int) -> np.ndarray:
    signs = np.append(False, np.signbit(samples[1:]) != np.signbit(samples[:-1]))
    totals = np.append(0, np.cumsum(signs))
    centres = np.arange(frames) * hop
    low, high = np.maximum(0, centres - 200), np.minimum(len(samples), centres + 200)
    return np.asarray((totals[high] - totals[low]) / np.maximum(1, high - low))


def _periodic(spectrum: np.ndarray) -> np.ndarray:
    """The largest autocorrelation between 80 and 400 Hz over that at lag 0, the window's own taken out."""
    window = np.hanning(400)
    own = np.correlate(window, window, "full")[399:]
    lags = np.arange(40, 200)
    shape = np.fft.irfft(spectrum, axis=1)[:, : lags[-1] + 1]
    peaks = (shape[:, lags] * (own[0] / own[lags])).max(1)
    return np.asarray(np.clip(peaks / np.maximum(shape[:, 0], 1e-12), 0, 1))


def exemplars(corpus: Source, units: Mapping[str, Units], survey: Survey, wanted: Sequence[int]) -> dict[int, list[Place]]:
    """The second pass: up to `KEPT` places of each wanted token, of middling duration, from as many speakers as can be."""
    typical = {token: max(survey.typical(token), FINE) for token in wanted}
    best: dict[int, dict[str, list[tuple[float, int, Place]]]] = {token: {} for token in wanted}
    for index, recording in enumerate(corpus):
        mine = units.get(recording.id)
        if mine is None:
            continue
        mine = mine.merged()
        starts, ends = seconds_of(mine)
        # Ties of duration are the rule: a hash spreads the choice over recordings and places, the same at every run.
        salt = zlib.crc32(recording.id.encode())
        for token in np.unique(mine.tokens):
            if int(token) not in best:
                continue
            at = np.flatnonzero(mine.tokens == token)
            off = np.abs(np.log(np.maximum(ends[at] - starts[at], FINE) / typical[int(token)])).round(2)
            mix = (at * 2654435761 + salt) % 65521
            first = np.lexsort((mix, off))[: (2 if survey.recordings > KEPT else KEPT)]
            mine_best = best[int(token)].setdefault(recording.speaker, [])
            for i in first:
                place = Place(index, recording.speaker, float(starts[at[i]]), float(ends[at[i]]))
                mine_best.append((float(off[i]), int(mix[i]), place))
            mine_best.sort(key=lambda item: item[:2])
            del mine_best[KEPT:]
            if len(best[int(token)]) > STRANGERS:
                worst = max(best[int(token)], key=lambda name: best[int(token)][name][0][:2])
                del best[int(token)][worst]
    return {token: _in_turns(choices) for token, choices in best.items()}


def _in_turns(choices: dict[str, list[tuple[float, int, Place]]]) -> list[Place]:
    ranked = [(turn, off, mix, place) for places in choices.values() for turn, (off, mix, place) in enumerate(places)]
    ranked.sort(key=lambda item: item[:3])
    return [place for *_, place in ranked[:KEPT]]
