"""A mixture of diagonal Gaussians over single frames: the classical rival, fitted by EM in minutes.

    maximise  sum_t log sum_k w_k N(x_t; m_k, v_k)          unit(t) = argmax_k  log w_k + log N(x_t; m_k, v_k)

Features are posteriors made soft, softmax_k of `scale` x (log w_k + log N), then smoothed over three frames with
(1, 2, 1) / 4; `root_posteriors` are their square roots, vectors of length one before the smoothing, meant for the
angular distance (the Bhattacharyya angle). Sharp posteriors are worse: one frame's components are many and near. With
the length of the vocal tract undone (`input.warp=file`, the default) it beats small networks. Use it as the rival of
everything; it knows nothing of time. After Chen, Leung, Xie, Ma and Li, "Parallel inference of Dirichlet process
Gaussian mixture models for unsupervised acoustic modeling", Interspeech 2015, with plain EM (Dempster et al. 1977).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from untold import settings
from untold.contract import Batch, Phase, Stage, Stream
from untold.layers import posteriors
from untold.layers.gaussians import DiagonalMixture
from untold.settings import Choice, choice, setting

CAPABILITIES = ("Fits", "Encodes", "Tokenizes", "Scores")
_SALT = 0x6A


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    """What is fitted to what, and how soft its posteriors are."""

    input: Choice = choice("frontends", "mfcc", warp="file", normalise="file", help="the frames")
    components: int = setting(256, low=1, high=65536, help="Gaussians: the size of the alphabet")
    frames: int = setting(300_000, low=1, high=1 << 40, help="frames that a pass sees")
    passes: int = setting(20, low=1, high=10_000, help="passes of EM")
    variance_floor: float = setting(0.01, low=1e-8, high=1e8, help="least variance of a component, in the input's units squared")
    scale: float = setting(0.3, low=0.0, high=100.0, help="what log-likelihoods are multiplied by before the softmax")
    crop: float = setting(2.0, low=0.05, high=3600.0, help="seconds of a stretch that frames are taken from")
    batch: int = setting(64, low=1, high=65536, help="stretches at once; the means begin at random frames of the first")


class Mixture(nn.Module):
    """Stream `input`; a unit a frame."""

    reads = "input"
    scored = "exact"
    points = ("root_posteriors", "posteriors")

    def __init__(self, settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> None:
        super().__init__()
        self.settings, self.alphabet = settings, settings.components
        self.mixture = DiagonalMixture(settings.components, fronts["input"].dimensions, settings.variance_floor)
        self.begun: Tensor
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    # training ----------------------------------------------------------------------------------------------------

    def phases(self) -> Sequence[Phase]:
        given = self.settings
        crop = Fraction(given.crop).limit_denominator(16000)
        return (Phase("mixture", given.batch, crop, fit=self, passes=given.passes, frames=given.frames),)

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """Objective (nats), count, occupancies and moments, float64. The very first batch is where the means begin."""
        x = batch.streams["input"]
        if not self.begun:
            self.mixture.begin_at_random(x, batch.keys, _SALT)
            self.begun.fill_(True)
        return self.mixture.statistics(x.values[x.counted])

    def update(self, total: Mapping[str, Tensor]) -> None:
        """The M step."""
        self.mixture.update(total)

    def log_prob(self, batch: Batch) -> Tensor:
        """Log-likelihood of each frame (batch, steps), in nats."""
        x = batch.streams["input"]
        return torch.logsumexp(self.mixture.log_likelihoods(x.values), -1) * x.counted

    # reading -----------------------------------------------------------------------------------------------------

    def stages(self, point: str) -> tuple[Stage, ...]:
        """The way from the stream `input` to a point."""
        way = posteriors.way(self.soft)
        return way[: [stage.point for stage in way].index(point) + 1]

    def soft(self, x: Stream) -> Stream:
        """Posteriors (batch, steps, components) of single frames, softened."""
        return x.with_values(torch.softmax(self.settings.scale * self.mixture.log_likelihoods(x.values), -1))

    def token_stages(self) -> tuple[Stage, ...]:
        """The way from the stream `input` to tokens (batch, steps, 1)."""
        return (Stage("tokens", self.likeliest),)

    def likeliest(self, x: Stream) -> Stream:
        """The likeliest component of each frame (batch, steps, 1) int64, -1 beyond the lengths."""
        tokens = self.mixture.log_likelihoods(x.values).argmax(-1)
        return x.with_values(tokens.masked_fill(~x.counted, -1)[..., None])

    def lookup(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, steps) -> means (batch, steps, dimensions), 0 where there is no token."""
        return self.mixture.means[tokens.clamp(min=0)] * (tokens >= 0)[..., None]


def inputs(settings: Settings) -> dict[str, Choice]:
    """The front end that the method wants."""
    return {"input": settings.input}


def build(settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> Mixture:
    """The method on its front end; sides are not used."""
    return Mixture(settings, fronts, sides)
