"""Product quantisation: the vector is cut in groups, and each has a code of its own. A token names one codeword of each.

Two groups of 320 tell 102400 apart with 640 codewords: the alphabet is the product, though far fewer pairs are ever
seen (`codewords_in_use` of a measured set says how many). Sources: Jégou, Douze and Schmid 2011; Baevski, Schneider and
Auli 2020 (vq-wav2vec), arXiv 1910.05453, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from untold import settings
from untold.contract import Coded, Loss, Reports, Restarts, Stream
from untold.errors import UntoldError
from untold.layers import random
from untold.settings import Choice, choice, setting

TOKENS = True
_MOST = 1 << 20  # tokens told apart: what instruments that count pairs can hold


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    groups: int = setting(2, low=1, high=64, help="parts that the vector is cut in")
    code: Choice = choice("bottlenecks", "gumbel", size=320, dimensions=64, help="the code of each part")

    def __post_init__(self) -> None:
        super().__post_init__()
        size = getattr(self.code.settings, "size", 1)
        if size**self.groups > _MOST:
            raise UntoldError(f"groups = {self.groups} of {size} codewords tell {size**self.groups} tokens apart: at most {_MOST}, take fewer groups or smaller ones")


class Product(nn.Module):
    """(batch, steps, inputs of all groups) -> (batch, steps, dimensions of all groups)."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.codes = nn.ModuleList(settings.code.build() for _ in range(settings.groups))
        first: Any = self.codes[0]
        self.inputs, self.dimensions = first.inputs * settings.groups, first.dimensions * settings.groups
        self.size: int | None = first.alphabet
        self.alphabet = first.alphabet**settings.groups if first.alphabet else None
        self.reach: tuple[int, int] | Literal["whole"] = getattr(first, "reach", (0, 0))

    def forward(self, x: Stream, keys: Tensor | None = None) -> Coded:
        coded = [code(part, None if keys is None else random.fold(keys, group)) for group, (code, part) in enumerate(self._parts(x))]
        losses: dict[str, Loss] = {}
        for group, one in enumerate(coded):
            losses |= {f"{name}_{group + 1}": loss for name, loss in one.losses.items()}
        values = torch.cat([one.stream.values for one in coded], -1)
        bits = torch.stack([one.bits for one in coded]).sum(0)
        tokens = [one.tokens for one in coded if one.tokens is not None]
        return Coded(x.with_values(values), losses, bits, self._joined(tokens) if tokens else None)

    def central(self, x: Stream) -> Stream:
        """What is passed on when nothing is drawn."""
        return x.with_values(torch.cat([code.central(part).values for code, part in self._parts(x)], -1))

    def tokens(self, x: Stream) -> Tensor:
        """(batch, steps) int64: the first group's codeword counts most."""
        return self._joined([code.tokens(part) for code, part in self._parts(x)])

    def lookup(self, tokens: Tensor) -> Tensor:
        """The codewords of all groups (batch, steps, dimensions) of tokens (batch, steps); zeros where the token is -1."""
        assert self.size is not None
        found, rest = [], tokens
        codes: list[Any] = list(self.codes)
        for code in reversed(codes):
            found.append(code.lookup(torch.where(tokens < 0, -1, rest % self.size)))
            rest = rest // self.size
        return torch.cat(found[::-1], -1)

    @property
    def faster(self) -> tuple[tuple[nn.Parameter, float], ...]:
        """What of the codes learns faster."""
        return tuple(one for code in self.codes for one in getattr(code, "faster", ()))

    def restarted(self) -> list[tuple[nn.Parameter, Tensor]]:
        """What of the codes was put elsewhere."""
        return [one for code in self.codes if isinstance(code, Restarts) for one in code.restarted()]

    def report(self) -> dict[str, float]:
        """What the codes tell, by their group."""
        return {f"{name}_{group + 1}": value for group, code in enumerate(self.codes) if isinstance(code, Reports) for name, value in code.report().items()}

    def _parts(self, x: Stream) -> list[tuple[Any, Stream]]:
        parts = x.values.chunk(len(self.codes), -1)
        return [(code, x.with_values(part)) for code, part in zip(self.codes, parts, strict=True)]

    def _joined(self, tokens: list[Tensor]) -> Tensor:
        assert self.size is not None
        out, absent = torch.zeros_like(tokens[0]), torch.zeros_like(tokens[0], dtype=torch.bool)
        for one in tokens:
            out, absent = out * self.size + one, absent | (one < 0)
        return torch.where(absent, -1, out)


def build(settings: Settings) -> Product:
    """The bottleneck."""
    return Product(settings)
