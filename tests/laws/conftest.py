"""A tiny corpus of sounds, and each method that is registered, small: what the laws run over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from untold import registry, runs
from untold.corpora import Corpus, open_source
from untold.driver import Model
from untold.settings import Settings

# settings that make a method small enough for a test; a method that needs none is taken as it is
SMALL = {
    "autoencoder": {"encoder": {"width": 24, "dense": 1}, "decoder": {"width": 16}, "condition_dimensions": 12, "batch": 4, "crop": 0.5},
    "wavenet": {"decoder": {"channels": 16, "skips": 16, "layers": 4, "cycles": 1, "head": 16}, "batch": 4, "crop": 0.1, "sides": ["speaker"]},
    "mixture": {"components": 8, "frames": 600, "passes": 4, "batch": 4, "crop": 0.5},
}
BOTTLENECKS = {"vq": {"size": 16, "dimensions": 8}, "gaussian": {"dimensions": 8}, "identity": {"dimensions": 8}, "segmental": {"size": 16, "dimensions": 8}, "nms": {"code": {"size": 16, "dimensions": 8}}, "two_rates": {"fast": {"size": 8, "dimensions": 4}, "slow": {"size": 4, "dimensions": 4}}}


@dataclass(frozen=True)
class Case:
    """A method by name with small settings."""

    name: str
    settings: Settings

    def model(self, corpus: Corpus, seed: int = 0) -> Model:
        sides = {side: corpus.sides(side) for side in getattr(self.settings, "sides", ())}
        return runs.build(self.name, self.settings, sides, seed)


def cases() -> dict[str, Case]:
    """Every registered method; the autoencoder once with every registered bottleneck."""
    out = {}
    for name in registry.names("methods"):
        settings = registry.load("methods", name).Settings().changed(SMALL.get(name, {}))
        if hasattr(settings, "bottleneck"):
            for bottleneck in registry.names("bottlenecks"):
                chosen = {"bottleneck": {"name": bottleneck, **BOTTLENECKS.get(bottleneck, {})}}
                out[f"{name}-{bottleneck}"] = Case(name, settings.changed(chosen))
        else:
            out[name] = Case(name, settings)
    return out


def write_sounds(folder: Path, lengths: tuple[float, ...] = (1.2, 0.9, 1.31, 0.7, 1.0, 0.83)) -> Path:
    """Recordings of gliding tones and noise by two speakers, seconds as told."""
    draw = np.random.default_rng(3)
    for number, seconds in enumerate(lengths):
        t = np.arange(int(seconds * 16000)) / 16000
        pitch = 120 + 60 * (number % 2) + 200 * np.cumsum(np.sin(2 * np.pi * (1.3 + 0.2 * number) * t)) / 16000
        x = sum(np.sin(2 * np.pi * k * np.cumsum(pitch) / 16000) / k for k in range(1, 12))
        x = 0.1 * x * (0.3 + np.abs(np.sin(2 * np.pi * 2.1 * t))) + 0.01 * draw.standard_normal(len(t))
        path = folder / f"s{number % 2}" / f"r{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, x.astype(np.float32), 16000)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Six recordings of two speakers."""
    place = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTOLD_CACHE", str(place / "cache"))
        return open_source(str(write_sounds(place / "sounds")))


@pytest.fixture(params=sorted(cases()))
def case(request: pytest.FixtureRequest) -> Case:
    """Each method in turn."""
    return cases()[request.param]
