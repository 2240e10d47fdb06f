"""Fundamental frequency of sound, every 10 ms: YIN (de Cheveigné and Kawahara, JASA 111, 2002), steps 1 to 5."""

from __future__ import annotations

import numpy as np

RATE, HOP = 16000, 160
LOWEST, HIGHEST = 60.0, 450.0  # Hz
_WINDOW = 640  # samples that are compared
_THRESHOLD = 0.15  # a dip of the normalised difference below this is taken at once
_VOICED = 0.25  # with no dip below this there is no pitch
_QUIET = 1e-4  # root mean square below which there is none either
_AT_ONCE = 2000  # frames


def pitch(samples: np.ndarray) -> np.ndarray:
    """Hz (frames,) of samples (n,) at 16 kHz, 0 where there is none; frame i is centred at sample 160 i + 80."""
    frames = (len(samples) + HOP // 2) // HOP
    longest = int(RATE / LOWEST) + 2
    width = _WINDOW + longest
    padded = np.pad(np.asarray(samples, np.float64), (width // 2, width))
    starts = np.arange(frames) * HOP + HOP // 2
    parts = [_of_frames(np.lib.stride_tricks.sliding_window_view(padded, width)[some]) for some in np.split(starts, range(_AT_ONCE, frames, _AT_ONCE))]
    return np.concatenate(parts) if frames else np.zeros(0)


def _of_frames(x: np.ndarray) -> np.ndarray:
    longest = x.shape[1] - _WINDOW
    size = 1 << (x.shape[1] + _WINDOW - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(x, size) * np.conj(np.fft.rfft(x[:, :_WINDOW], size)), size)[:, : longest + 1]
    power = np.cumsum(np.pad(x**2, ((0, 0), (1, 0))), axis=1)
    energy = power[:, _WINDOW : _WINDOW + longest + 1] - power[:, : longest + 1]
    difference = np.maximum(energy[:, :1] + energy - 2 * product, 0)
    lag = np.arange(1, longest + 1)
    normal = np.ones_like(difference)
    normal[:, 1:] = difference[:, 1:] * lag / np.maximum(np.cumsum(difference[:, 1:], axis=1), 1e-12)
    shortest = int(RATE / HIGHEST)
    inner = normal[:, shortest:longest]
    dips = (inner <= normal[:, shortest - 1 : longest - 1]) & (inner < normal[:, shortest + 1 : longest + 1])
    low = dips & (inner < _THRESHOLD)
    first = np.where(low.any(1), low.argmax(1), np.where(dips, inner, np.inf).argmin(1)) + shortest
    row = np.arange(len(x))
    before, at, after = normal[row, first - 1], normal[row, first], normal[row, first + 1]
    bend = before - 2 * at + after
    shift = np.where(np.abs(bend) > 1e-12, 0.5 * (before - after) / np.where(bend == 0, 1, bend), 0).clip(-1, 1)
    heard = (at < _VOICED) & (np.sqrt(energy[:, 0] / _WINDOW) > _QUIET)
    return np.asarray(np.where(heard, RATE / (first + shift), 0.0))
