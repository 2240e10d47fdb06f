"""Sounds small enough to embed: Ogg Opus clips, and strips of several clips in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
MARGIN = 0.15  # seconds of context heard on each side of a unit
LONGEST = 0.6  # seconds of a unit that are kept in its exemplar
PAUSE = 0.06  # seconds of silence between the clips of a strip
COMPRESSION = 0.955  # libsndfile's scale; about 18 kbit/s for speech at 16 kHz


def write_clip(path: Path, samples: np.ndarray) -> None:
    """Writes samples (n,) in [-1, 1] at 16 kHz as Ogg Opus."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = np.clip(np.nan_to_num(np.asarray(samples, np.float32)), -1, 1)
    soundfile.write(path, sound, RATE, format="OGG", subtype="OPUS", compression_level=COMPRESSION)


def louder(samples: np.ndarray, *, level: float = 0.08, most: float = 8.0) -> np.ndarray:
    """The samples at a comfortable loudness: root mean square `level`, no more than `most` times, never beyond 0.95."""
    power = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    if power == 0 or peak == 0:
        return samples
    return np.asarray(samples * min(most, level / power, 0.95 / peak), np.float32)


def strip(clips: Sequence[np.ndarray]) -> tuple[np.ndarray, list[float]]:
    """Clips one after the other with pauses, faded at their edges; and where each begins, in seconds."""
    parts: list[np.ndarray] = []
    places, at = [], 0
    pause = np.zeros(round(PAUSE * RATE), np.float32)
    for clip in clips:
        fade = min(len(clip) // 2, RATE // 125)
        shape = np.ones(len(clip), np.float32)
        if fade:
            shape[:fade] = np.linspace(0, 1, fade)
            shape[-fade:] = np.linspace(1, 0, fade)
        places.append(at / RATE)
        parts += [clip * shape, pause]
        at += len(clip) + len(pause)
    return (np.concatenate(parts) if parts else pause), places
