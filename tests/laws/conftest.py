"""A tiny corpus of sounds and one of lines of handwriting, and each method that is registered, small: what the laws run over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from scipy import ndimage

from untold import registry, runs
from untold.corpora import Corpus, open_source
from untold.driver import Model
from untold.settings import Settings

from .. import checkpoints

# settings that make a method small enough for a test; a method that needs none is taken as it is
SMALL = {
    "autoencoder": {"encoder": {"width": 24, "dense": 1}, "decoder": {"width": 16}, "condition_dimensions": 12, "batch": 4, "crop": 0.5},
    "wavenet": {"decoder": {"channels": 16, "skips": 16, "layers": 4, "cycles": 1, "head": 16}, "batch": 4, "crop": 0.1, "sides": ["speaker"]},
    "masked_units": {"components": [8, 6], "rounds": 2, "networks": 2, "frames": 600, "passes": 3, "batch": 4, "crop": 0.6, "encoder": {"width": 16, "layers": 2, "heads": 2, "window": 6, "kernel": 3}},
    "cpc": {"encoder": {"width": 16}, "context_dimensions": 16, "predictor": "transformer", "heads": 2, "steps": 3, "first_step": 2, "drawn": 12, "batch": 4, "crop": 0.5, "warm_up": 5},
    "wav2vec": {"encoder": {"width": 12}, "bottleneck": {"dimensions": 12}, "context_dimensions": 12, "context_layers": 2, "steps": 3, "drawn": 12, "batch": 4, "crop": 0.5, "warm_up": 5},
    "self_distillation": {"encoder": {"width": 16, "layers": 2, "heads": 2, "window": 6, "kernel": 3}, "clustered": 1, "size": 8, "batch": 4, "crop": 0.6},
    "masked_reconstruction": {"encoder": {"width": 16, "layers": 2, "heads": 2, "window": 6, "kernel": 3}, "decoder": {"width": 16}, "batch": 4, "crop": 0.6, "starts": 0.1, "span": 4},
    "mixture": {"components": 8, "frames": 600, "passes": 4, "batch": 4, "crop": 0.5},
}
BOTTLENECKS = {"vq": {"size": 16, "dimensions": 8}, "gaussian": {"dimensions": 8}, "identity": {"dimensions": 8}, "segmental": {"size": 16, "dimensions": 8}, "nms": {"code": {"size": 16, "dimensions": 8}}, "two_rates": {"fast": {"size": 8, "dimensions": 4}, "slow": {"size": 4, "dimensions": 4}}, "gumbel": {"size": 16, "dimensions": 8}, "product": {"code": {"size": 6, "dimensions": 4}}}

# methods once more, with other parts than their usual ones
AGAIN = {
    "mixture-adapted": ("mixture", {"adaptation": 30.0, "directions": 5}),
    "masked_units-unadapted": ("masked_units", {"adaptation": 0.0, "rounds": 1}),
    "cpc-waveform": ("cpc", {"input": "waveform", "predicted": "heard", "encoder": {"name": "strides", "width": 12}, "context": "lstm", "predictor": "linear", "negatives": "same_speaker", "crop": 0.2}),
    "cpc-aligned": ("cpc", {"aligned": 2, "negatives": "anywhere", "predicted": "heard"}),
    "wav2vec-waveform": ("wav2vec", {"input": "waveform", "predicted": "heard", "encoder": {"name": "strides", "width": 12, "dense": 1}, "crop": 0.2, "batch": 3}),
    "vq_wav2vec-gumbel": ("wav2vec", {"bottleneck": {"name": "product", "code": {"size": 6, "dimensions": 4}}}),
    "vq_wav2vec-kmeans": ("wav2vec", {"bottleneck": {"name": "product", "code": {"name": "vq", "codebook": "gradient", "size": 6, "dimensions": 4}}}),
}

# the autoencoder on lines: the same method, other parts
LINES = {
    "input": {"name": "columns", "height": 16, "bend": "random"}, "target": {"name": "pixels", "height": 16}, "sound": "none",
    "encoder": {"name": "columns", "channels": 4, "halvings": 1, "width": 24, "layers": 1, "dense": 0},
    "condition_dimensions": 12, "batch": 4, "crop": 96.0, "window": 48.0,
}
COLUMN = {"name": "column", "width": 16, "layers": 0, "channels": 4}
PIXELCNN = {"name": "pixelcnn", "width": 16, "layers": 0, "channels": 4, "pixel_layers": 1, "head": 8}
ON_LINES = {
    "vq": (COLUMN, BOTTLENECKS["vq"], {"sound": "pixels", "sound_decoder": PIXELCNN, "sound_share": 1.0}), "segmental": (COLUMN, {**BOTTLENECKS["segmental"], "rate": 3.0}, {}), "nms": (COLUMN, {**BOTTLENECKS["nms"], "rate": 3.0}, {}),
    "vq-pixelcnn": (PIXELCNN, BOTTLENECKS["vq"], {}),
}


@dataclass(frozen=True)
class Case:
    """A method by name with small settings, and what it is tried on: the fixture of a corpus."""

    name: str
    settings: Settings
    corpus: str = "sounds"

    def model(self, corpus: Corpus, seed: int = 0) -> Model:
        sides = {side: corpus.sides(side) for side in getattr(self.settings, "sides", ())}
        place = runs.place_of(self.name)  # of a method that is read from a checkpoint
        settings = self.settings.changed({place: str(checkpoints.tiny())}) if place else self.settings
        return runs.build(self.name, settings, sides, seed)


def cases() -> dict[str, Case]:
    """Every registered method; the autoencoder once with every registered bottleneck."""
    out = {}
    for name in registry.names("methods"):
        settings = registry.load("methods", name).Settings().changed(SMALL.get(name, {}))
        if name == "autoencoder":
            for bottleneck in registry.names("bottlenecks"):
                chosen = {"bottleneck": {"name": bottleneck, **BOTTLENECKS.get(bottleneck, {})}}
                out[f"{name}-{bottleneck}"] = Case(name, settings.changed(chosen))
        else:
            out[name] = Case(name, settings)
    for name, (method, more) in AGAIN.items():
        out[name] = Case(method, registry.load("methods", method).Settings().changed(SMALL[method]).changed(more))
    for name, (decoder, bottleneck, more) in ON_LINES.items():
        settings = registry.load("methods", "autoencoder").Settings().changed({**LINES, **more, "decoder": decoder, "bottleneck": {"name": name.partition("-")[0], **bottleneck}})
        out[f"lines-{name}"] = Case("autoencoder", settings, "lines")
    parts = {**SMALL["masked_reconstruction"], "input": LINES["input"], "target": LINES["target"], "decoder": COLUMN, "crop": 96.0}
    out["lines-masked_reconstruction"] = Case("masked_reconstruction", registry.load("methods", "masked_reconstruction").Settings().changed(parts), "lines")
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


def write_lines(folder: Path, widths: tuple[int, ...] = (190, 151, 222, 117, 170, 140)) -> Path:
    """Lines of strokes that lean and curl, by two scribes, pixels wide as told (48 high, black on white)."""
    for number, width in enumerate(widths):
        draw = np.random.default_rng((7, number))
        ink = np.zeros((48, width))
        for left in range(4, width - 12, 14):
            t = np.linspace(0, 1, 60)
            turn, lean = draw.integers(0, 4), 6 * (number % 2)
            x = left + 4 + 4 * np.sin(2 * np.pi * t * (turn / 3)) + lean * (1 - t)
            y = 8 + 32 * t if turn % 2 else 24 + 14 * np.cos(2 * np.pi * t)
            ink[y.astype(int).clip(0, 47), x.astype(int).clip(0, width - 1)] = 1
        ink = ndimage.gaussian_filter(ink, 1.0 + 0.4 * (number % 2))
        path = folder / f"s{number % 2}" / f"r{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(255 * (1 - ink / ink.max())).astype(np.uint8), "L").save(path)
    return folder


def _opened(place: Path, source: Path) -> Corpus:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTOLD_CACHE", str(place / "cache"))
        return open_source(str(source))


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Six recordings of two speakers."""
    place = tmp_path_factory.mktemp("sounds")
    return _opened(place, write_sounds(place / "sounds"))


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Six lines of two scribes."""
    place = tmp_path_factory.mktemp("lines")
    return _opened(place, write_lines(place / "lines"))


@pytest.fixture(params=sorted(cases()))
def case(request: pytest.FixtureRequest) -> Case:
    """Each method in turn."""
    return cases()[request.param]


@pytest.fixture
def tiny(case: Case, request: pytest.FixtureRequest) -> Corpus:
    """What the method in turn is tried on."""
    corpus: Corpus = request.getfixturevalue(case.corpus)
    return corpus
