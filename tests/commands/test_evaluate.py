"""`untold evaluate`: rows, rivals, a matrix of points, what is left out and why."""

from __future__ import annotations

import csv

import pytest

from untold import cli
from untold.evaluation import probes, scores
from untold.evaluation.tasks import probes as task

from ..evaluation.pretended import Subject
from .speech import known_features, known_units, speech


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    monkeypatch.setattr(task, "FRAMES", probes.Budget(steps=40, batch=128, hidden=64, rate=3e-3))
    monkeypatch.setattr(task, "RECORDINGS", probes.Budget(steps=40, batch=32, hidden=64, rate=3e-3))
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))


@pytest.fixture(name="source")
def _source(tmp_path):
    return speech(tmp_path / "speech")


def run(capsys, *words):
    status = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, out, err


def test_units_are_measured_and_what_needs_features_is_named(source, tmp_path, capsys):
    known_units(source, tmp_path / "units")
    table = tmp_path / "scores.csv"
    status, out, err = run(capsys, "evaluate", tmp_path / "units", source, "--tasks", "clusters,bits,probes,stability,boundaries", "--out", table)
    assert (status, err) == (0, "")
    assert "probes: left out: units has units only" in out
    assert "stability: left out: stability needs the units of two runs" in out
    found = {(r.metric, r.conventions.get("silence", "")): r for r in scores.read(table) if r.method == "units"}
    assert found["pnmi", "out"].value == pytest.approx(1)
    assert found["precision", ""].value == 1
    with table.open() as file:
        assert next(csv.reader(file)) == list(scores.COLUMNS)
    before = table.read_text()
    assert run(capsys, "evaluate", tmp_path / "units", source, "--tasks", "clusters", "--out", table)[0] == 0
    assert table.read_text() == before  # the same rows again


def test_features_stand_beside_chance_and_the_best_mfcc_row(source, tmp_path, capsys):
    known_features(source, tmp_path / "known")
    status, out, _ = run(
        capsys, "evaluate", tmp_path / "known", source, "--tasks", "probes", "--rivals", "mfcc,mfcc:deltas=no+normalise=none",
        "--out", tmp_path / "s.csv",
    )
    assert status == 0
    assert "chance" in out
    assert "best rival" in out
    found = {(r.metric, r.method, r.conventions.get("settings", "")): r.value for r in scores.read(tmp_path / "s.csv")}
    assert found["phone_accuracy", "known", ""] > 0.99
    assert 0 < found["phone_accuracy", "mfcc", "deltas=no,normalise=none"] <= 1
    assert found["phone_accuracy", "mfcc", ""] > found["phone_accuracy", "chance", ""]
    costs = {r.method: r.seconds for r in scores.read(tmp_path / "s.csv")}
    assert costs == {"known": None, "mfcc": 0.0, "chance": 0.0}


def test_all_points_make_a_matrix(source, monkeypatch, capsys):
    from untold import subjects

    monkeypatch.setattr(subjects, "open_subject", lambda what, **_: Several())
    status, out, _ = run(capsys, "evaluate", "mfcc", source, "--tasks", "probes", "--points", "all", "--rivals", "none")
    assert status == 0
    head = next(line for line in out.splitlines() if line.startswith("probes"))
    assert head.split() == ["probes", "encoder", "condition", "chance"]
    assert sum(line.startswith(("phone_accuracy", "speaker_accuracy", "gender_accuracy", "logmel_mse")) for line in out.splitlines()) == 4


class Several(Subject):
    """A subject with two points."""

    def __init__(self):
        super().__init__("phones", points=("encoder", "condition"))
        self.origin = {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tasks", "probe"], "there is no task named 'probe': did you mean probes"),
        (["--points", "condition"], "there is no point of mfcc named 'condition'"),
        (["--tier", "words", "--tasks", "abx"], "nothing could be measured of mfcc"),
        (["--fold", "timit48"], "there is no folding named 'timit48'"),
        (["--items", "nowhere.item"], "nowhere.item: no such item file"),
        (["--tasks", "bits"], "nothing could be measured of mfcc: bits: left out: mfcc has no units: make a codebook"),
    ],
)
def test_mistakes_are_one_line(source, capsys, words, message):
    status, _, err = run(capsys, "evaluate", "mfcc", source, "--rivals", "none", *words)
    assert status == 1
    assert err.startswith("untold: error: ")
    assert message in err
    assert err.count("\n") == 1


def test_an_out_that_is_a_folder_is_status_2(source, tmp_path, capsys):
    assert run(capsys, "evaluate", "mfcc", source, "--out", tmp_path)[0] == 2


def test_recordings_that_a_folder_lacks_are_counted(source, tmp_path, capsys):
    known_units(source, tmp_path / "units", leave_out=3)
    status, out, _ = run(capsys, "evaluate", tmp_path / "units", source, "--tasks", "bits")
    assert status == 0
    assert "9 of 12 recordings are in every row and are scored" in out


def test_rows_tell_whether_what_is_judged_was_trained_on(source, tmp_path, capsys):
    sounds = sorted(source.rglob("*.wav"))
    table = ["file_name,speaker,split", *(f"{path.relative_to(source)},{path.parent.name},{'test' if path.parent == sounds[-1].parent else 'train'}" for path in sounds)]
    (source / "metadata.csv").write_text("\n".join(table) + "\n")
    train = ("train", "mixture", source, "--steps", "2", "--set", "components=4", "--set", "frames=2000", "--set", "input.warp=none")
    assert run(capsys, *train, "--out", tmp_path / "run")[0] == 0
    told = {}
    for split in ("all", "train", "held_out", "evaluation"):
        assert run(capsys, "evaluate", tmp_path / "run", source, "--tasks", "bits", "--split", split, "--out", tmp_path / f"{split}.csv")[0] == 0
        (told[split],) = {r.conventions["trained_on_this_audio"] for r in scores.read(tmp_path / f"{split}.csv")}
    assert told == {"all": "yes", "train": "yes", "held_out": "no", "evaluation": "no"}
