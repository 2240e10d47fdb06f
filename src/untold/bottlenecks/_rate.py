"""What a wanted rate is counted by: units a second; on lines units per 64 pixels, as much of a line as it is high."""

from __future__ import annotations

from collections.abc import Mapping

from untold.contract import Grid, Unit
from untold.errors import UntoldError

# unit of the axis -> how much of it, and the word for that
MEASURES: Mapping[Unit, tuple[int, str]] = {"second": (1, "second"), "pixel": (64, "64_pixels"), "position": (1, "position")}


def steps_a_measure(grid: Grid, rate: float) -> float:
    """Steps of the grid in a second (or 64 pixels); raises `UntoldError` for a wanted `rate` of more units than that."""
    length, word = MEASURES[grid.unit]
    steps = float(grid.rate) * length
    if rate > steps:
        per = "a second" if grid.unit == "second" else f"in {word.replace('_', ' ')}"
        raise UntoldError(f"bottleneck.rate = {rate:g}: units are made of latents, and of those there are {steps:g} {per}: ask for fewer")
    return steps
