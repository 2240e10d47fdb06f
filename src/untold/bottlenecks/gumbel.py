"""Codewords chosen by chance in training, the likeliest in use: a categorical latent that gradients pass through.

    q = e_k,  k = argmax (l + g) / tau,  g Gumbel noise;      gradients as if q were softmax((l + g) / tau) e

What comes in are the scores of the codewords; l are these times `gain`, so that from the first step on the scores say
more than the noise does (the weights before them would else begin too small: those of the papers begin at a deviation
of one). `tau` falls from step to step. `diversity` asks that all codewords be used: it is the share
(V - exp(entropy of the mean of softmax(l))) / V. Sources: Jang, Gu and Poole 2017, arXiv 1611.01144; Baevski, Schneider
and Auli 2020 (vq-wav2vec), arXiv 1910.05453; the diversity of wav2vec 2.0, arXiv 2006.11477. Statistics are summed over
all processes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from untold import settings
from untold.contract import Coded, Loss, Stream
from untold.errors import UntoldError
from untold.layers import random
from untold.layers.across import summed
from untold.settings import setting

TOKENS = True
_SALT = 0x6B


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    size: int = setting(320, low=2, high=1 << 20, help="codewords in the alphabet")
    dimensions: int = setting(64, low=1, high=4096, help="dimensions of a codeword")
    gain: float = setting(20.0, low=1e-3, high=1e6, help="what scores are multiplied by: with less, noise chooses at first")
    tau: float = setting(2.0, low=1e-3, high=1e3, help="temperature of the first step")
    lowest: float = setting(0.5, low=1e-3, high=1e3, help="temperature that it falls to")
    cooling: float = setting(0.999, low=0.0, high=1.0, help="what the temperature is multiplied by at each step")
    diversity: float = setting(0.1, low=0.0, high=1e3, help="weight of the share of codewords that are not used")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lowest > self.tau:
            raise UntoldError(f"lowest = {self.lowest}: at most tau = {self.tau}, from which it falls")


class Gumbel(nn.Module):
    """Scores (batch, steps, size) -> codewords (batch, steps, dimensions), tokens (batch, steps)."""

    steps: Tensor
    counts: Tensor

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.inputs, self.dimensions, self.alphabet = settings.size, settings.dimensions, settings.size
        self.table = nn.Parameter(torch.randn(settings.size, settings.dimensions))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("counts", torch.ones(settings.size))

    @property
    def temperature(self) -> float:
        """That of the present step."""
        given = self.settings
        return max(given.lowest, given.tau * given.cooling ** int(self.steps))

    def forward(self, x: Stream, keys: Tensor | None = None) -> Coded:
        scores = x.values.float() * self.settings.gain
        weight = x.counted.to(scores.dtype)
        learn = self.training and keys is not None
        drawn = scores
        if learn:
            assert keys is not None
            chance = random.uniform(keys, tuple(scores.shape[1:]), _SALT).clamp(min=1e-7)
            drawn = scores - (-chance.log()).log()
        tokens = drawn.argmax(-1)
        soft = torch.softmax(drawn / self.temperature, -1)
        hard = functional.one_hot(tokens, self.alphabet).to(soft.dtype)
        losses = {}
        if learn:
            losses["diversity"] = self._unused(scores, weight)
            with torch.no_grad():
                self.steps += 1
                self.counts.lerp_(summed((hard * weight[..., None]).sum((0, 1))), 0.01)
        values = (hard + soft - soft.detach()) @ self.table
        return Coded(x.with_values(values), losses, weight * math.log2(self.alphabet), torch.where(x.counted, tokens, -1))

    def _unused(self, scores: Tensor, weight: Tensor) -> Loss:
        count = weight.sum()
        mean = summed((scores.softmax(-1) * weight[..., None]).sum((0, 1))) / summed(count).clamp(min=1)
        used = torch.exp(-(mean * mean.clamp(min=1e-12).log()).sum())
        return Loss((self.alphabet - used) / self.alphabet * count, count, "share of codewords unused", self.settings.diversity)

    def report(self) -> dict[str, float]:
        """Perplexity of the running counts, and codewords chosen at least a hundredth as often as the mean."""
        share = self.counts / self.counts.sum().clamp(min=1e-12)
        perplexity = torch.exp(-(share * share.clamp(min=1e-12).log()).sum())
        return {"perplexity": float(perplexity), "codewords_in_use": float((share * len(share) > 0.01).sum())}

    def central(self, x: Stream) -> Stream:
        """The likeliest codewords."""
        return x.with_values(self.lookup(self.tokens(x)))

    def tokens(self, x: Stream) -> Tensor:
        """(batch, steps) int64, -1 beyond the lengths."""
        return torch.where(x.counted, x.values.argmax(-1), -1)

    def lookup(self, tokens: Tensor) -> Tensor:
        """Codewords (batch, steps, dimensions) of tokens (batch, steps); zeros where the token is -1."""
        return self.table.detach()[tokens.clamp(min=0)] * (tokens >= 0)[..., None]


def build(settings: Settings) -> Gumbel:
    """The bottleneck."""
    return Gumbel(settings)
