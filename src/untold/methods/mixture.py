"""A mixture of diagonal Gaussians, fitted by EM in minutes: the classical rival, no network.

    maximise  sum_t log sum_k w_k N(y_t; m_k, v_k)          unit(t) = argmax_k  log w_k + log N(y_t; m_k, v_k)

y_t is a frame with its neighbours, in the directions that tell the components of a first mixture, of single frames, apart
(`layers.clusters`); with `context=0` the frame alone. Features are posteriors made soft, softmax_k of `scale` x (log w_k
+ log N), then smoothed over three frames with (1, 2, 1) / 4; `root_posteriors` are their square roots, vectors of length
one before the smoothing, meant for the angular distance (the Bhattacharyya angle). Sharp posteriors are worse: one
frame's components are many and near. With the length of the vocal tract undone (`input.warp=file`, the default) it beats
small networks. Use it as the rival of everything. After Chen, Leung, Xie, Ma and Li, "Parallel inference of Dirichlet
process Gaussian mixture models for unsupervised acoustic modeling", Interspeech 2015, and Heck, Sakti and Nakamura,
"Feature optimized DPGMM clustering for unsupervised subword modeling", ASRU 2017, with plain EM (Dempster et al. 1977).
Several mixtures (`components=64+64+64+64`) are fitted side by side; features are the posteriors of all, units are components of the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from untold import settings
from untold.contract import Batch, Phase, Stage, Stream
from untold.layers import posteriors
from untold.layers.clusters import Clusters, refuse_adaptation, refuse_sizes
from untold.layers.gaussians import DiagonalMixture
from untold.settings import Choice, choice, setting

CAPABILITIES = ("Encodes", "Tokenizes", "Scores")
_SALT = 0x6A


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    """What is fitted to what, and how soft its posteriors are."""

    input: Choice = choice("frontends", "mfcc", normalise="file", warp="file", window=16.0, floor=3e-5, help="the frames")
    components: tuple[int, ...] = setting((256,), help="Gaussians of each mixture; the first are the alphabet, the posteriors are of all, side by side")
    frames: int = setting(300_000, low=1, high=1 << 40, help="frames that a pass sees")
    passes: int = setting(20, low=1, high=10_000, help="passes of EM")
    context: int = setting(4, low=0, high=100, help="frames on either side that a frame is seen with, in the directions that tell components of single frames apart; 0: single frames")
    directions: int = setting(20, low=1, high=4096, help="how many such directions, of each mixture; fewer than its components")
    adaptation: float = setting(0.0, low=0.0, high=1e9, help="what is each recording's own is taken out of the directions, against so many frames of the mixture's (300); 0: it is not")
    variance_floor: float = setting(0.01, low=1e-8, high=1e8, help="least variance of a component, in the input's units squared")
    scale: float = setting(0.5, low=0.0, high=100.0, help="what log-likelihoods are multiplied by before the softmax (0.3 for single frames)")
    crop: float = setting(2.0, low=0.05, high=3600.0, help="seconds of a stretch that frames are taken from")
    batch: int = setting(64, low=1, high=65536, help="stretches at once; the means begin at random frames of the first")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_sizes(self.components)


class Mixture(nn.Module):
    """Stream `input`; a unit a frame."""

    reads = "input"
    scored = "exact"
    points: tuple[str, ...] = ("root_posteriors", "posteriors")

    def __init__(self, settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> None:
        super().__init__()
        refuse_adaptation(settings.adaptation, settings.context)
        self.settings, self.alphabet = settings, settings.components[0]
        self.clusters = Clusters(settings.components, fronts["input"].dimensions, settings.variance_floor, settings.context, settings.directions)
        if settings.context:
            self.points = (*self.points, "directions")

    @property
    def mixture(self) -> DiagonalMixture:
        """That whose components are the units."""
        found: DiagonalMixture = self.clusters.mixtures[0]
        return found

    # training ----------------------------------------------------------------------------------------------------

    def phases(self) -> Sequence[Phase]:
        given = self.settings
        crop = Fraction(given.crop).limit_denominator(16000)
        return tuple(
            Phase(name or "mixture", given.batch, crop, fit=fit, passes=1 if once else given.passes, frames=given.frames)
            for name, fit, once in self.clusters.fits(lambda batch: batch.streams["input"], _SALT)
        )

    def log_prob(self, batch: Batch) -> Tensor:
        """Log-likelihood of each frame (batch, steps), in nats, under the (first) mixture of single frames."""
        x, frames = batch.streams["input"], self.clusters.frames[0] if self.settings.context else self.mixture
        return torch.logsumexp(frames.log_likelihoods(x.values), -1) * x.counted

    # reading -----------------------------------------------------------------------------------------------------

    def stages(self, point: str) -> tuple[Stage, ...]:
        """The way from the stream `input` to a point."""
        way = (*self._seen(), *posteriors.way(self.soft))
        return way[: [stage.point for stage in way].index(point) + 1]

    def _seen(self) -> tuple[Stage, ...]:
        reach = self.settings.context
        if not reach or not self.settings.adaptation:
            return (Stage("directions", self.clusters.seen, (reach, reach)),) if reach else ()
        return (Stage("with_speaker", self.clusters.seen, (reach, reach)), Stage("directions", partial(self.clusters.adapted, prior=self.settings.adaptation), "whole"))

    def soft(self, x: Stream) -> Stream:
        """Posteriors (batch, steps, components of all mixtures) of each frame, softened; they sum to one."""
        shares = [torch.softmax(self.settings.scale * scores, -1) for scores in self.clusters.log_likelihoods(x.values)]
        return x.with_values(torch.cat(shares, -1) / len(shares))

    def token_stages(self) -> tuple[Stage, ...]:
        """The way from the stream `input` to tokens (batch, steps, 1)."""
        return (*self._seen(), Stage("tokens", self.likeliest))

    def likeliest(self, x: Stream) -> Stream:
        """The likeliest component of each frame (batch, steps, 1) int64, -1 beyond the lengths."""
        tokens = self.mixture.log_likelihoods(self.clusters.parts(x.values)[0]).argmax(-1)
        return x.with_values(tokens.masked_fill(~x.counted, -1)[..., None])

    def lookup(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, steps) -> means of what the mixture is over (batch, steps, dimensions), 0 where there is no token."""
        return self.mixture.means[tokens.clamp(min=0)] * (tokens >= 0)[..., None]


def inputs(settings: Settings) -> dict[str, Choice]:
    """The front end that the method wants."""
    return {"input": settings.input}


def build(settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> Mixture:
    """The method on its front end; sides are not used."""
    return Mixture(settings, fronts, sides)
