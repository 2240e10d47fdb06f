"""The period of sound, sought in what is past: for each short block the lag at which the past repeats itself best."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

HOP = 80  # samples of a block
WINDOW = 320  # samples that are compared
SHORTEST = 32  # a period: 500 Hz at 16 kHz
EPSILON = 1e-9  # of energies


def periods(values: Tensor, longest: int) -> tuple[Tensor, Tensor]:
    """Lags (batch, samples) int64 and how well the past repeats itself there, in [0, 1], from real values (batch, samples).

    Both are of the last `WINDOW` samples before the block of `HOP` that a sample lies in, compared with those SHORTEST to
    `longest` samples earlier: normalised cross-correlation (Talkin 1995, RAPT). Before the first is silence.
    """
    samples = values.shape[1]
    blocks = -(-samples // HOP)
    padded = functional.pad(values.double(), (WINDOW + longest, max(0, blocks * HOP - samples)))
    past = padded.unfold(1, WINDOW + longest, HOP)[:, :blocks]
    size = 1 << (WINDOW + longest - 1).bit_length()
    last = torch.fft.rfft(past[..., longest:], size)
    found = torch.fft.irfft(torch.fft.rfft(past, size) * last.conj(), size)[..., : longest + 1]  # at place k: lag longest - k
    sums = functional.pad(past.square().cumsum(-1), (1, 0))
    energy = sums[..., WINDOW:] - sums[..., : longest + 1]
    likeness = found / (energy * energy[..., -1:] + EPSILON).sqrt()
    best, place = likeness[..., : longest + 1 - SHORTEST].flip(-1).max(-1)
    lags, strengths = (part.repeat_interleave(HOP, 1)[:, :samples] for part in (place + SHORTEST, best.clamp(0, 1)))
    return lags, strengths.to(values.dtype)


def earlier(values: Tensor, lags: Tensor) -> Tensor:
    """values (batch, samples) at each place minus its lag (batch, samples), 0 before the first."""
    place = torch.arange(values.shape[1], device=values.device) - lags
    return torch.where(place >= 0, values.gather(1, place.clamp(min=0)), 0.0)
