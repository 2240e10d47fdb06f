"""The length of the vocal tract, estimated without labels: a warp of the frequency axis per recording.

Nine warps w = 0.84 ... 1.16. A mixture of 64 diagonal Gaussians over MFCC with deltas, normalised per file, is fitted at
w = 1; each file takes the w under which its frames are likeliest; the mixture is fitted anew to the warped frames, three
rounds in all (after Lee and Rose, "A frequency warping approach to speaker normalization", 1998, and Wegmann et al.
1996, who use a plain mixture and no transcripts).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from untold.errors import UntoldError
from untold.frontends import _mel
from untold.frontends._excerpt import Excerpt
from untold.layers.gaussians import DiagonalMixture

COMPONENTS = 64
ROUNDS = 3
PASSES = 20
FRAMES = 150_000  # of the sample that the mixture is fitted to
FILES = 600  # at most so many recordings are heard,
SECONDS = 30  # and so much of each


class WarpMixture(nn.Module):
    """What chooses warps: a mixture over 39 cepstra, deltas and accelerations normalised per file."""

    WARPS = tuple(0.84 + 0.04 * k for k in range(9))
    PLAIN = 4  # the index of w = 1

    def __init__(self) -> None:
        super().__init__()
        self.mixture = DiagonalMixture(COMPONENTS, 39)
        self.banks: Tensor
        self.matrix: Tensor
        self.register_buffer("banks", torch.cat([_mel.mel_bank(23, w) for w in self.WARPS], 1), persistent=False)
        self.window: Tensor
        self.register_buffer("matrix", _mel.cepstral_matrix(23, 13), persistent=False)
        self.register_buffer("window", _mel.povey_window(), persistent=False)

    def heard(self, given: Excerpt, power: Tensor) -> Tensor:
        """Cepstra under each warp (batch, steps, 9, 39), from power with four frames more on each side."""
        if power.shape[1] == 0:
            return power.new_zeros((len(power), 0, len(self.WARPS), 39))
        energies = _mel.log_mel(power, self.banks).unflatten(-1, (len(self.WARPS), -1))
        return _mel.with_deltas(_mel.within(given, energies @ self.matrix))

    def likelihoods(
        self, given: Excerpt, power: Tensor, counted: Tensor, mean: Tensor, std: Tensor
    ) -> dict[str, Tensor]:
        """Sums over each example's counted steps: log-likelihood under each warp (batch, 9), and their count."""
        heard = (self.heard(given, power) - mean[:, None]) / std[:, None]
        evidence = self.mixture.log_likelihoods(heard).logsumexp(-1).to(torch.float64)
        return {
            "log_likelihood": (evidence * counted[..., None]).sum(1),
            "count": counted.sum(1).to(torch.float64),
        }

    def likeliest(self, total: Mapping[str, Tensor]) -> Tensor:
        """The index of the warp (batch,) from such sums; where nothing speaks for another, w = 1."""
        score = total["log_likelihood"] / total["count"].clamp(min=1.0)[:, None]
        away = torch.tensor([abs(w - 1.0) for w in self.WARPS], dtype=torch.float64, device=score.device)
        return (score - 1e-6 * away).argmax(1)


def fit_warp(
    read: Callable[[int], np.ndarray], count: int, seed: int, progress: Callable[[float], None] | None = None
) -> WarpMixture:
    """Fits the mixture to a sample of `count` recordings, `read(i)` giving the samples (n,) in [-1, 1] of one.

    At most 600 recordings drawn by `seed` are heard, 30 s of each, and 150 000 of their frames kept under all nine
    warps (210 MB). The same recordings and seed give the same mixture. `progress` is told the share done. Raises
    `UntoldError` when there are fewer than 64 frames.
    """
    draw = np.random.default_rng(np.random.SeedSequence([seed, 0x77]))
    report = progress or (lambda share: None)
    files = draw.permutation(count)[:FILES]
    warper = WarpMixture()
    most = -(-FRAMES // max(1, len(files)))
    kept: list[Tensor] = []
    with torch.no_grad():
        for done, file in enumerate(files):
            frames = _normalised(warper, read(int(file)), draw)
            chosen = np.sort(draw.permutation(len(frames))[:most])
            kept.append(frames[torch.from_numpy(chosen)])
            report(0.5 * (done + 1) / len(files))
        ends = np.cumsum([0, *(len(k) for k in kept)])
        frames = torch.cat(kept) if kept else torch.zeros(0, 9, 39)
        del kept
        if len(frames) < COMPONENTS:
            raise UntoldError(f"{len(frames)} frames are too few to estimate warps from: use warp=none")
        warps = torch.full((len(frames),), WarpMixture.PLAIN)
        rows = torch.arange(len(frames))
        for turn in range(ROUNDS):
            x = frames[rows, warps]
            if turn == 0:
                warper.mixture.begin(x[torch.from_numpy(draw.permutation(len(x))[:COMPONENTS])], x)
            for step in range(PASSES):
                warper.mixture.update(warper.mixture.statistics(x))
                report(0.5 + 0.5 * (turn * PASSES + step + 1) / (ROUNDS * PASSES))
            if turn + 1 < ROUNDS:
                for start, end in pairwise(ends.tolist()):
                    evidence = warper.mixture.log_likelihoods(frames[start:end]).logsumexp(-1).sum(0)
                    sums = {"log_likelihood": evidence[None].double(), "count": torch.tensor([float(end - start)])}
                    warps[start:end] = warper.likeliest(sums)[0]
    return warper


def _normalised(warper: WarpMixture, samples: np.ndarray, draw: np.random.Generator) -> Tensor:
    """Frames (steps, 9, 39) of a recording, or of 30 s at a random place of it, mean 0 and deviation 1 in each."""
    most = SECONDS * 16000
    if len(samples) > most:
        begin = int(draw.integers(0, len(samples) - most))
        samples = samples[begin : begin + most]
    around = _mel.margin(True)
    if len(samples) == 0:
        return torch.zeros(0, len(WarpMixture.WARPS), 39)
    padded = torch.from_numpy(np.pad(np.asarray(samples, np.float32), around, mode="symmetric"))[None]
    length = torch.tensor([len(samples)])
    given = Excerpt(padded, around, torch.zeros(1, dtype=torch.int64), length, length)
    heard = warper.heard(given, _mel.power_spectra(given, warper.window, _mel.REACH))[0]
    if len(heard) == 0:
        return heard
    std = heard.std(0, correction=0)
    return (heard - heard.mean(0)) / torch.where(std < _mel.CONSTANT, 1.0, std)
