"""Logarithms of mel filter bank energies every 10 ms, Kaldi's `fbank`, with a way back to sound.

Natural logarithms of the power in triangular mel filters, frames as in `mfcc`. `invert` finds samples for given frames
by Griffin and Lim's iteration (1984) with the momentum of Perraudin, Balazs and Soendergaard (2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from untold.frontends import _mel
from untold.frontends._spectral import SpectralFrontEnd, SpectralSettings
from untold.layers import random
from untold.settings import setting

MOMENTUM = 0.99


@dataclass(frozen=True, kw_only=True)
class Settings(SpectralSettings):
    """What the frames are made of."""

    mel_bins: int = setting(40, help="mel filters", low=3, high=80)


def build(settings: Settings) -> SpectralFrontEnd:
    """The front end: (batch, steps, mel_bins)."""
    return SpectralFrontEnd(settings.mel_bins, None, False, settings)


def invert(frames: np.ndarray, *, warp: float = 1.0, iterations: int = 48) -> np.ndarray:
    """Sound whose log mel energies (before normalisation) are near `frames` (steps, bins).

    Gives float32 samples (160 steps,) at 16 kHz in [-1, 1]. `warp` is the warp under which the frames were made. The
    phase is not in the frames: it begins at random, always the same, and is what the iteration finds.
    """
    if len(frames) == 0:
        return np.zeros(0, np.float32)
    with torch.no_grad():
        energies = torch.from_numpy(np.asarray(frames, np.float32)).clamp(max=40.0).exp()
        power = _spread(energies, _mel.mel_bank(frames.shape[1], warp))
        turn = -2 * math.pi / _mel.TRANSFORM * torch.arange(_mel.BINS)
        power = power / (1 - _mel.PREEMPHASIS * torch.polar(torch.ones(_mel.BINS), turn)).abs().square()
        samples = _griffin_lim(power.sqrt(), iterations) / _mel.SCALE
    return samples.clamp(-1.0, 1.0).numpy()


def _spread(energies: Tensor, bank: Tensor, updates: int = 60) -> Tensor:
    """Non-negative power (steps, 256) whose filter energies are nearest: Lee and Seung's multiplicative updates (2001).
    """
    width = bank.sum(0)
    power = (energies / width.clamp(min=1e-6)) @ bank.T  # flat inside each filter: no worse than half the way
    wanted, gram = energies @ bank.T, bank @ bank.T
    for _ in range(updates):
        power = power * wanted / (power @ gram).clamp(min=1e-12)
    return power


def _griffin_lim(magnitude: Tensor, iterations: int) -> Tensor:
    """Samples (160 steps,) from magnitudes (steps, 256)."""
    steps = len(magnitude)
    # frame i is centred at sample 160 i + 80; a frame more on each side makes the first centre -80 and the end covered
    magnitude = torch.cat([magnitude[:1], magnitude, magnitude[-1:]])
    magnitude = torch.nn.functional.pad(magnitude, (0, 1)).T[None]
    window = _mel.povey_window().to(torch.float32)
    frame: dict[str, Any] = {"n_fft": _mel.TRANSFORM, "hop_length": _mel.HOP, "win_length": _mel.WINDOW, "center": True}
    key = torch.zeros(1, dtype=torch.int64)
    phase = random.uniform(key, (magnitude.shape[1], magnitude.shape[2]), 0x61) * 2 * math.pi
    angles, before = torch.polar(torch.ones_like(phase), phase), torch.zeros((), dtype=torch.complex64)
    for _ in range(iterations):
        samples = torch.istft(magnitude * angles, window=window, **frame)
        rebuilt = torch.stft(samples, window=window, pad_mode="constant", return_complex=True, **frame)
        angles = rebuilt - before * (MOMENTUM / (1 + MOMENTUM))
        angles, before = angles / angles.abs().clamp(min=1e-12), rebuilt
    samples = torch.istft(magnitude * angles, window=window, **frame)[0]
    return samples[_mel.HOP // 2 : _mel.HOP // 2 + steps * _mel.HOP]
