"""Bits that samples cost without a network: the rivals of a density of sound.

`uniform`: every value as likely as another. `unigram`: how often each value occurs, counted on the very samples that are
scored (in the rival's favour). `linear_prediction`: each sample from those before it by recursive least squares with
forgetting (Haykin, Adaptive Filter Theory, chapter 10), and around the prediction a mixture of logistics whose scale
follows the size of late errors and whose weights follow what each would have cost. Nothing is sent beside the samples:
all of it is learnt from the past, so the bits are those of a code that could be written.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from untold.contract import Stream

ORDER = 24
_FORGET = 0.998  # of the least squares, a sample: a memory of 31 ms
_FOLLOW = 0.99  # of the size of errors and of the weights
_WIDTHS = np.array([0.18, 0.36, 0.7, 1.4, 2.8])  # logistics' scales, in late errors


class Rivals:
    """Bits of recordings under each rival; `front` is the front end of samples, which says what its values stand for."""

    def __init__(self, front: Any) -> None:
        self.front = front
        self.numbers: list[np.ndarray] = []
        self.predicted: list[float] = []

    def hear(self, x: Stream) -> None:
        """Takes in the counted samples of each example."""
        for row in range(len(x.values)):
            values = x.values[row, x.counted[row], 0].cpu().numpy()
            self.numbers.append(self.front.numbered(values))
            self.predicted.append(float(linear_prediction(self.front.heard(values), *self.front.between(values)).sum()))

    def bits(self) -> dict[str, tuple[np.ndarray, dict[str, str]]]:
        """By rival, bits of each example (n,) and how they were reckoned."""
        counts = np.bincount(np.concatenate(self.numbers), minlength=self.front.values)
        with np.errstate(divide="ignore"):
            cost = np.log2(counts.sum()) - np.log2(counts)
        return {
            "uniform": (np.array([len(some) * math.log2(self.front.values) for some in self.numbers]), {}),
            "unigram": (np.array([cost[some].sum() for some in self.numbers]), {"counted_on": "the same samples"}),
            "linear_prediction": (np.array(self.predicted), {"order": str(ORDER), "learnt_from": "the past alone"}),
        }


def linear_prediction(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Bits of each sample (n,), each known to lie between `low` and `high` (n,); the ends of the scale are infinite."""
    return np.asarray(_predicted(*(np.ascontiguousarray(x, np.float64) for x in (values, low, high))))


@numba.njit(cache=True, error_model="numpy")
def _predicted(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    bits = np.zeros(len(values))
    taps, past = np.zeros(ORDER), np.zeros(ORDER)
    inverse = np.eye(ORDER) * 1e4
    weights = np.full(len(_WIDTHS), 1.0 / len(_WIDTHS))
    size = 0.02
    for n in range(len(values)):
        guess = 0.0
        for i in range(ORDER):
            guess += taps[i] * past[i]
        guess = min(1.0, max(-1.0, guess))
        total = 0.0
        for k in range(len(_WIDTHS)):
            scale = _WIDTHS[k] * size
            mass = _logistic((high[n] - guess) / scale) - _logistic((low[n] - guess) / scale)
            mass = max(mass, 1e-9)
            total += weights[k] * mass
            weights[k] *= mass
        bits[n] = -math.log2(total)
        whole = weights.sum()
        for k in range(len(_WIDTHS)):  # some of the trust flows back to all, so that none is lost for good
            weights[k] = _FOLLOW * weights[k] / whole + (1 - _FOLLOW) / len(_WIDTHS)
        error = values[n] - guess
        size = max(1e-5, _FOLLOW * size + (1 - _FOLLOW) * abs(error))
        gain = inverse @ past
        below = _FORGET
        for i in range(ORDER):
            below += past[i] * gain[i]
        for i in range(ORDER):
            taps[i] += gain[i] * error / below
            for j in range(ORDER):
                inverse[i, j] = (inverse[i, j] - gain[i] * gain[j] / below) / _FORGET
        for i in range(ORDER):
            inverse[i, i] = min(inverse[i, i], 1e8)
        for i in range(ORDER - 1, 0, -1):
            past[i] = past[i - 1]
        past[0] = values[n]
    return bits


@numba.njit(cache=True, error_model="numpy")
def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x > -700 else 0.0
