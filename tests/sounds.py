"""A tiny source on disk and settings that make methods small: for tests that run whole commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

SMALL = ["encoder.width=24", "encoder.dense=1", "decoder.width=16", "condition_dimensions=12", "batch=6", "crop=0.5", "bottleneck.size=16", "bottleneck.dimensions=8"]
SMALL_MIXTURE = ["components=8", "frames=600", "passes=4", "batch=6", "crop=0.5", "input.warp=none"]


def sets(words: list[str]) -> list[str]:
    """As options of the command line."""
    return [part for word in words for part in ("--set", word)]


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
