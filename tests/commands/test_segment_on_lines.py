"""Units that last, of features of lines: the rate is that of a line, lengths are in pixels."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from untold.cli import main
from untold.contract import Grid
from untold.formats.codebook import Codebook, write_codebook
from untold.formats.features import FeatureWriter
from untold.formats.units import read_units

GRID = Grid("pixel", Fraction(1, 8), Fraction(4))
WORDS = np.random.default_rng(0).standard_normal((9, 6)).astype(np.float32)
LENGTHS = (60, 30, 90)


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> list[str]:
    """Features of three lines, of letters of six steps (48 pixels), and their codewords."""
    draw, writer = np.random.default_rng(1), FeatureWriter(tmp_path / "features", GRID, "features", "a test")
    for number, steps in enumerate(LENGTHS):
        which = np.repeat(np.arange(steps // 6) * 4 % 9, 6)
        writer.write(f"s/{number}", [(WORDS[which] + 0.5 * draw.standard_normal((steps, 6))).astype(np.float32)])
    (tmp_path / "book").mkdir()
    write_codebook(tmp_path / "book", Codebook(WORDS, "another", "features", GRID))
    return ["segment", str(tmp_path / "features"), "--codebook", str(tmp_path / "book"), "--out", str(tmp_path / "units"), "--quiet"]


def test_the_rate_is_of_units_a_line(made: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*made, "--rate", "10"]) == 0
    assert "10.00 a recording (10 wanted)" in capsys.readouterr().out
    found = read_units(tmp_path / "units" / "units.jsonl")
    assert [len(found[f"s/{n}"].tokens) for n in range(3)] == [10, 5, 15]
    assert found["s/0"].starts.tolist() == list(range(0, 60, 6))


def test_more_units_than_a_line_has_steps_is_an_error(made: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*made, "--rate", "61"]) == 1
    assert "--rate 61: above 0 and at most the 60 steps per recording" in capsys.readouterr().err


def test_least_lengths_are_pixels(made: list[str], tmp_path: Path) -> None:
    assert main([*made, "--penalty", "0", "--shortest", "32"]) == 0
    for units in read_units(tmp_path / "units" / "units.jsonl").values():
        assert (units.ends - units.starts)[:-1].min() >= 4
        assert len(units.tokens) > 2
