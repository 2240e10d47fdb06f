"""Kaldi's short-time spectra, mel filter banks, cepstra and deltas, over batches of excerpts.

The definition is that of Kaldi's feature-window.cc, mel-computations.cc, feature-mfcc.cc and feature-functions.cc with
`snip_edges` false, no dither and samples at the scale of 16-bit integers: frames of 25 ms every 10 ms, frame i centred
at sample 160 i + 80; mean removed, pre-emphasis 0.97 inside the frame, Povey window, power of a 512-point transform.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from untold.frontends._excerpt import Excerpt
from untold.frontends._frontend import SAMPLE_RATE

HOP = 160
WINDOW = 400
TRANSFORM = 512
BINS = TRANSFORM // 2  # the Nyquist bin is no part of any filter
SCALE = 32768.0
EPSILON = float(torch.finfo(torch.float32).eps)  # below this an energy counts as this
LOWEST = 20.0  # hertz
CONSTANT = 1e-3  # what deviates less (a recording of one frame, silence) is rounding: it is centred, not blown up
REACH = 4  # frames on each side that deltas and accelerations look at
LIFTER = 22
PREEMPHASIS = 0.97
_PIECE = 512  # frames transformed at once
_BEFORE = WINDOW // 2 - HOP // 2  # samples of frame 0 before sample 0


def margin(deltas: bool) -> int:
    """Samples around an excerpt that its frames look at, a whole number of hops."""
    return HOP * (2 + (REACH if deltas else 0))


def povey_window(samples: int = WINDOW) -> Tensor:
    """(400,) float64: a Hann window of `samples` to the power 0.85, zero at both ends and on either side of them."""
    window = torch.hann_window(samples, periodic=False, dtype=torch.float64) ** 0.85
    before = (WINDOW - samples) // 2
    return torch.nn.functional.pad(window, (before, WINDOW - samples - before))


def mel(hertz: Tensor) -> Tensor:
    """Frequencies on the mel scale."""
    return 1127.0 * torch.log1p(hertz / 700.0)


def mel_bank(bins: int, warp: float = 1.0) -> Tensor:
    """Triangles in mel (256, bins) float32; a bin of frequency f counts as that of `warped` f."""
    edges = torch.linspace(0.0, 1.0, bins + 2, dtype=torch.float64)
    low, high = mel(torch.tensor([LOWEST, SAMPLE_RATE / 2], dtype=torch.float64))
    edges = low + edges * (high - low)
    at = mel(warped(torch.arange(BINS, dtype=torch.float64) * (SAMPLE_RATE / TRANSFORM), warp))[:, None]
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0.0).to(torch.float32)


def warped(hertz: Tensor, warp: float) -> Tensor:
    """Frequencies times `warp` up to 7000 Hz / max(warp, 1), from there linear to the Nyquist frequency, which stays."""
    nyquist, cut = SAMPLE_RATE / 2, 7000.0 / max(warp, 1.0)
    slope = (nyquist - cut * warp) / (nyquist - cut)
    return torch.where(hertz <= cut, hertz * warp, nyquist - (nyquist - hertz) * slope)


def cepstral_matrix(bins: int, cepstra: int) -> Tensor:
    """The orthonormal cosine transform and the lifter: log mel @ matrix (bins, cepstra) float32."""
    order = torch.arange(cepstra, dtype=torch.float64)
    place = torch.arange(bins, dtype=torch.float64)[:, None] + 0.5
    matrix = math.sqrt(2.0 / bins) * torch.cos(math.pi / bins * place * order)
    matrix[:, 0] = math.sqrt(1.0 / bins)
    return (matrix * (1.0 + LIFTER / 2 * torch.sin(math.pi * order / LIFTER))).to(torch.float32)


def power_spectra(given: Excerpt, window: Tensor, reach: int, samples: int = WINDOW) -> Tensor:
    """Power (batch, reach + steps + reach, 256) of the frames of an excerpt and of `reach` more on each side.

    `samples` is what `povey_window` was asked for. What another front end computed of the same excerpt is not computed again.
    """
    name = f"power of {samples} samples"
    known, power = given.shared.get(name, (-1, window))
    if known < reach:
        known, power = given.shared[name] = reach, _power_spectra(given, window, reach, samples)
    return power[:, known - reach : power.shape[1] - (known - reach)] if power.shape[1] else power


def _power_spectra(given: Excerpt, window: Tensor, reach: int, heard: int) -> Tensor:
    steps = (given.longest + HOP // 2) // HOP
    if steps == 0:
        return given.samples.new_zeros((len(given.samples), 0, BINS))
    count = steps + 2 * reach
    first = given.margin - _BEFORE - reach * HOP
    samples = given.samples[:, first : first + (count - 1) * HOP + WINDOW].to(torch.float64) * SCALE
    # pre-emphasis inside a frame is pre-emphasis of the signal, but for the frame's first sample, where the window is 0
    emphasised = torch.cat([samples[:, :1], samples[:, 1:] - PREEMPHASIS * samples[:, :-1]], 1)
    beside = (WINDOW - heard) // 2
    means = samples.unfold(1, WINDOW, HOP)[..., beside : beside + heard].mean(-1, keepdim=True) * (PREEMPHASIS - 1)
    frames = emphasised.unfold(1, WINDOW, HOP)
    power = given.samples.new_empty((len(samples), count, BINS))
    # pieces that fit the processor's cache; a graphics card takes all at once
    most = _PIECE if samples.device.type == "cpu" else max(count, len(samples) * count)
    rows = max(1, most // count)
    for row in range(0, len(samples), rows):
        for at in range(0, count, most):
            piece = slice(row, row + rows), slice(at, at + most)
            power[piece] = _power(frames[piece], means[piece], window)
    return power


def _power(frames: Tensor, means: Tensor, window: Tensor) -> Tensor:
    """Frames (batch, frames, 400) and what their means come to -> power (batch, frames, 256)."""
    # in float64, for in float32 the loud bins drown the quiet ones: cepstra would be off by up to 3e-3
    padded = frames.new_zeros((*frames.shape[:-1], TRANSFORM))
    within_window = padded[..., :WINDOW]
    torch.mul(frames, window, out=within_window)
    within_window.addcmul_(means, window)
    spectra = torch.fft.rfft(padded)[..., :BINS]
    return (spectra.real.square() + spectra.imag.square()).to(torch.float32)


def log_mel(power: Tensor, bank: Tensor) -> Tensor:
    """Natural logarithms (batch, frames, bins) of power (batch, frames, 256) under a bank (256, bins) or one a row."""
    return (power @ bank).clamp(min=EPSILON).log()


def within(given: Excerpt, frames: Tensor) -> Tensor:
    """Frames (batch, 4 + steps + 4, ...) with those beyond the ends of the recording replaced by its first and last."""
    first = given.start // HOP
    last = (given.total + HOP // 2) // HOP - 1
    place = torch.arange(-REACH, frames.shape[1] - REACH, device=frames.device) + first[:, None]
    place = torch.minimum(place.clamp(min=0), last.clamp(min=0)[:, None]) - first[:, None] + REACH
    place = place.clamp(0, frames.shape[1] - 1)  # rows shorter than the longest: beyond their frames nothing counts
    shape = (*place.shape, *[1] * (frames.dim() - 2))
    return frames.gather(1, place.view(shape).expand(-1, -1, *frames.shape[2:]))


def with_deltas(frames: Tensor) -> Tensor:
    """(batch, 4 + steps + 4, ..., n) -> (batch, steps, ..., 3 n): statics, deltas, accelerations.

    Deltas are the slope over two frames each side, (-2 -1 0 1 2) / 10; accelerations that filter twice.
    """
    steps = frames.shape[1] - 2 * REACH
    at = [frames[:, k : k + steps] for k in range(2 * REACH + 1)]
    deltas = ((at[6] - at[2]) * 2 + (at[5] - at[3])) / 10
    outer, near = at[0] + at[8] + at[1] + at[7] - at[3] - at[5], at[2] + at[6]
    return torch.cat([at[4], deltas, (outer * 4 + near - at[4] * 10) / 100], -1)
