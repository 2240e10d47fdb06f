"""A corpus and subjects whose right scores are known: phones that are the features, features that know nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from untold.contract import Features, Grid, Interval, Recording, Units

PHONES = ("sil", "a", "b", "c", "d")


class Hum:
    """Sound of a phone each: a tone that depends on the label, so that log-mel frames can be told from it."""

    shape = ()
    grid = Grid("second", Fraction(16000), Fraction(1, 32000))

    def __init__(self, tier: list[Interval]) -> None:
        self.steps = int(tier[-1].end * 16000)
        places = np.arange(self.steps) / 16000
        self._samples = np.zeros(self.steps, np.float32)
        for i in tier:
            a, b = int(i.start * 16000), int(i.end * 16000)
            self._samples[a:b] = 0.3 * np.sin(2 * np.pi * (200 + 400 * PHONES.index(i.label)) * places[a:b])
        self._samples += 1e-3 * np.random.default_rng(self.steps).standard_normal(self.steps).astype(np.float32)

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._samples[start:stop]


class Corpus(list):
    """Recordings with a name."""

    name = "pretended"


def corpus(speakers: int = 8, each: int = 4, seconds: int = 2, sound: bool = False, seed: int = 0) -> Corpus:
    """Recordings of speakers f0, m1, f2, ... with random phones of 50 to 130 ms at exact milliseconds."""
    rng = np.random.default_rng(seed)
    out = Corpus()
    for s in range(speakers):
        for r in range(each):
            tier, at = [], 0
            while at < 1000 * seconds:
                end = min(at + int(rng.integers(50, 130)), 1000 * seconds)
                label = "sil" if at == 0 else PHONES[rng.integers(1, len(PHONES))]
                tier.append(Interval(Fraction(at, 1000), Fraction(end, 1000), label))
                at = end
            sex = "fm"[s % 2]
            sides = {"speaker": f"{sex}{s}", "sex": sex}
            out.append(Recording(f"{sex}{s}/{r}", {"audio": Hum(tier)} if sound else {}, sides, {"phones": tier}))
    return out


def labels(recording: Recording, grid: Grid, steps: int) -> np.ndarray:
    """The phone at each step's centre, by asking every interval."""
    out = np.zeros(steps, np.int64)
    for i in range(steps):
        centre = grid.centre(i)
        out[i] = next((PHONES.index(x.label) for x in recording.tiers["phones"] if x.start <= centre < x.end), 0)
    return out


@dataclass
class Subject:
    """`kind`: `phones` (one-hot of the label), `speaker` (one-hot of the speaker), `noise` (knows nothing)."""

    kind: str = "phones"
    rate: int = 100
    name: str = "pretended"
    points: tuple[str, ...] = ("features",)
    alphabet: int | None = len(PHONES)
    minutes: float | None = None
    seconds: int = 2
    speakers: tuple[str, ...] = field(default=("f0", "m1", "f2", "m3", "f4", "m5", "f6", "m7"))

    def grid(self, point: str) -> Grid:
        return Grid("second", Fraction(self.rate), Fraction(1, 2 * self.rate))

    def _tokens(self, recording: Recording) -> np.ndarray:
        steps = self.seconds * self.rate
        if self.kind == "phones":
            return labels(recording, self.grid(""), steps)
        if self.kind == "speaker":
            return np.full(steps, self.speakers.index(recording.speaker))
        return np.random.default_rng(list(recording.id.encode())).integers(0, len(PHONES), steps)

    def chunks(self, recording: Recording, point: str) -> Iterator[np.ndarray]:
        many = len(self.speakers) if self.kind == "speaker" else len(PHONES)
        frames = np.eye(many, dtype=np.float32)[self._tokens(recording)]
        yield frames[:77]
        yield frames[77:]

    def features(self, recording: Recording, point: str) -> Features:
        return Features(np.concatenate(list(self.chunks(recording, point))), self.grid(point), point)

    def units(self, recording: Recording) -> Units:
        many = len(self.speakers) if self.kind == "speaker" else len(PHONES)
        return Units.from_frames(self._tokens(recording), many, self.grid(""), self.name)
