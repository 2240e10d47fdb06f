"""Other people's checkpoints on the command line, and codebooks that say what they were fitted on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from untold.cli import main
from untold.formats.features import FeatureFolder
from untold.formats.units import read_units

from .. import checkpoints
from ..sounds import write_sounds
from .speech import speech

STILL = ["--threads", "1", "--device", "cpu", "--quiet"]


@pytest.fixture(scope="module", name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Recordings, a checkpoint, its features at two layers, and a codebook of one of them."""
    place = tmp_path_factory.mktemp("hf")
    checkpoints.write(place / "hubert")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTOLD_CACHE", str(place / "cache"))
        write_sounds(place / "sounds")
        what, source = f"hf:{place / 'hubert'}", str(place / "sounds")
        assert main(["encode", what, source, "--layer", "2", "--out", str(place / "features2"), *STILL]) == 0
        assert main(["encode", what, source, "--point", "layer3", "--out", str(place / "features3"), *STILL]) == 0
        assert main(["codebook", what, source, "--layer", "2", "--size", "12", "--out", str(place / "book"), *STILL]) == 0
        yield place


@pytest.fixture(name="fails")
def _fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must end with a status and one line, and gives the line."""

    def fails(*words: object, status: int = 1) -> str:
        assert main([*map(str, words), *STILL]) == status
        said = capsys.readouterr().err
        assert said.startswith("untold: error: ")
        assert said.count("\n") == 1
        return said

    return fails


def test_features_lie_where_the_checkpoint_looks(place: Path) -> None:
    folder = FeatureFolder(place / "features2")
    assert (str(folder.grid.rate), str(folder.grid.first), folder.dimensions, folder.point) == ("50", "1/80", 32, "layer2")
    assert len(folder.ids()) == 6
    told = json.loads((place / "features2" / "features.json").read_text())
    assert told["made_by"]["method"] == "hf"
    assert told["hash"] == json.loads((place / "book" / "codebook.json").read_text())["hash"]
    assert not np.allclose(folder.read("s0/r0"), FeatureFolder(place / "features3").read("s0/r0"))


def test_a_codebook_says_what_it_was_fitted_on_and_gives_the_nearest_codewords(place: Path, tmp_path: Path) -> None:
    told = json.loads((place / "book" / "codebook.json").read_text())
    assert (told["point"], told["size"], told["rate"], told["normalisation"]) == ("layer2", 12, "50", "dimension")
    assert told["fitted"]["source"] == str(place / "sounds")
    assert told["fitted"]["frames"] == sum(len(FeatureFolder(place / "features2").read(i)) for i in FeatureFolder(place / "features2").ids())
    assert main(["tokenize", str(place / "book"), str(place / "sounds"), "--out", str(tmp_path / "units"), *STILL]) == 0
    assert main(["segment", str(place / "features2"), "--codebook", str(place / "book"), "--penalty", "0", "--out", str(tmp_path / "segments"), *STILL]) == 0
    one, two = (read_units(tmp_path / name / "units.jsonl") for name in ("units", "segments"))
    for name, units in one.items():
        steps = int(units.ends[-1])
        assert np.mean(units.framewise(steps) == two[name].framewise(steps)) > 0.99
    assert {u.alphabet for u in one.values()} == {12}


def test_words_that_ask_for_two_points_or_none_there_is(place: Path, fails: Callable[..., str], tmp_path: Path) -> None:
    what, source = f"hf:{place / 'hubert'}", place / "sounds"
    assert "give one of them" in fails("encode", what, source, "--layer", 1, "--point", "layer2", "--out", tmp_path / "a", status=2)
    assert "no point of" in fails("encode", what, source, "--layer", 9, "--out", tmp_path / "a")
    assert "no point of mfcc" in fails("codebook", "mfcc", source, "--layer", 1, "--size", 4, "--out", tmp_path / "a")
    assert "has no tokens: make some with 'untold codebook" in fails("tokenize", what, source, "--out", tmp_path / "a")
    assert "is not trained" in fails("train", what, source, "--out", tmp_path / "a")
    assert "nowhere: no such folder" in fails("discover", source, "--method", "hf:nowhere", "--out", tmp_path / "a")
    assert "has the layers 0 to 3" in fails("discover", source, "--method", f"{what}:layer=7", "--out", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_codebook_of_another_checkpoint_layer_or_normalisation_is_refused_by_both_names(place: Path, fails: Callable[..., str], tmp_path: Path) -> None:
    book = Path(shutil.copytree(place / "book", tmp_path / "book"))
    whole = json.loads((book / "codebook.json").read_text())

    def again(features: Path = place / "features2", command: str = "segment", **said: object) -> str:
        (book / "codebook.json").write_text(json.dumps({**whole, **said}))
        if command == "segment":
            return fails("segment", features, "--codebook", book, "--penalty", 1, "--out", tmp_path / "out")
        return fails("tokenize", book, place / "sounds", "--out", tmp_path / "out")

    said = again(place / "features3")
    assert "layer2" in said and "holds layer3" in said and "do not belong together" in said
    other = checkpoints.write(tmp_path / "other", seed=1)
    assert main(["encode", f"hf:{other}", str(place / "sounds"), "--layer", "2", "--out", str(tmp_path / "features"), *STILL]) == 0
    said = again(tmp_path / "features")
    assert f"was fitted on hf:{place / 'hubert'}" in said and f"made by hf:{other}" in said
    said = again(command="tokenize", what=f"hf:{other}")
    assert "its hash differs" in said and whole["hash"][:12] in said
    assert "another hf:" in again(command="tokenize", what=f"hf:{place / 'hubert'}:window=20")
    plain = checkpoints.write(tmp_path / "plain", normalise=False)
    assert "its hash differs" in again(command="tokenize", what=f"hf:{plain}")
    for command in ("segment", "tokenize"):
        assert "steps per second" in again(command=command, rate="100", first="1/200")
        assert "which of them holds" in again(command=command, normalisation="none")
        assert "tells of 13 codewords" in again(command=command, size=13)
    assert "no point of" in again(command="tokenize", point="layer8")
    mfcc = tmp_path / "mfcc"
    assert main(["encode", "mfcc", str(place / "sounds"), "--out", str(mfcc), *STILL]) == 0
    assert main(["codebook", "mfcc:normalise=none", str(place / "sounds"), "--size", "5", "--out", str(tmp_path / "raw"), *STILL]) == 0
    said = fails("segment", mfcc, "--codebook", tmp_path / "raw", "--penalty", 1, "--out", tmp_path / "out")
    assert "mfcc:normalise=none" in said and "normalise=file" in said
    assert "codewords of 32 dimensions" in fails("segment", with_rate(mfcc, tmp_path / "slow"), "--codebook", place / "book", "--penalty", 1, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def with_rate(features: Path, out: Path) -> Path:
    """The same features, said to be as many a second as the codebook's, by nobody known."""
    shutil.copytree(features, out)
    told = json.loads((out / "features.json").read_text())
    del told["hash"]
    (out / "features.json").write_text(json.dumps({**told, "rate": "50", "first": "1/80"}))
    return out


