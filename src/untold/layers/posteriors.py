"""Posteriors of components as features: smoothed over steps, and their square roots."""

from __future__ import annotations

from fractions import Fraction

import torch

from untold.contract import Stage, StageFunction, Stream


def way(run: StageFunction, labels: int = 1, times: int = 1) -> tuple[Stage, ...]:
    """Stages `soft` (which `run` gives: (batch, steps, components), summing to one, `labels` for each step), then
    `posteriors`, smoothed `times`, and `root_posteriors`.

    Roots are vectors of length one before the smoothing: meant for the angular distance (the Bhattacharyya angle).
    """

    def smoothed(x: Stream) -> Stream:
        for _ in range(times):
            x = smooth(x)
        return x

    return (Stage("soft", run, stride=Fraction(1, labels)), Stage("posteriors", smoothed, (times, times)), Stage("root_posteriors", root))


def smooth(x: Stream) -> Stream:
    """(1, 2, 1) / 4 over three steps; the first and the last stand in for what lies beyond them."""
    values = x.values
    if values.shape[1] == 0:
        return x
    last = (x.lengths - 1).clamp(min=0)[:, None]
    following = torch.minimum(torch.arange(1, values.shape[1] + 1, device=values.device)[None], last)
    right = values.gather(1, following[..., None].expand_as(values))
    left = torch.cat([values[:, :1], values[:, :-1]], 1)
    return x.with_values((left + 2 * values + right) / 4)


def root(x: Stream) -> Stream:
    """Square roots."""
    return x.with_values(x.values.sqrt())
