"""Randomised time jitter (Chorowski et al. 2019, arXiv 1901.08810, section III-C): neighbours take each other's place."""

from __future__ import annotations

import torch
from torch import Tensor

from untold.layers import random

_SALT = 0x71


def jitter(values: Tensor, lengths: Tensor, keys: Tensor, p_each_side: float) -> Tensor:
    """Each step (batch, steps, dimensions) becomes its left neighbour with `p_each_side`, its right one with the same.

    Drawn per item and step from the keys (batch,), independently; never further than one step; the ends are clamped.
    """
    steps = values.shape[1]
    draw = random.uniform(keys, (steps,), _SALT)
    shift = (draw > 1 - p_each_side).long() - (draw < p_each_side).long()
    place = torch.arange(steps, device=values.device)[None] + shift
    place = torch.minimum(place.clamp(min=0), (lengths[:, None] - 1).clamp(min=0))
    return values.gather(1, place[..., None].expand_as(values))