def test_units_are_discovered_with_a_checkpoint_and_the_run_goes_on_to_give_them(place: Path, fails: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hubert = Path(shutil.copytree(place / "hubert", tmp_path / "hubert"))
    run, source = tmp_path / "run", str(place / "sounds")
    assert main(["discover", source, "--method", f"hf:{hubert}:layer=2", "--size", "9", "--out", str(run), *STILL]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == str(run / "report.html")
    units = read_units(run / "units" / "units.jsonl")
    assert {u.alphabet for u in units.values()} == {9}
    assert (run / "report.html").stat().st_size > 10_000
    facts = json.loads((run / "run.json").read_text())
    assert facts["settings"]["layer"] == 2
    assert len(facts["settings"]["hash"]) == 64
    assert main(["tokenize", str(run), source, "--out", str(tmp_path / "units"), *STILL]) == 0
    again = read_units(tmp_path / "units" / "units.jsonl")
    assert all(np.array_equal(units[name].tokens, again[name].tokens) for name in units)
    assert main(["encode", str(run), source, "--out", str(tmp_path / "features"), *STILL]) == 0
    assert np.array_equal(FeatureFolder(tmp_path / "features").read("s1/r1"), FeatureFolder(place / "features2").read("s1/r1"))
    assert main(["segment", str(tmp_path / "features"), "--codebook", str(run), "--rate", "5", "--out", str(tmp_path / "segments"), *STILL]) == 0
    assert main(["discover", source, "--method", f"hf:{hubert}:layer=2", "--size", "9", "--resume", str(run), *STILL]) == 0
    checkpoints.write(hubert, seed=1)
    said = fails("tokenize", run, source, "--out", tmp_path / "out")
    assert "is another checkpoint" in said and facts["settings"]["hash"][:12] in said
    shutil.rmtree(hubert)
    assert "no such folder" in fails("tokenize", run, source, "--out", tmp_path / "out")


def test_size_is_for_methods_without_units_of_their_own(place: Path, fails: Callable[..., str], tmp_path: Path) -> None:
    assert "has units of its own" in fails("discover", place / "sounds", "--method", "mixture", "--size", 9, "--out", tmp_path / "a")
    assert "--size 1: from 2" in fails("discover", place / "sounds", "--method", f"hf:{place / 'hubert'}", "--size", 1, "--out", tmp_path / "a")


def test_a_checkpoint_is_measured_like_anything_else(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, what = speech(tmp_path / "speech"), f"hf:{place / 'hubert'}"
    table = tmp_path / "scores.csv"
    assert main(["evaluate", what, str(source), "--tasks", "abx", "--points", "layer2", "--rivals", "mfcc", "--out", str(table), *STILL]) == 0
    assert "abx_across" in table.read_text()
    assert "layer2" in table.read_text()
    assert main(["codebook", what, str(source), "--size", "8", "--out", str(tmp_path / "book"), *STILL]) == 0
    capsys.readouterr()
    assert main(["compare", what, "mfcc", str(tmp_path / "book"), "--on", str(source), "--tasks", "abx,clusters", *STILL]) == 0
    assert "pnmi" in capsys.readouterr().out
