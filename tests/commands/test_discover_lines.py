"""The main job on handwriting, and lines drawn again: what a person finds afterwards, and is told."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from untold.cli import main
from untold.evaluation import probes as networks
from untold.evaluation import scores
from untold.evaluation.recognition import Budget as Lessons
from untold.evaluation.tasks import probes, recognition
from untold.report.data import PageData

from ..sounds import sets, write_sounds

SMALL = ["encoder.channels=4", "encoder.width=16", "encoder.layers=1", "bottleneck.size=16", "bottleneck.dimensions=8", "decoder.width=16", "decoder.channels=4", "condition_dimensions=12", "batch=4", "crop=96"]


def write_lines(folder: Path) -> Path:
    """Six lines of strokes, boxes and blanks by two scribes; those of the second lean."""
    draw = np.random.default_rng(2)
    for number in range(6):
        picture = np.full((48, 320), 230, np.uint8)
        at = 8
        while at < 290:
            wide = int(draw.integers(4, 24))
            picture[8:40, at : at + 4] = picture[8:12, at : at + wide] = 20
            at += wide + int(draw.integers(4, 30))
        if number % 2:
            picture = np.stack([np.roll(row, (24 - y) // 3) for y, row in enumerate(picture)])
        path = folder / f"scribe-{number % 2}" / f"line-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return folder


@pytest.fixture(scope="module", name="labelled")
def _labelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A RUN that `discover` made of lines with places, with the method that it takes itself; and what it said."""
    place, out = tmp_path_factory.mktemp("discover"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTOLD_CACHE", str(place / "cache"))
        few = networks.Budget(steps=3, batch=32, hidden=16)
        patch.setattr(probes, "FRAMES", few)
        patch.setattr(probes, "RECORDINGS", few)
        patch.setattr(recognition, "BUDGET", Lessons(steps=2, rate=1e-3, width=16, layers=1, recurrent=False))
        with contextlib.redirect_stdout(out):
            words = ["discover", "digit-lines", "--limit", "24", "--steps", "4", "--out", str(place / "run"), "--threads", "1"]
            assert main([*words, *sets(SMALL)]) == 0
    return place / "run", out.getvalue()


@pytest.fixture(scope="module", name="plain")
def _plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A source without labels, a RUN of it, and what was said."""
    place, out = tmp_path_factory.mktemp("lines"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        patch.setenv("UNTOLD_CACHE", str(place / "cache"))
        source = write_lines(place / "lines")
        assert main(["discover", str(source), "--steps", "4", "--out", str(place / "run"), "--threads", "1", *sets(SMALL)]) == 0
        assert main(["tokenize", str(place / "run"), str(source), "--quiet", "--out", str(place / "units")]) == 0
    return source, place / "run", out.getvalue()


def pictures(folder: Path) -> dict[str, np.ndarray]:
    found = {str(p.relative_to(folder)): np.asarray(Image.open(p)) for p in sorted(folder.rglob("*.png"))}
    assert {p.suffix for p in folder.rglob("*") if p.is_file()} <= {".png"}
    return found


def test_handwriting_gets_the_recipe_for_it_and_a_page_below_five_megabytes(labelled: tuple[Path, str]) -> None:
    run, said = labelled
    assert json.loads((run / "run.json").read_text())["recipe"] == "lines"
    assert said.strip().split("\n")[-1] == str(run / "report.html")
    assert 20_000 < (run / "report.html").stat().st_size < 5 << 20
    data = PageData.read(run)
    assert (data.axis, data.tier, len(data.shown), len(data.reconstructions), len(data.conversions)) == ("pixel", "characters", 4, 4, 4)
    assert not list(run.rglob("*.ogg"))


def test_scores_of_lines_stand_beside_their_rivals(labelled: tuple[Path, str]) -> None:
    rows = scores.read(labelled[0] / "scores.csv")
    by = {(row.metric, row.method) for row in rows}
    for metric in ("character_accuracy", "cer"):
        assert {(metric, "lines"), (metric, "columns"), (metric, "chance")} <= by, metric
    assert {("mutual_information", "mixture"), ("r_value", "mixture"), ("speaker_information", "lines"), ("bits_per_pixel", "lines")} <= by
    assert {row.conventions["latents"] for row in rows if row.metric == "nats"} == {"true", "shuffled", "zero"}
    assert not [row for row in rows if row.task in ("abx", "codec", "conversion") or row.metric in ("gender_accuracy", "logmel_mse")]


def test_what_is_for_sound_is_named_once(labelled: tuple[Path, str]) -> None:
    absent = [line for line in labelled[1].split("\n") if line.startswith("absent: ")]
    for word in ("ABX", "Codecs", "Conversion", "gender", "log-mel"):
        assert sum(word in line for line in absent) == 1, word
    html = (labelled[0] / "report.html").read_text(encoding="utf-8")
    assert "Codecs: they are rivals for sound" in html


def test_lines_without_labels(plain: tuple[Path, Path, str]) -> None:
    _, run, said = plain
    assert "the lines have no characters with places" in said
    assert " the scribe" in said and "the speaker" not in said and "silence" not in said
    assert PageData.read(run).tier == "" and PageData.read(run).speakers == 2


@pytest.mark.parametrize("task", ["abx", "codec", "conversion"])
def test_tasks_of_sound_say_so(plain: tuple[Path, Path, str], task: str, capsys: pytest.CaptureFixture[str]) -> None:
    source, run, _ = plain
    assert main(["evaluate", str(run), str(source), "--tasks", task, "--quiet"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "lines of handwriting" in said


def test_lines_come_back_as_wide_as_they_were(plain: tuple[Path, Path, str], tmp_path: Path) -> None:
    source, run, _ = plain
    assert main(["reconstruct", str(run), str(source), "--quiet", "--out", str(tmp_path / "all")]) == 0
    assert main(["encode", "columns:height=64", str(source), "--quiet", "--out", str(tmp_path / "columns")]) == 0
    made = pictures(tmp_path / "all")
    widths = {str(p.relative_to(tmp_path / "columns").with_suffix(".png")): len(np.load(p)) for p in (tmp_path / "columns").rglob("*.npy")}
    assert {name: (64, width) for name, width in widths.items()} == {name: x.shape for name, x in made.items()}
    assert all(x.dtype == np.uint8 and x.max() > x.min() for x in made.values())


def test_a_temperature_draws_and_a_seed_draws_the_same_again(plain: tuple[Path, Path, str], tmp_path: Path) -> None:
    source, run, _ = plain
    for name, words in {"mean": [], "drawn": ["--temperature", "0.8"], "again": ["--temperature", "0.8"], "other": ["--temperature", "0.8", "--seed", "1"]}.items():
        assert main(["reconstruct", str(run), str(source), "--quiet", "--limit", "2", "--out", str(tmp_path / name), *words]) == 0
    mean, drawn, again, other = (pictures(tmp_path / name) for name in ("mean", "drawn", "again", "other"))
    for name in mean:
        assert np.array_equal(drawn[name], again[name])
        assert not np.array_equal(drawn[name], other[name])
        assert len(np.unique(drawn[name])) <= 4 < len(np.unique(mean[name]))  # levels that were drawn, and what is expected


def test_another_hand_and_units_alone(plain: tuple[Path, Path, str], tmp_path: Path) -> None:
    source, run, _ = plain
    units = run.parent / "units" / "units.jsonl"
    assert main(["convert", str(run), str(source), "--to", "scribe-1", "--quiet", "--out", str(tmp_path / "hand")]) == 0
    assert main(["reconstruct", str(run), "--from-units", str(units), "--speaker", "scribe-1", "--quiet", "--out", str(tmp_path / "units")]) == 0
    hand, alone = pictures(tmp_path / "hand"), pictures(tmp_path / "units")
    assert set(hand) == set(alone) and len(hand) == 6
    for name, x in hand.items():
        width = x.shape[1]
        assert alone[name].shape[1] in (width, -(-width // 8) * 8)  # units are told in whole steps
        assert np.array_equal(x, alone[name][:, :width])


@pytest.mark.parametrize(("words", "told"), [
    (["convert", "RUN", "SOURCE", "--to", "scribe-7"], "no scribe in this model's training set named 'scribe-7'"),
    (["convert", "RUN", "SOUND", "--to", "scribe-1"], "reads the signal 'line'"),
    (["sample", "RUN"], "makes nothing out of nothing"),
    (["reconstruct", "RUN", "--from-units", "OTHER"], "tokenize with the same RUN"),
])
def test_what_cannot_be_drawn_is_said(plain: tuple[Path, Path, str], tmp_path: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    source, run, _ = plain
    other = tmp_path / "other.jsonl"
    other.write_text((run.parent / "units" / "units.jsonl").read_text().replace('"rate": "1/8"', '"rate": "1/4"'))
    names = {"RUN": str(run), "SOURCE": str(source), "SOUND": str(write_sounds(tmp_path / "sounds")) if "SOUND" in words else "", "OTHER": str(other)}
    assert main([*(names.get(word, word) for word in words), "--quiet", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and told in said, said
