"""Monotonic alignment: steps shared out among predictions in order, each step to one, each prediction to one or more.

    log sum over alignments of  prod_m p(step m | prediction a_m),     a_1 = 1, a_M = K, a_m+1 - a_m in {0, 1}

It is what connectionist temporal classification gives with an impossible blank and labels that all differ. Source:
Chorowski et al. 2021, arXiv 2104.11946.
"""

from __future__ import annotations

import torch
from torch import Tensor


def monotonic(scores: Tensor) -> Tensor:
    """Log-scores (..., M steps, K predictions) -> the log-sum (...,) over alignments; M must be at least K."""
    steps, count = scores.shape[-2:]
    if steps < count:
        raise ValueError(f"{steps} steps cannot be shared out among {count} predictions")
    lowest = torch.finfo(scores.dtype).min / 4  # finite, so that gradients of what cannot be are zero and no NaN
    before = scores.new_full((*scores.shape[:-2], count), lowest)
    before[..., 0] = 0
    for step in range(steps):
        moved = torch.cat([torch.full_like(before[..., :1], lowest), before[..., :-1]], -1)
        before = (before if step == 0 else torch.logaddexp(before, moved)) + scores[..., step, :]
    return before[..., -1]
