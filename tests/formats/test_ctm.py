"""CTM: columns and exact times both ways, damage with its line."""

from __future__ import annotations

from fractions import Fraction

import pytest

from untold.contract import Interval
from untold.errors import UntoldError
from untold.formats import ctm


def test_kaldis_and_nists_lines(tmp_path):
    path = tmp_path / "a.ctm"
    path.write_text(";; made by hand\nb 1 0.50 0.25 world 0.9\nb A 0.1 .4 hello\n\na/x 1 0 1e-1 q 1 lex spk\n", encoding="utf-8")
    assert ctm.read(path) == {
        "b": [Interval(Fraction(1, 10), Fraction(1, 2), "hello"), Interval(Fraction(1, 2), Fraction(3, 4), "world")],
        "a/x": [Interval(Fraction(0), Fraction(1, 10), "q")],
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [("a 1 0.1 0.2", "line 2: 4 columns"), ("a 1 x 0.2 w", "line 2: 'x' is no time"), ("a 1 -1 2 w", "below 0"),
     ("a 1 1e99 2 w", "beyond any recording"), ("a 1 1e99999999 2 w", "no time")],
)
def test_damage_is_told_with_its_line(tmp_path, line, said):
    path = tmp_path / "a.ctm"
    path.write_text(f"a 1 0 1 w\n{line}\n")
    with pytest.raises(UntoldError, match=said):
        ctm.read(path)


def test_written_lines_are_read_back(tmp_path):
    path = tmp_path / "out" / "units.ctm"
    held = {"x/a": [Interval(Fraction(1, 50), Fraction(3, 50), "4"), Interval(Fraction(3, 50), Fraction(1), "17")], "b": []}
    ctm.write(path, held)
    assert path.read_text() == "x/a 1 0.02 0.04 4\nx/a 1 0.06 0.94 17\n"
    assert ctm.read(path) == {"x/a": held["x/a"]}
    ctm.write(path, iter(held.items()))
    assert ctm.read(path) == {"x/a": held["x/a"]}


def test_a_name_with_a_space_leaves_no_half_file(tmp_path):
    with pytest.raises(UntoldError, match="'my file' cannot stand in a CTM file"):
        ctm.write(tmp_path / "units.ctm", {"a": [Interval(Fraction(0), Fraction(1), "1")], "my file": [Interval(Fraction(0), Fraction(1), "1")]})
    assert not any(tmp_path.iterdir())
