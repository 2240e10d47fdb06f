"""Units that last, of features and codewords of any program."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from untold.cli import main
from untold.contract import Grid
from untold.formats.codebook import Codebook, write_codebook
from untold.formats.features import FeatureWriter
from untold.formats.units import read_units
from untold.runs import Run

from .speech import speech

GRID = Grid("second", Fraction(50), Fraction(1, 100))
WORDS = np.random.default_rng(0).standard_normal((12, 6)).astype(np.float32)


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> tuple[Path, Path, list[np.ndarray]]:
    """Features that stay for six steps, with noise; their codewords; and the truth."""
    draw = np.random.default_rng(1)
    writer = FeatureWriter(tmp_path / "features", GRID, "features", "a test")
    truth = []
    for number in range(4):
        which = np.repeat(draw.permutation(np.repeat(np.arange(12), 3)), 6)
        writer.write(f"s/{number}", [(WORDS[which] + 0.7 * draw.standard_normal((len(which), 6))).astype(np.float32)])
        truth.append(which)
    (tmp_path / "book").mkdir()
    write_codebook(tmp_path / "book", Codebook(WORDS, "another", "features", GRID))
    return tmp_path / "features", tmp_path / "book", truth


def boundaries(tokens: np.ndarray) -> set[int]:
    return set((np.flatnonzero(tokens[1:] != tokens[:-1]) + 1).tolist())


def test_the_rate_comes_and_boundaries_are_those_of_the_truth(made: tuple[Path, Path, list[np.ndarray]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features, book, truth = made
    rate = sum(len(boundaries(t)) + 1 for t in truth) / sum(len(t) / 50 for t in truth)
    assert main(["segment", str(features), "--codebook", str(book), "--rate", f"{rate:.3f}", "--out", str(tmp_path / "units"), "--quiet"]) == 0
    assert f"({float(f'{rate:.3f}'):g} wanted), price " in capsys.readouterr().out
    found = read_units(tmp_path / "units" / "units.jsonl")
    units = sum(len(u.tokens) for u in found.values())
    assert units / sum(len(t) / 50 for t in truth) == pytest.approx(rate, rel=0.05)
    hits = sum(len(boundaries(t) & boundaries(found[f"s/{n}"].framewise(len(t)))) for n, t in enumerate(truth))
    nearest = sum(len(boundaries(np.square(np.load(features / "s" / f"{n}.npy")[:, None] - WORDS).sum(2).argmin(1))) for n in range(4))
    assert hits > 0.85 * sum(len(boundaries(t)) for t in truth)
    assert units < 0.6 * nearest


def test_greedy_merging_comes_to_the_rate_in_each_recording(made: tuple[Path, Path, list[np.ndarray]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features, book, truth = made
    assert main(["segment", str(features), "--codebook", str(book), "--rate", "8", "--greedy", "--out", str(tmp_path / "units"), "--quiet"]) == 0
    assert "merged greedily" in capsys.readouterr().out
    for number, which in enumerate(truth):
        units = read_units(tmp_path / "units" / "units.jsonl")[f"s/{number}"]
        assert 0.85 * 8 * len(which) / 50 < len(units.tokens) <= round(8 * len(which) / 50)


def test_a_price_and_lengths(made: tuple[Path, Path, list[np.ndarray]], tmp_path: Path) -> None:
    features, book, truth = made
    words = ["segment", str(features), "--codebook", str(book), "--quiet", "--out"]
    assert main([*words, str(tmp_path / "a"), "--penalty", "0"]) == 0
    assert main([*words, str(tmp_path / "b"), "--penalty", "0", "--shortest", "0.08", "--longest", "0.16"]) == 0
    nearest = read_units(tmp_path / "a" / "units.jsonl")
    for number, which in enumerate(truth):
        values = np.load(features / "s" / f"{number}.npy")
        assert np.array_equal(nearest[f"s/{number}"].framewise(len(which)), np.square(values[:, None] - WORDS).sum(2).argmin(1))
    for units in read_units(tmp_path / "b" / "units.jsonl").values():
        lengths = units.ends - units.starts
        assert lengths[:-1].min() >= 4
        assert lengths.max() <= 8
    line = json.loads((tmp_path / "b" / "units.jsonl").read_text().splitlines()[0])
    assert line["alphabet"] == 12


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], 2, "--rate or --penalty"),
        (["--rate", "1", "--penalty", "1"], 2, "--rate or --penalty"),
        (["--penalty", "1", "--greedy"], 2, "--greedy goes with --rate"),
        (["--rate", "51"], 1, "at most the 50 steps per second"),
        (["--rate", "0"], 1, "above 0"),
        (["--penalty", "-1"], 1, "0 or more"),
        (["--penalty", "nan"], 1, "0 or more"),
        (["--penalty", "1", "--shortest", "0.5", "--longest", "0.1"], 1, "cannot be"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(made: tuple[Path, Path, list[np.ndarray]], tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, said: str) -> None:
    assert main(["segment", str(made[0]), "--codebook", str(made[1]), "--out", str(tmp_path / "out"), *words]) == status
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_codewords_of_another_rate_are_refused(made: tuple[Path, Path, list[np.ndarray]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").mkdir()
    write_codebook(tmp_path / "other", Codebook(WORDS, "another", "features", Grid("second", Fraction(100), Fraction(1, 200))))
    assert main(["segment", str(made[0]), "--codebook", str(tmp_path / "other"), "--rate", "5", "--out", str(tmp_path / "out")]) == 1
    assert "do not belong together" in capsys.readouterr().err


@pytest.mark.parametrize("distance", ["squared", "plain"])
def test_a_run_is_a_codebook_of_its_own_codewords(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, distance: str) -> None:
    """With the price that it was trained to, its projection is cut as `tokenize` cuts it."""
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    source, run = speech(tmp_path / "source"), tmp_path / "run"
    small = ["encoder.width=24", "decoder.width=16", "batch=8", "crop=0.5", "sound=none", "input.warp=none", "target.warp=none", "bottleneck.size=12", f"bottleneck.distance={distance}"]
    assert main(["train", "segmental", str(source), "--steps", "12", "--threads", "1", "--quiet", "--out", str(run), *(word for one in small for word in ("--set", one))]) == 0
    assert main(["encode", str(run), str(source), "--point", "projection", "--quiet", "--out", str(tmp_path / "features")]) == 0
    assert main(["tokenize", str(run), str(source), "--quiet", "--out", str(tmp_path / "own")]) == 0
    price = float(Run.open(run).model().method.bottleneck.price)
    assert price > 0
    assert main(["segment", str(tmp_path / "features"), "--codebook", str(run), "--penalty", repr(price), "--quiet", "--out", str(tmp_path / "units")]) == 0
    own, units = (read_units(tmp_path / name / "units.jsonl") for name in ("own", "units"))
    same = sum(int((own[name].framewise(n) == units[name].framewise(n)).sum()) for name in own for n in [int(own[name].ends[-1])])
    assert same > 0.99 * sum(int(one.ends[-1]) for one in own.values())
    assert sum(len(one.tokens) for one in units.values()) > 20
    capsys.readouterr()


def test_a_run_without_a_table_of_codewords_is_no_codebook(made: tuple[Path, Path, list[np.ndarray]], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    assert main(["train", "mixture", str(speech(tmp_path / "source")), "--steps", "1", "--threads", "1", "--quiet", "--set", "input.warp=none", "--set", "components=4", "--out", str(tmp_path / "run")]) == 0
    assert main(["segment", str(made[0]), "--codebook", str(tmp_path / "run"), "--rate", "5", "--out", str(tmp_path / "out")]) == 1
    assert "no table of codewords: make one with 'untold codebook" in capsys.readouterr().err
