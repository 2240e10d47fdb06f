"""What instruments ask on each axis: frames of 10 ms of speech, columns of 2 pixels of handwriting.

Units and labels of speech are counted at the units' own steps, as the field does; those of handwriting at columns, whatever
the step, so that units of two rates are counted alike.

A boundary may be 20 ms off, as the field has it; on a line, 64 pixels high, 8 pixels, which is about as large a part of
a character as 20 ms are of a phone.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from untold.contract import Grid, Unit


@dataclass(frozen=True)
class Axis:
    """`frames`: where labels and targets are asked for; `step`, `tolerated`: its words; `label`: what labels name.

    `columns`: whether units and labels are counted at `frames`. `bits`, `units`: the names of a code's rates, which are
    per unit of the axis, or for units per recording (`whole`).
    """

    frames: Grid
    step: str
    tolerance: Fraction
    tolerated: str
    label: str
    per: str  # of rates: units per ...
    read: Fraction  # how far apart a recogniser tells symbols
    columns: bool
    bits: str
    units: str
    whole: bool

    def rate(self, grid: Grid) -> str:
        """How often steps of a grid come, in words."""
        return f"{float(grid.rate):g} a {self.per}" if grid.rate >= 1 else f"1 in {float(1 / grid.rate):g} {self.per}s"


AXES: dict[Unit, Axis] = {
    "second": Axis(
        Grid("second", Fraction(100), Fraction(1, 200)), "10 ms", Fraction(20, 1000), "20 ms", "phone", "second", Fraction(1, 50),
        columns=False, bits="bits_per_second", units="units_per_second", whole=False,
    ),
    "pixel": Axis(
        Grid("pixel", Fraction(1, 2), Fraction(1)), "2 pixels", Fraction(8), "8 pixels", "character", "pixel", Fraction(4),
        columns=True, bits="bits_per_pixel", units="units_per_line", whole=True,
    ),
}
