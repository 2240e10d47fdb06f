"""What may stand between a mouth and a recorder: noise and a room, drawn in training so that a model learns to hear through them.

Noise is white, or falls towards high frequencies (a sample takes over a share of 0 to 0.95 of the one before), at a signal-to-noise
ratio of 0 to 30 dB over the stretch. A room is its impulse response: the direct sound, then noise that decays by 60 dB within 0.1 to 0.6 s, at 0 to 15 dB below it
in all (the statistical model of Polack, in Habets, Gannot and Cohen, "Late reverberant spectral variance estimation based on a statistical model", 2009). The direct
sound stays where it was, so frames keep their places. For batches in training; the rooms that an embedded corpus is made with (`corpora/_espeak_rooms.py`) are the same
to the bit on every machine, one recording after another.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from untold.frontends._frontend import SAMPLE_RATE
from untold.layers import random

RATIOS = (0.0, 30.0)  # dB
SHARES = (0.0, 0.95)  # of a sample of noise that the next takes over
DECAYS = (0.1, 0.6)  # seconds until a room is 60 dB down
DIRECT = (0.0, 15.0)  # dB that the direct sound is above all the rest
TAIL = SAMPLE_RATE // 2  # samples of a room that are heard
TAPS = 128  # of the filter that makes noise of white noise: 0.95 to that power is nothing
_SALT = 0x4D1


def disturbed(samples: Tensor, lengths: Tensor, keys: Tensor, noise: float, reverberation: float) -> tuple[Tensor, Tensor]:
    """Samples (batch, n) of stretches of `lengths` (batch,), a share `noise` of them in noise and a share `reverberation` in a room.

    Gives them and which were touched (batch,), bool. What happens to a row depends on its key alone.
    """
    draw = random.uniform(keys, (6,), _SALT)
    noisy, roomy = draw[:, 0] < noise, draw[:, 1] < reverberation
    out = samples.clone()
    if bool(roomy.any()):
        out[roomy] = _in_a_room(samples[roomy], keys[roomy], _within(draw[roomy, 2], DECAYS), _within(draw[roomy, 3], DIRECT))
    if bool(noisy.any()):
        out[noisy] = _in_noise(out[noisy], lengths[noisy], keys[noisy], _within(draw[noisy, 4], RATIOS), _within(draw[noisy, 5], SHARES))
    return out, noisy | roomy


def _within(drawn: Tensor, ends: tuple[float, float]) -> Tensor:
    return ends[0] + drawn * (ends[1] - ends[0])


def _in_noise(samples: Tensor, lengths: Tensor, keys: Tensor, ratio: Tensor, share: Tensor) -> Tensor:
    white = random.normal(keys, (samples.shape[1] + TAPS - 1,), _SALT + 1)
    taps = share[:, None] ** torch.arange(TAPS - 1, -1, -1, device=samples.device)
    noise = functional.conv1d(white[None], taps[:, None], groups=len(taps))[0]
    power = samples.square().sum(1) / lengths.clamp(min=1)
    level = (power / taps.square().sum(1) * 10 ** (-0.1 * ratio)).sqrt()
    return samples + level[:, None] * noise


def _in_a_room(samples: Tensor, keys: Tensor, decay: Tensor, direct: Tensor) -> Tensor:
    time = torch.arange(1, TAIL + 1, device=samples.device) / SAMPLE_RATE
    tail = random.normal(keys, (TAIL,), _SALT + 2) * 10 ** (-3.0 * time / decay[:, None])
    tail *= (10 ** (-0.1 * direct) / tail.square().sum(1)).sqrt()[:, None]
    size = samples.shape[1] + TAIL
    heard = torch.fft.irfft(torch.fft.rfft(samples, n=size) * torch.fft.rfft(tail, n=size), n=size)
    return samples + functional.pad(heard, (1, 0))[:, : samples.shape[1]]
