"""Random numbers that are functions of keys: the same for an example however batches, processes and devices differ.

A key is a 64-bit integer a example. Numbers come from the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast
splittable pseudorandom number generators", OOPSLA 2014, figure 17) over key, salt and a counter. No state is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_FIRST = _signed(0xBF58476D1CE4E5B9)
_SECOND = _signed(0x94D049BB133111EB)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """The logical shift to the right; that of signed integers repeats the sign."""
    return (bits >> by) & ((1 << (64 - by)) - 1)


def _mixed(bits: Tensor) -> Tensor:
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    return bits ^ _shifted(bits, 31)


def fold(keys: Tensor, number: int | Tensor) -> Tensor:
    """New keys (batch,) int64 from keys and a number: another number (a step, a layer), other keys."""
    if not isinstance(number, Tensor):
        number = torch.tensor(_signed(number % (1 << 64)), dtype=torch.int64, device=keys.device)
    return _mixed(_mixed(keys + _GOLDEN) + _mixed((number.to(torch.int64) + 1) * _GOLDEN))


def _bits(keys: Tensor, shape: tuple[int, ...], salt: int) -> Tensor:
    """24 random bits (batch, *shape) int64."""
    count = math.prod(shape)
    counter = torch.arange(1, count + 1, dtype=torch.int64, device=keys.device) * _GOLDEN
    return _shifted(_mixed(fold(keys, salt)[:, None] + counter), 40).reshape(len(keys), *shape)


def uniform(keys: Tensor, shape: tuple[int, ...], salt: int) -> Tensor:
    """Uniform numbers in [0, 1), (batch, *shape) float32, from keys (batch,) int64; each use has its own `salt`."""
    return _bits(keys, shape, salt).to(torch.float32) * 2.0**-24


def normal(keys: Tensor, shape: tuple[int, ...], salt: int) -> Tensor:
    """Standard normal numbers (batch, *shape) float32, within 5.3, by the inverse of the distribution function."""
    centred = (2 * _bits(keys, shape, salt) + 1 - (1 << 24)).to(torch.float32) * 2.0**-24
    return torch.erfinv(centred) * math.sqrt(2.0)


def hidden(sides: Mapping[str, Tensor], keys: Tensor, share: float, salt: int) -> dict[str, Tensor]:
    """Side indices (batch,) by name with a `share` of them made unknown (index 0), drawn per example with keys (batch,)."""
    return {side: value * (uniform(keys, (), salt + number) >= share) for number, (side, value) in enumerate(sides.items())}
