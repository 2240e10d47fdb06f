"""Spans of steps that a network is not shown and has to tell from those around them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from untold.contract import Stream
from untold.errors import UntoldError
from untold.layers import random


def spans(keys: Tensor, steps: int, starts: float, length: int, salt: int) -> Tensor:
    """(batch, steps) bool: each step begins a span of `length` steps with probability `starts`; spans may overlap.

    About 1 - (1 - starts)^length of the steps are masked. Drawn with keys (batch,).
    """
    begun = (random.uniform(keys, (steps,), salt) < starts).float()
    padded = functional.pad(begun, (length - 1, 0))
    return functional.max_pool1d(padded[:, None], length, 1)[:, 0] > 0 if steps else torch.zeros(len(keys), 0, dtype=torch.bool, device=keys.device)


def shown(x: Stream, hidden: Tensor, stride: int, instead: Tensor) -> Stream:
    """`x` with `instead` (dimensions,) in all frames under the hidden steps (batch, ceil(frames / stride))."""
    frames = hidden.repeat_interleave(stride, 1)[:, : x.values.shape[1], None]
    return x.with_values(torch.where(frames, instead.to(x.values), x.values))


def refuse_long(span: int, steps: float) -> None:
    """Raises `UntoldError` where a masked span would not leave anything of an example of so many steps to tell it from."""
    if span >= steps:
        raise UntoldError(f"span = {span}: a training example has {steps:g} steps, take a shorter span or a longer crop")
