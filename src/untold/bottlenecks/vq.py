"""Vector quantisation: each latent becomes its nearest codeword, log2 K bits at most (VQ-VAE).

q_t = argmin_k ||z_t - e_k||^2; the loss adds gamma ||z_t - sg(e_q)||^2 (commitment), gradients pass straight through.
Codewords follow the means of the latents that chose them by exponential averages (`codebook=ema`), or the gradient of
||sg(z_t) - e_q||^2 (`codebook=gradient`). A codeword that (almost) nobody chooses is placed on a latent of the batch.
Sources: van den Oord et al. 2017, arXiv 1711.00937; Lancucki et al. 2020, arXiv 2005.08520 (batch normalisation before
the quantiser, data-dependent re-initialisation). Statistics are summed over all processes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from untold import settings
from untold.bottlenecks._reservoir import Reservoir
from untold.contract import Coded, Loss, Stream
from untold.layers import random
from untold.layers.across import from_first, gathered, summed
from untold.layers.batch_norm import MaskedBatchNorm
from untold.settings import setting

TOKENS = True
_SALT = 0x5C


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    size: int = setting(512, low=2, high=1 << 20, help="codewords in the alphabet")
    dimensions: int = setting(64, low=1, high=4096, help="dimensions of a codeword")
    codebook: str = setting("ema", choices=("ema", "gradient"), help="how codewords learn")
    commitment: float = setting(0.25, low=0.0, high=100.0, help="weight of the squared distance to the codeword")
    decay: float = setting(0.99, low=0.0, high=0.99999, help="of the exponential averages, per step")
    normalise: bool = setting(True, help="batch normalisation before the codewords")
    revive_below: float = setting(0.03, low=0.0, high=1.0, help="re-initialise codewords chosen less than this share of the mean")
    codebook_rate: float = setting(10.0, low=0.0, high=1e6, help="factor on the learning rate of codewords that learn by gradient")
    warm_up: int = setting(0, low=0, high=1 << 40, help="first steps in which nothing is quantised")
    estimations: int = setting(0, low=0, high=1000, help="times that k-means finds all codewords anew: after warm_up, then at steps half as many again")
    reservoir: int = setting(20480, low=2, high=1 << 24, help="latents that k-means sees")


class VectorQuantiser(nn.Module):
    """(batch, steps, dimensions) -> nearest codewords (batch, steps, dimensions), tokens (batch, steps)."""

    codewords: Tensor
    counts: Tensor
    sums: Tensor
    begun: Tensor
    steps: Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.dimensions = self.inputs = settings.dimensions
        self.alphabet = settings.size
        self.norm = MaskedBatchNorm(settings.dimensions) if settings.normalise else None
        start = torch.zeros(settings.size, settings.dimensions)
        if settings.codebook == "ema":
            self.register_buffer("codewords", start)
            self.register_buffer("sums", start.clone())
        else:
            self.codewords = nn.Parameter(start)
        self.register_buffer("counts", torch.ones(settings.size))
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.sample = Reservoir(max(settings.reservoir, 2 * settings.size), settings.dimensions) if settings.estimations else None
        self.when = frozenset(_schedule(settings.warm_up, settings.estimations))
        self._moved: list[tuple[nn.Parameter, Tensor]] = []

    def choose(self, latents: Tensor, x: Stream) -> Tensor:
        """Tokens (batch, steps) of normalised latents (batch, steps, dimensions): the nearest."""
        return self.nearest(latents.flatten(0, 1)).view(latents.shape[:2])

    def nearest(self, latents: Tensor) -> Tensor:
        """Tokens (n,) of latents (n, dimensions); ties to the lowest codeword."""
        table = self.codewords.detach()
        with torch.autocast(latents.device.type, enabled=False):
            return (table.square().sum(-1) - 2 * latents @ table.T).argmin(-1)

    def normalised(self, x: Stream) -> Tensor:
        """The latents in the space of the codewords."""
        return x.values.float() if self.norm is None else self.norm(x.values, x.counted)

    def forward(self, x: Stream, keys: Tensor | None = None) -> Coded:
        latents = self.normalised(x)
        counted = x.counted
        learn = self.training and keys is not None
        if learn and not bool(self.begun):
            assert keys is not None
            self._begin(latents.detach()[counted], keys)
        if learn and self.sample is not None:
            assert keys is not None
            self._estimate(latents.detach()[counted], keys)
        tokens = self.choose(latents.detach(), x)
        chosen = self.codewords[tokens.clamp(min=0)]
        weight = counted.to(latents.dtype)
        count = weight.sum()
        distance = ((latents - chosen.detach()).square().sum(-1) * weight).sum()
        losses = {"commitment": Loss(self.settings.commitment * distance, count, "squared distance per latent")}
        if self.settings.codebook == "gradient":
            pull = ((latents.detach() - chosen).square().sum(-1) * weight).sum()
            losses["codebook"] = Loss(pull, count, "squared distance per latent")
        values = latents + (chosen - latents).detach()
        if learn:
            assert keys is not None
            self._follow(latents.detach()[counted], tokens[counted], keys)
            self.steps += 1
            if int(self.steps) <= self.settings.warm_up:
                values = latents
                losses = {name: replace(loss, weight=0.0) for name, loss in losses.items()}
        bits = weight.detach() * math.log2(self.settings.size)
        return Coded(x.with_values(values), losses, bits, torch.where(counted, tokens, -1))

    def report(self) -> dict[str, float]:
        """Perplexity of the running counts, and codewords chosen at least a hundredth as often as the mean."""
        share = self.counts / self.counts.sum()
        perplexity = torch.exp(-(share * share.clamp(min=1e-12).log()).sum())
        return {"perplexity": float(perplexity), "codewords_in_use": float((share * len(share) > 0.01).sum())}

    def central(self, x: Stream) -> Stream:
        """The nearest codewords."""
        return x.with_values(self.lookup(self.tokens(x)))

    def tokens(self, x: Stream) -> Tensor:
        """(batch, steps) int64."""
        return self.choose(self.normalised(x), x)

    def lookup(self, tokens: Tensor) -> Tensor:
        """Codewords (batch, steps, dimensions) of tokens (batch, steps); zeros where the token is -1."""
        return self.codewords.detach()[tokens.clamp(min=0)] * (tokens >= 0)[..., None]

    @property
    def faster(self) -> tuple[tuple[nn.Parameter, float], ...]:
        """Codewords that learn by gradient, and the factor on their rate."""
        return ((self.codewords, self.settings.codebook_rate),) if isinstance(self.codewords, nn.Parameter) else ()

    def restarted(self) -> list[tuple[nn.Parameter, Tensor]]:
        """Codewords that learn by gradient and were put elsewhere."""
        moved, self._moved = self._moved, []
        return moved

    def _put(self, codewords: Tensor, rows: Tensor) -> None:
        """Puts codewords elsewhere: rows (K,) bool."""
        self.codewords.data[rows] = codewords
        if isinstance(self.codewords, nn.Parameter):
            self._moved.append((self.codewords, rows))

    @torch.no_grad()
    def _estimate(self, latents: Tensor, keys: Tensor) -> None:
        """Remembers latents, and finds all codewords anew when it is time to."""
        assert self.sample is not None
        if int(self.steps) in self.when:
            found = self.sample.clusters(self.settings.size, int(self.steps))
            if found is not None:
                self._put(found[0], torch.ones_like(self.counts, dtype=torch.bool))
                self.counts.copy_(found[1] * self.counts.sum())
                if self.settings.codebook == "ema":
                    self.sums.copy_(self.codewords * self.counts[:, None])
        self.sample.take(latents, keys)

    @torch.no_grad()
    def _begin(self, latents: Tensor, keys: Tensor) -> None:
        latents = gathered(latents)
        self._put(self._drawn(latents, keys, self.settings.size, 0), torch.ones_like(self.counts, dtype=torch.bool))
        if self.settings.codebook == "ema":
            self.sums.copy_(self.codewords)
        self.begun.fill_(True)

    def _drawn(self, latents: Tensor, keys: Tensor, count: int, salt: int) -> Tensor:
        """`count` of the latents at random, the same in every process."""
        draw = random.uniform(keys[:1], (count,), _SALT + salt)[0]
        picked = latents[(draw * len(latents)).long().clamp(max=len(latents) - 1)]
        noise = random.normal(keys[:1], tuple(picked.shape), _SALT + salt + 1)[0].to(picked.dtype)
        return from_first(picked + 1e-3 * latents.std() * noise)  # the same latent twice must not stay one codeword

    @torch.no_grad()
    def _follow(self, latents: Tensor, tokens: Tensor, keys: Tensor) -> None:
        size, decay = self.settings.size, self.settings.decay
        chosen = summed(torch.bincount(tokens, minlength=size).to(latents.dtype))
        self.counts.mul_(decay).add_(chosen, alpha=1 - decay)
        if self.settings.codebook == "ema":
            sums = latents.new_zeros(self.codewords.shape).index_add_(0, tokens, latents)
            self.sums.mul_(decay).add_(summed(sums), alpha=1 - decay)
            smooth = (self.counts + 1e-5) / (self.counts.sum() + size * 1e-5) * self.counts.sum()
            self.codewords.copy_(self.sums / smooth[:, None])
        dead = self.counts < self.settings.revive_below * self.counts.mean()
        count = int(dead.sum())
        if count:
            latents = gathered(latents)
            fresh = self._drawn(latents, keys, count, 7)
            self._put(fresh, dead)
            self.counts[dead] = self.counts.mean()
            if self.settings.codebook == "ema":
                self.sums[dead] = fresh * self.counts[dead, None]


def _schedule(first: int, times: int) -> list[int]:
    """The steps at which codewords are found anew."""
    out = [max(1, first)][:times]
    while len(out) < times:
        out.append(out[-1] * 3 // 2 + 1)
    return out


def build(settings: Settings) -> VectorQuantiser:
    """The bottleneck."""
    return VectorQuantiser(settings)
