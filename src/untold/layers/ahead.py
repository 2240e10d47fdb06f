"""The steps that lie ahead of each step: which are there, and what they are."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from untold.contract import Stream
from untold.errors import UntoldError
from untold.layers.across import summed


@dataclass(frozen=True)
class Ahead:
    """Predictions begin at the steps 0 ... `begins` - 1; `valid` (batch, begins) are those whose steps ahead are all there.

    `places` (steps, begins) are the steps that are predicted, `vectors` (batch, steps, begins, dimensions) what they are.
    """

    begins: int
    valid: Tensor
    places: Tensor
    vectors: Tensor


def ahead(target: Stream, first: int, steps: int, rate: Fraction) -> Ahead:
    """`steps` steps of the target from the `first` ahead on; `rate` is steps a second.

    An example that is shorter has nothing to predict and counts for nothing. Raises `UntoldError` where all are.
    """
    least = first + steps
    if int(summed((target.lengths >= least).sum())) == 0:
        longest = float(int(target.lengths.max()) / rate) if len(target.lengths) else 0.0
        raise UntoldError(
            f"steps = {steps} from first_step = {first} on reach {float(least / rate):.2f} s, and the longest of {len(target.lengths)} examples has "
            f"{longest:.2f} s: take longer recordings, a longer crop, or fewer steps"
        )
    begins = max(0, target.values.shape[1] - least + 1)
    begin = torch.arange(begins, device=target.values.device)
    places = begin + torch.arange(first, least, device=begin.device)[:, None]
    return Ahead(begins, begin < (target.lengths - least + 1)[:, None], places, target.values[:, places])
