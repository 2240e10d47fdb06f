"""`untold compare`: rows side by side, of the same recordings, with paired differences."""

from __future__ import annotations

import pytest

import untold
from untold import cli
from untold.errors import UsageError
from untold.evaluation import scores

from .speech import known_features, known_units, speech


@pytest.fixture(name="source")
def _source(tmp_path, monkeypatch):
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    return speech(tmp_path / "speech")


def test_units_of_two_are_side_by_side_with_their_differences_and_stability(source, tmp_path, capsys):
    known_units(source, tmp_path / "good", leave_out=2)
    known_units(source, tmp_path / "bad", kind="noise")
    words = ["compare", tmp_path / "good", tmp_path / "bad", "--on", source, "--tasks", "clusters,stability", "--out", tmp_path / "s.csv"]
    assert cli.main([str(word) for word in words]) == 0
    out = capsys.readouterr().out
    assert "10 of 12 recordings are in every row and are scored" in out
    assert "every row is of the same 10 recordings" in out
    worse = next(line for line in out.splitlines() if line.startswith("pnmi (silence out)") and " - " in line)
    assert worse.endswith("worse")
    assert "stability (against bad)" in out
    rows = scores.read(tmp_path / "s.csv")
    assert {r.method for r in rows} == {"good", "bad", "chance"}
    by = {r.method: r.value for r in rows if r.metric == "pnmi" and r.conventions["silence"] == "out"}
    assert by["good"] > 0.99 > 0.3 > by["bad"]
    assert next(r.value for r in rows if r.metric == "stability") < 0.1


def test_abx_items_have_a_frame_in_every_row(source, tmp_path, capsys):
    known_features(source, tmp_path / "fast", rate=100)
    known_features(source, tmp_path / "slow", rate=10)
    rows = untold.compare([str(tmp_path / "fast"), str(tmp_path / "slow")], on=str(source), tasks="abx", quiet=True)
    out = capsys.readouterr().out
    assert "have a frame in every row and are scored" in out
    items = {(r.conventions["kind"], r.conventions["context"], r.metric): set() for r in rows}
    for row in rows:
        items[row.conventions["kind"], row.conventions["context"], row.metric].add(row.conventions["items"])
    assert items
    assert all(len(counts) == 1 for counts in items.values())


def test_one_is_not_enough(source):
    with pytest.raises(UsageError, match="two different WHATs"):
        untold.compare("mfcc", "mfcc", on=str(source))
    assert cli.main(["compare", "mfcc", "--on", str(source)]) == 2
