"""Several ways through one model read side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from untold.contract import Stage, StageFunction, Stream


def beside(ways: Sequence[tuple[Stage, ...]]) -> tuple[Stage, ...]:
    """Ways alike in stages and dimensions, as one: each reads the same input, their outputs (batch, steps, dimensions) stand side by side."""
    if len(ways) == 1:
        return ways[0]

    def joined(stages: Sequence[Stage], first: bool) -> StageFunction:
        def run(x: Stream) -> Stream:
            parts = [x.values] * len(stages) if first else x.values.chunk(len(stages), -1)
            out = [stage.run(x.with_values(part)) for stage, part in zip(stages, parts, strict=True)]
            return out[0].with_values(torch.cat([one.values for one in out], -1))

        return run

    return tuple(Stage(stages[0].point, joined(stages, place == 0), stages[0].reach, stages[0].stride) for place, stages in enumerate(zip(*ways, strict=True)))


def carrying(stages: Sequence[Stage], point: str, width: int, weight: float) -> tuple[Stage, ...]:
    """`stages` with their input (batch, steps, width) beside their output: at `point`, scaled to the length `weight` at each step, and
    repeated where a stage gives several steps for one. Their strides are 1 or less."""

    def forked(x: Stream) -> Stream:
        return x.with_values(torch.cat([x.values, x.values], -1))

    def through(stage: Stage) -> StageFunction:
        def run(x: Stream) -> Stream:
            out = stage.run(x.with_values(x.values[..., :-width]))
            kept = x.values[..., -width:].repeat_interleave(int(1 / stage.stride), 1)
            return out.with_values(torch.cat([out.values, kept], -1))

        return run

    def scaled(x: Stream) -> Stream:
        kept = weight * functional.normalize(x.values[..., -width:], dim=-1)
        return x.with_values(torch.cat([x.values[..., :-width], kept], -1))

    return (Stage("forked", forked), *(Stage(stage.point, through(stage), stage.reach, stage.stride) for stage in stages), Stage(point, scaled))
