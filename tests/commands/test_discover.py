"""The main job on a small labelled source: what a person finds afterwards."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pytest

from untold.cli import main
from untold.evaluation import scores
from untold.formats.units import read_units

from .speech import speech

SMALL = ["--set", "encoder.width=24", "--set", "decoder.width=16", "--set", "bottleneck.size=12", "--set", "batch=4"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A RUN that `discover` made, and what it said."""
    place = tmp_path_factory.mktemp("discover")
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTOLD_CACHE", str(place / "cache"))
        with contextlib.redirect_stdout(out):
            status = main(["discover", str(speech(place / "source")), "--method", "vq_vae", "--steps", "30", "--out", str(place / "run"), "--threads", "1", *SMALL])
    assert status == 0
    return place / "run", out.getvalue()


def test_a_run_holds_all_that_it_should(found: tuple[Path, str]) -> None:
    run, said = found
    for name in ("run.json", "model.safetensors", "progress.jsonl", "units/units.jsonl", "scores.csv", "report.html", "report.json"):
        assert (run / name).stat().st_size > 0
    assert said.strip().split("\n")[-1] == str(run / "report.html")
    facts = json.loads((run / "run.json").read_text())
    assert facts["planned"]["phases"] == {"train": 30}
    assert facts["cost"]["seconds"] > 0


def test_units_cover_every_recording_without_gaps(found: tuple[Path, str]) -> None:
    units = read_units(found[0] / "units" / "units.jsonl")
    assert len(units) == 12
    for one in units.values():
        assert one.starts[0] == 0
        assert (one.starts[1:] == one.ends[:-1]).all()
        assert (one.tokens[1:] != one.tokens[:-1]).all()  # runs are merged
        assert 0 <= one.tokens.min() <= one.tokens.max() < one.alphabet == 12


def test_scores_stand_beside_their_rivals(found: tuple[Path, str]) -> None:
    rows = scores.read(found[0] / "scores.csv")
    by = {(row.metric, row.method) for row in rows}
    for metric in ("abx_across", "abx_within"):
        assert {(metric, "vq_vae"), (metric, "mfcc"), (metric, "mixture")} <= by
    assert {("phone_accuracy", "chance"), ("phone_accuracy", "mfcc"), ("pnmi", "mixture"), ("r_value", "vq_vae")} <= by
    assert {row.conventions["latents"] for row in rows if row.metric == "nats"} == {"true", "shuffled", "zero"}
    points = {row.point for row in rows if row.metric == "phone_accuracy" and row.method == "vq_vae"}
    assert {"encoder", "projection", "bottleneck", "condition"} <= points
    ours = [row for row in rows if row.metric == "abx_across" and row.method == "vq_vae"]
    assert all(row.conventions["trained_on_this_audio"] == "yes" for row in ours)


def test_health_is_said_in_words(found: tuple[Path, str]) -> None:
    said = found[1]
    assert "units are in use" in said or "has collapsed" in said
    assert "the latents" in said


def test_without_labels_it_says_what_is_absent(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    source = speech(tmp_path / "source")
    for path in source.rglob("*.TextGrid"):
        path.unlink()
    words = ["--set", "components=8", "--set", "passes=2", "--set", "frames=2000"]
    assert main(["discover", str(source), "--method", "mixture", "--out", str(tmp_path / "run"), "--threads", "1", *words]) == 0
    said = capsys.readouterr().out
    assert "the recordings have no labels in time" in said
    assert (tmp_path / "run" / "report.html").exists()
    assert not any(row.metric.startswith("abx") for row in scores.read(tmp_path / "run" / "scores.csv"))
