"""units.jsonl: what is written is read back, with gaps; what others write is read; what leads out is refused."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untold.contract import Grid, Units
from untold.errors import UntoldError
from untold.formats.units import UnitsWriter, read_units

GRIDS = st.sampled_from(
    [Grid("second", Fraction(100), Fraction(1, 200)), Grid("second", Fraction(50), Fraction(1, 80)), Grid("second", Fraction(16000, 320 * 3), Fraction(0)),
     Grid("pixel", Fraction(1, 4), Fraction(3, 2))]
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 400), st.integers(0, 3)), max_size=30), GRIDS)
def test_what_is_written_is_read_back_with_its_gaps(tmp_path_factory, rows, grid):
    path = tmp_path_factory.mktemp("units") / "units.jsonl"
    tokens, durations, gaps = (np.array([row[i] for row in rows], np.int64) for i in range(3))
    starts = np.cumsum(durations + gaps) - durations
    units = Units(tokens, starts, starts + durations, 7, grid, "test")
    with UnitsWriter(path) as writer:
        writer.write("s/a.b", units, "s/a.b.flac")
        writer.write("t", units)
    found = read_units(path)
    assert list(found) == ["s/a.b", "t"]
    for name in found:
        for field in ("tokens", "starts", "ends"):
            assert np.array_equal(getattr(found[name], field), getattr(units, field))
        assert (found[name].alphabet, found[name].grid, found[name].made_by) == (7, grid, "test")
    line = json.loads(path.read_text().splitlines()[0])
    assert line["audio"] == "s/a.b.flac" and line["durations"] == durations.tolist()
    assert read_units(path.parent, limit=1).keys() == {"s/a.b"}


def test_an_error_while_writing_leaves_no_file(tmp_path):
    with pytest.raises(KeyError), UnitsWriter(tmp_path / "units.jsonl"):
        raise KeyError
    assert not list(tmp_path.iterdir())


def read(tmp_path, **line):
    path = tmp_path / "units.jsonl"
    path.write_text(json.dumps({"audio": "a.wav", "units": [0, 1, 2], **line}) + "\n")
    return read_units(path)


def test_lines_of_other_programs_are_read(tmp_path):
    found = read(tmp_path, durations=[1, 2, 1], starts=[0, 0.02, 0.06], ends=[0.02, 0.06, 0.08])["a"]
    assert (found.grid.rate, found.alphabet, found.starts.tolist(), found.ends.tolist()) == (
        50,
        3,
        [0, 1, 3],
        [1, 3, 4],
    )
    found = read(tmp_path, rate="25")["a"]
    assert found.ends.tolist() == [1, 2, 3]
    found = read(tmp_path, rate="25", units=[4, -1, 2], durations=[2, 3, 1])["a"]
    assert (found.tokens.tolist(), found.starts.tolist()) == ([4, 2], [0, 5])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"audio": "../../climbed.wav"}, "leads out"), ({"audio": "/absolute.wav"}, "leads out"), ({"audio": "a/../../b.wav"}, "leads out"),
        ({"audio": ""}, "leads out"), ({"audio": 3}, "keys audio and units"), ({"units": "abc"}, "units must be"), ({"units": [1.5]}, "units must be"),
        ({"units": [-2]}, "units must be"), ({"units": [10**30]}, "units must be"), ({"rate": "50", "durations": [1]}, "3 units, 1 durations"),
        ({"rate": "50", "durations": [1, 0, 1]}, "durations must be"), ({"rate": "50", "durations": [2**30] * 3}, "more than"),
        ({"rate": "50", "alphabet": 2}, "token 2 in an alphabet of 2"), ({"rate": "50", "starts": [0, 0, 0]}, "lie over each other"),
        ({"rate": "50", "starts": [0, "1", 0]}, "starts must be"), ({}, "no rate"), ({"rate": "-1"}, "rate"), ({"rate": "50", "alphabet": "x"}, "alphabet"),
    ],
)  # fmt: skip
def test_lines_that_make_no_sense_are_named(tmp_path, line, says):
    with pytest.raises(UntoldError, match=r"units\.jsonl, line 1") as error:
        read(tmp_path, **line)
    assert says in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 50000, "null", '{"audio": "a.wav", "units": [1], "rate": "50"}\n' * 2])
def test_files_that_are_none_are_named(tmp_path, text):
    (tmp_path / "units.jsonl").write_text(text)
    with pytest.raises(UntoldError, match=r"units\.jsonl"):
        read_units(tmp_path)
