"""What instruments ask on each axis: frames of 10 ms of speech, columns of 2 pixels of handwriting.

A boundary may be 20 ms off, as the field has it; on a line, 64 pixels high, 8 pixels, which is about as large a part of
a character as 20 ms are of a phone.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from untold.contract import Grid, Unit


@dataclass(frozen=True)
class Axis:
    """`frames`: where labels and targets are asked for; `step`, `tolerated`: its words; `label`: what labels name."""

    frames: Grid
    step: str
    tolerance: Fraction
    tolerated: str
    label: str
    per: str  # of rates: units per ...


AXES: dict[Unit, Axis] = {
    "second": Axis(Grid("second", Fraction(100), Fraction(1, 200)), "10 ms", Fraction(20, 1000), "20 ms", "phone", "second"),
    "pixel": Axis(Grid("pixel", Fraction(1, 2), Fraction(1)), "2 pixels", Fraction(8), "8 pixels", "character", "pixel"),
}
