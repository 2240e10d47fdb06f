"""Rooms and noise for synthetic speech, bit for bit the same on every machine.

Speech of a synthesiser is too clean to judge a method by. Each utterance gets a room (the direct sound at delay 0, so
that labels stay exact, then reflections that die away), noise of one of several colours, and a level. Random numbers
are the raw words of PCG64, sums are of integers, and no transform or matrix product is used, so nothing depends on a
library's order of summation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_FINE = 4096  # gains of reflections are whole numbers of 1/4096


@dataclass(frozen=True)
class Place:
    """How strongly an utterance is disturbed: reverberation time in seconds, decibels of reflections and of noise."""

    decay: tuple[float, float] = (0.12, 0.5)
    direct_to_reflected: tuple[float, float] = (3.0, 14.0)
    signal_to_noise: tuple[float, float] = (8.0, 25.0)


class Draw:
    """Numbers from the raw words of PCG64, which no version of NumPy may change."""

    def __init__(self, *seed: int) -> None:
        self._bits = np.random.PCG64(list(seed))

    def words(self, count: int) -> np.ndarray:
        """(count,) uint64."""
        return np.asarray(self._bits.random_raw(count), dtype=np.uint64)

    def between(self, low: float, high: float) -> float:
        """One number, uniform from `low` to `high`."""
        return low + (high - low) * float(self.words(1)[0] >> np.uint64(11)) / 2.0**53

    def below(self, limit: int) -> int:
        """One whole number from 0 to `limit` - 1."""
        return int(self.words(1)[0] >> np.uint64(33)) % limit

    def bell(self, count: int) -> np.ndarray:
        """(count,) int64 around 0, nearly Gaussian: sums of four 16-bit numbers."""
        sums: np.ndarray = self.words(count).view(np.uint16).reshape(count, 4).astype(np.int64).sum(axis=1)
        return sums - 2 * 65535


def _power(x: np.ndarray) -> float:
    return float((x * x).sum()) / max(len(x), 1)


def _reflections(draw: Draw, place: Place, rate: int) -> list[tuple[int, int]]:
    """Delays in samples and gains in 1/4096: six early ones, and sixty that thin out with the reverberation time."""
    decay = draw.between(*place.decay)
    ratio = 10.0 ** (-draw.between(*place.direct_to_reflected) / 10.0)
    times = [draw.between(0.002, 0.03) for _ in range(6)]
    times += [draw.between(0.01, 1.0) ** 2 * 0.9 * decay for _ in range(60)]
    raw = [(time, (1 if draw.below(2) else -1) / (1.0 + 14.0 * time / decay) ** 2) for time in times]
    total = sum(gain * gain for _, gain in raw)
    scale = (ratio / total) ** 0.5
    return [(max(1, int(time * rate)), int(gain * scale * _FINE)) for time, gain in raw]


def _noise(draw: Draw, count: int) -> np.ndarray:
    """(count,) int64: hiss, and the same smoothed over 2 to 512 samples, in a mixture that is drawn."""
    out = np.zeros(count, np.int64)
    for octave in range(0, 10, 3):
        width = 1 << octave
        summed = np.concatenate([[0], np.cumsum(draw.bell(count + width))])
        # the sum over `width` numbers grows with its root: weights in 1/16 even the bands out, the draw tilts them
        weight = max(1, int(16 * draw.between(0.05, 1.0) ** 2 * 32 / width**0.5))
        out += weight * (summed[width : width + count] - summed[:count])
    return out


def disturb(clean: np.ndarray, rate: int, place: Place, *seed: int) -> np.ndarray:
    """Speech (samples,) int16 in a room with noise, (samples,) int16; sample i stays sample i."""
    draw = Draw(*seed)
    speech = clean.astype(np.int64) * _FINE
    for delay, gain in _reflections(draw, place, rate):
        if gain and delay < len(clean):
            speech[delay:] += gain * clean[:-delay].astype(np.int64)
    spoken = speech[clean != 0] // _FINE
    noise = _noise(draw, len(clean)) // 4096
    wanted = _power(spoken) * 10.0 ** (-draw.between(*place.signal_to_noise) / 10.0)
    mixed = speech.astype(np.float64) / _FINE + noise * (wanted / max(_power(noise), 1e-9)) ** 0.5
    level = draw.between(0.25, 0.9) * 32767.0 / max(float(np.abs(mixed).max()), 1.0)
    samples: np.ndarray = np.rint(mixed * level).astype(np.int16)
    return samples
