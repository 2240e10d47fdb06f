"""What `train` says when it is done: whether the code is healthy."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from untold.cli import main
from untold.commands import _health
from untold.contract import Grid, Units
from untold.corpora import open_source
from untold.subjects import open_subject

from .speech import speech

GRID = Grid("second", Fraction(50), Fraction(1, 100))
SMALL = ["encoder.width=24", "decoder.width=16", "batch=8", "crop=0.5", "sound=none", "input.warp=none", "target.warp=none"]


@pytest.fixture(scope="module", name="source")
def _source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speech(tmp_path_factory.mktemp("train") / "source")


def said(source: Path, out: Path, capsys: pytest.CaptureFixture[str], method: str, *settings: str) -> list[str]:
    words = [word for setting in (*SMALL, *settings) for word in ("--set", setting)]
    assert main(["train", method, str(source), "--steps", "120", "--threads", "1", "--quiet", "--out", str(out), *words]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))


def test_a_healthy_code_is_called_so(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(source, tmp_path / "run", capsys, "vq_vae", "bottleneck.size=12")
    assert any(line.startswith("good: ") and " of 12 units are in use" in line for line in lines)
    assert any(line.startswith("good: The decoder uses the latents") for line in lines)
    assert lines[-1] == str(tmp_path / "run")


def test_slowness_collapses_and_the_check_fires(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lecture's failing alternative: the cheapest slow code is a constant one. Without the price nothing is wrong."""
    spread = []
    for weight, expected in (("0", "good: The decoder uses the latents"), ("100", "bad: The decoder ignores the latents")):
        lines = said(source, tmp_path / weight, capsys, "autoencoder", f"slowness={weight}")
        assert any(line.startswith(expected) for line in lines), lines
        subject = open_subject(str(tmp_path / weight))
        spread.append(np.concatenate([subject.features(recording, "bottleneck").values for recording in open_source(str(source))]).std(0).mean())
    assert spread[1] < 0.05 * spread[0]  # over all recordings: not only slow, but the same everywhere


@pytest.mark.parametrize(("follow", "severity"), [(False, "good"), (True, "warning")])
def test_many_units_and_few_recordings_do_not_look_like_speakers(follow: bool, severity: str) -> None:
    draw = np.random.default_rng(0)
    speakers = [f"s{n % 50}" for n in range(150)]
    units = []
    for n in range(150):
        tokens = n % 50 * 40 + draw.integers(0, 40, 200) if follow else draw.integers(0, 2000, 200)
        units.append(Units(tokens, np.arange(200), np.arange(1, 201), 2000, GRID, "a test"))
    found = [f for f in _health.of_units(units, speakers) if "speaker" in f.sentence or "speaks" in f.sentence]
    assert [f.severity for f in found] == [severity]
