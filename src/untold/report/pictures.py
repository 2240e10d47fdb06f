"""Spectrograms as pictures: ink on paper, so that colour stays free for the units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

RATE = 16000
WINDOW = 160  # samples, 10 ms: wide-band, as phoneticians look at formants
TRANSFORM = 512
RANGE = 55.0  # decibels between paper and ink


def mel_weights(bands: int, transform: int = TRANSFORM, rate: int = RATE, low: float = 50.0) -> np.ndarray:
    """Triangles (bands, transform / 2 + 1) spaced on the mel scale 2595 log10(1 + f / 700), each summing to one."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(2595 * np.log10(1 + low / 700), top, bands + 2) / 2595) - 1)
    bins = np.arange(transform // 2 + 1) * rate / transform
    up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.maximum(0, np.minimum(up, down))
    # A narrow low triangle may fall between two bins: it then takes the nearest one.
    empty = np.flatnonzero(weights.sum(1) == 0)
    weights[empty, np.abs(bins - edges[1:-1][empty, None]).argmin(1)] = 1
    return np.asarray(weights / weights.sum(1, keepdims=True))


def power(samples: np.ndarray, *, window: int = WINDOW, hop: int = 64, transform: int = TRANSFORM) -> np.ndarray:
    """Power spectrum (frames, transform / 2 + 1) of frames centred at 0, hop, 2 hop, ...; samples (n,) in [-1, 1]."""
    frames = max(1, -(-len(samples) // hop))
    padded = np.zeros((frames - 1) * hop + window, np.float32)
    padded[window // 2 : window // 2 + len(samples)] = samples[: len(padded) - window // 2]
    cut = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * np.hanning(window).astype(np.float32)
    return np.square(np.abs(np.fft.rfft(cut, transform))).astype(np.float32)


def decibels(samples: np.ndarray, *, bands: int, hop: int) -> np.ndarray:
    """Log-mel picture in decibels (frames, bands), high frequencies lifted by 6 dB an octave."""
    lifted = np.append(samples[:1], samples[1:] - 0.97 * samples[:-1]) if len(samples) else samples
    return np.asarray(10 * np.log10(power(lifted, hop=hop) @ mel_weights(bands).T + 1e-10))


def ink(levels: np.ndarray, top: float, floor: float = -np.inf) -> np.ndarray:
    """Grey picture (bands, frames) uint8, low frequencies below: `top` decibels is ink, `RANGE` beneath it is paper.

    So is what lies at the noise `floor` when that is higher, but for the last 25 decibels.
    """
    paper = min(max(top - RANGE, floor), top - 25)
    depth = np.clip((levels - paper) / (top - paper), 0, 1) ** 1.35
    return np.round(255 * (1 - 0.92 * depth.T[::-1])).astype(np.uint8)


def write_picture(path: Path, grey: np.ndarray, *, quality: int = 62) -> None:
    """Writes a grey picture (height, width) as WebP."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey, "L").save(path, format="WEBP", quality=quality, method=4)
