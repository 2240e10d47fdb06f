"""What a person, a disk or a stranger may get wrong: status, one line, and nothing lost."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file, save_file

from untold.cli import main
from untold.formats.tensors import digest

from ..sounds import SMALL, sets, write_sounds

STILL = ["--threads", "1", "--device", "cpu", "--quiet"]


@pytest.fixture(scope="module", name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A source and a trained RUN."""
    place = tmp_path_factory.mktemp("bad")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTOLD_CACHE", str(place / "cache"))
        write_sounds(place / "sounds")
        assert main(["train", "vq_vae", str(place / "sounds"), "--steps", "2", "--out", str(place / "run"), *sets(SMALL), *STILL]) == 0
        yield place


@pytest.fixture(name="run")
def _run(place: Path, tmp_path: Path) -> Path:
    """A copy of the RUN to damage."""
    return Path(shutil.copytree(place / "run", tmp_path / "run"))


@pytest.fixture(name="fails")
def _fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must end with status 1 and one line, and gives the line."""

    def fails(*words: object) -> str:
        assert main([*map(str, words), *STILL]) == 1
        said = capsys.readouterr().err
        assert said.startswith("untold: error: ")
        assert said.count("\n") == 1
        assert "Traceback" not in said
        return said

    return fails


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def told(run: Path) -> dict[str, object]:
    return json.loads((run / "run.json").read_text())


def edit(run: Path, **values: object) -> None:
    (run / "run.json").write_text(json.dumps({**told(run), **values}))


# a RUN that is none, or is damaged ----------------------------------------------------------------------------------


def test_a_run_of_another_version(run, place, fails, tmp_path):
    edit(run, format=7, versions={"untold": "9.1"})
    said = fails("tokenize", run, place / "sounds", "--out", tmp_path / "out")
    assert "made by untold 9.1" in said and "format 7" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '"x"', "[" * 100_000, '{"format": 1}', '{"format": 1, "method": 3}', "\x00\xff"])
def test_a_run_json_that_is_none(text, run, place, fails, tmp_path):
    (run / "run.json").write_text(text)
    assert "run.json" in fails("encode", run, place / "sounds", "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("key", "value"),
    [("method", "os.system"), ("settings", []), ("settings", {"batch": "many"}), ("settings", {"encoder": {"name": "os.system"}}), ("sides", {"speaker": 3}),
     ("sides", {"speaker": [1]}), ("seed", "x"), ("seed", 10**40), ("cost", []), ("planned", {"phases": {"train": "x"}}), ("source", None), ("sha256", 5)],
)  # fmt: skip
def test_a_run_json_with_a_damaged_value(key, value, run, place, fails, tmp_path):
    edit(run, **{key: value})
    fails("encode", run, place / "sounds", "--out", tmp_path / "out")


@pytest.mark.parametrize("change", [{"encoder": {"width": 4000}}, {"bottleneck": {"size": 1 << 20, "dimensions": 4096}}, {"decoder": {"width": 8192, "layers": 20}}])
def test_settings_of_another_size_allocate_nothing(change, run, place, fails, tmp_path):
    settings = told(run)["settings"]
    for key, inner in change.items():
        settings[key] |= inner
    edit(run, settings=settings)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "does not fit the settings" in fails("encode", run, place / "sounds", "--out", tmp_path / "out")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def flipped(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 64]) + data[-8:]


@pytest.mark.parametrize("damage", [lambda d: d[:100], lambda d: d[:-7], lambda d: b"", flipped, lambda d: b"\x80\x04" + d, lambda d: b"\xff" * 16 + d[16:]])
def test_weights_that_are_damaged(damage, run, place, fails, tmp_path):
    path = run / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    assert "model.safetensors" in fails("tokenize", run, place / "sounds", "--out", tmp_path / "out")


@pytest.mark.parametrize(("change", "said"), [("nan", "not finite"), ("shape", "does not fit"), ("missing", "does not fit"), ("more", "does not fit")])
def test_weights_that_were_exchanged(change, said, run, place, fails, tmp_path):
    path = run / "model.safetensors"
    weights = load_file(path)
    name = "method.projection.weight"
    if change == "nan":
        weights[name][0, 0] = np.nan
    elif change == "shape":
        weights[name] = weights[name][:-1].copy()
    elif change == "missing":
        del weights[name]
    else:
        weights["method.more"] = np.zeros(3, np.float32)
    save_file(weights, path)
    edit(run, sha256=digest(path.read_bytes()))
    assert said in fails("encode", run, place / "sounds", "--out", tmp_path / "out")


def test_weights_that_are_not_there_yet(run, place, fails, tmp_path):
    (run / "model.safetensors").unlink()
    assert f"--resume {run}" in fails("encode", run, place / "sounds", "--out", tmp_path / "out")


def test_a_damaged_state_gives_way_to_the_one_before_or_to_a_new_beginning(run, place):
    whole = (run / "model.safetensors").read_bytes()
    states = sorted(p for p in (run / "resume").iterdir() if p.is_dir() and p.name[0].isdigit())
    assert len(states) == 2
    for state in reversed(states):
        for file in state.iterdir():
            file.write_bytes(b"\x80\x04garbage")
        assert main(["train", "vq_vae", str(place / "sounds"), "--steps", "2", "--resume", str(run), *sets(SMALL), *STILL]) == 0
        assert (run / "model.safetensors").read_bytes() == whole
    shutil.rmtree(run / "resume")
    assert main(["train", "vq_vae", str(place / "sounds"), "--steps", "2", "--resume", str(run), *sets(SMALL), *STILL]) == 0
    assert (run / "model.safetensors").read_bytes() == whole


# words --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "vqvae", "SOUNDS"], "vq_vae"),
        (["train", "vq_vae", "SOUNDS", "--set", "bottleneck.sise=4"], "'sise'"),
        (["train", "vq_vae", "SOUNDS", "--set", "bottleneck.size=1"], "out of range"),
        (["train", "vq_vae", "SOUNDS", "--set", "bottleneck.size=many"], "int expected"),
        (["train", "vq_vae", "SOUNDS", "--set", "learning_rate=nan"], "float expected"),
        (["train", "vq_vae", "SOUNDS", "--set", "bottleneck"], "write name=value"),
        (["train", "vq_vae", "SOUNDS", "--set", "encoder=lstm"], "lstm"),
        (["train", "vq_vae", "SOUNDS", "--steps", "0"], "at least 1"),
        (["train", "vq_vae", "SOUNDS", "--steps", "2", "--minutes", "1"], "not both"),
        (["train", "vq_vae", "SOUNDS", "--minutes", "-1"], "more than 0"),
        (["train", "vq_vae", "SOUNDS", "--minutes", "nan"], "more than 0"),
        (["train", "vq_vae", "SOUNDS", "--seed", "-1"], "--seed -1"),
        (["train", "vq_vae", "SOUNDS", "--set", "bottleneck.size=65536"], "larger than the data"),
        (["train", "mixture", "SOUNDS", "--set", "components=60000"], "larger than the data"),
        (["train", "vq_vae", "nowhere"], "no such folder"),
        (["train", "vq_vae", "SOUNDS", "--resume", "nowhere"], "no run to go on with"),
        (["encode", "RUN", "SOUNDS", "--point", "condishn"], "condition"),
        (["encode", "mffc", "SOUNDS"], "mfcc"),
        (["encode", "vq_vae", "SOUNDS"], "has to be trained first"),
        (["encode", "mfcc:deltas=maybe", "SOUNDS"], "yes or no"),
        (["encode", "SOUNDS", "SOUNDS"], "neither a RUN"),
        (["tokenize", "mfcc", "SOUNDS"], "untold codebook"),
        (["tokenize", "RUN", "SOUNDS", "--format", "midi"], "midi"),
        (["codebook", "mfcc", "SOUNDS", "--size", "1"], "--size 1"),
        (["codebook", "mfcc", "SOUNDS", "--size", "100000"], "larger than the data"),
        (["codebook", "mfcc", "SOUNDS", "--size", "4", "--seed", "-3"], "--seed -3"),
        (["convert", "RUN", "SOUNDS", "--to", "s2"], "s0, s1"),
        (["reconstruct", "RUN"], "give recordings, or a units file"),
        (["reconstruct", "RUN", "SOUNDS", "--speaker", "nobody"], "speaker"),
    ],
)  # fmt: skip
def test_words_that_cannot_be(words, said, place, fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"SOUNDS": place / "sounds", "RUN": place / "run"}
    out = [] if "--resume" in words else ["--out", tmp_path / "out"]
    assert said in fails(*(names.get(word, word) for word in words), *out)
    assert not (tmp_path / "out" / "run.json").exists()


@pytest.mark.parametrize("words", [["--limit", "0"], ["--threads", "0"], ["--limit", "x"], ["--device", "tpu"], ["--precision", "fp8"]])
def test_options_that_are_off_are_status_2(words, place, capsys, tmp_path):
    with pytest.raises(SystemExit) as stop:
        main(["train", "vq_vae", str(place / "sounds"), "--out", str(tmp_path / "out"), *words])
    assert stop.value.code == 2
    assert "untold: error: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# what holds something is kept ---------------------------------------------------------------------------------------


def test_a_run_is_not_overwritten_unless_told(run, place, fails):
    before = files(run)
    assert "--resume" in fails("train", "vq_vae", place / "sounds", "--steps", 2, "--out", run, *sets(SMALL))
    for command in ("encode", "tokenize", "reconstruct"):
        assert "--force" in fails(command, place / "run", place / "sounds", "--out", run)
    assert "--force" in fails("codebook", "mfcc", place / "sounds", "--size", 4, "--out", run)
    assert files(run) == before
    assert main(["train", "vq_vae", str(place / "sounds"), "--steps", "1", "--out", str(run), "--force", *sets(SMALL), *STILL]) == 0
    assert told(run)["planned"]["steps"] == 1


@pytest.mark.parametrize("words", [["--steps", "3"], ["--minutes", "1"], ["--steps", "2", "--seed", "1"], ["--steps", "2", "--set", "learning_rate=0.5"], ["--steps", "2", "--limit", "3"]])
def test_a_run_is_not_resumed_with_other_settings(words, run, place, fails):
    before = files(run)
    said = fails("train", "vq_vae", place / "sounds", "--resume", run, *sets(SMALL), *words)
    assert "other settings" in said
    assert told(run)["command"] in said  # what to type instead
    assert files(run) == before
    assert "give one of them" in fails("train", "vq_vae", place / "sounds", "--steps", 2, "--resume", run, "--out", run / "x", *sets(SMALL))


@pytest.mark.parametrize("command", ["train", "encode", "tokenize", "reconstruct"])
def test_a_full_disk(command, place, run, fails, tmp_path):
    """A limit on the size of files stands in for the disk: the same error from the same call."""
    kept, before = files(run), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000 if command == "train" else 2000, before[1]))
    try:
        if command == "train":
            said = fails("train", "vq_vae", place / "sounds", "--steps", 2, "--out", tmp_path / "new", *sets(SMALL))
        else:
            said = fails(command, place / "run", place / "sounds", "--out", tmp_path / "new", *(["--point", "encoder"] if command == "encode" else []))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "make room" in said
    assert files(run) == kept
    assert not [p for p in (tmp_path / "new").rglob("*") if p.suffix == ".part"]
    if command == "train":  # and with room again it goes on
        assert main(["train", "vq_vae", str(place / "sounds"), "--steps", "2", "--resume", str(tmp_path / "new"), *sets(SMALL), *STILL]) == 0
        assert (tmp_path / "new/model.safetensors").read_bytes() == (place / "run/model.safetensors").read_bytes()


# sound and units ----------------------------------------------------------------------------------------------------


def write(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples.astype(np.float32), 16000)


def test_more_than_half_bad_recordings_and_short_ones(place, fails, tmp_path, capsys):
    source = Path(shutil.copytree(place / "sounds", tmp_path / "sounds"))
    for number in range(5):
        (source / f"bad{number}.wav").write_bytes(b"this is text")
    write(source / "none.wav", np.zeros(0))
    assert main(["encode", "mfcc", str(source), "--out", str(tmp_path / "out"), *STILL[:-1]]) == 0
    said = capsys.readouterr().out
    assert "skipped: 6" in said and "bad3" in said and "none" in said
    for number in range(5, 9):
        (source / f"bad{number}.wav").write_bytes(b"this is text")
    before = files(tmp_path / "out")
    assert "more than half" in fails("encode", "mfcc", source, "--out", tmp_path / "out", "--force")
    assert files(tmp_path / "out") == before


def test_recordings_of_a_frame_are_read(place, tmp_path):
    source = tmp_path / "sounds"
    shutil.copytree(place / "sounds", source)
    write(source / "s0/short.wav", np.random.default_rng(0).normal(0, 0.1, 410))
    write(source / "s0/silent.wav", np.zeros(16000))
    for command, what in (("encode", "mfcc"), ("encode", place / "run"), ("tokenize", place / "run"), ("reconstruct", place / "run")):
        out = tmp_path / f"{command}-{Path(what).name}"
        assert main([command, str(what), str(source), "--out", str(out), *STILL]) == 0
        for array in out.rglob("*.npy"):
            assert np.isfinite(np.load(array)).all()
    assert len(np.load(tmp_path / "encode-mfcc/s0/short.npy")) in (1, 2, 3)


def units(path: Path, **line: object) -> Path:
    path.write_text(json.dumps({"audio": "a.wav", "units": [1, 2], "durations": [2, 3], "alphabet": 16, "rate": "50", "first": "1/100", **line}) + "\n")
    return path


@pytest.mark.parametrize(
    ("line", "said"),
    [({"alphabet": 17}, "not of this model"), ({"rate": "100", "first": "1/200"}, "not of this model"), ({"units": [], "durations": []}, "no units"),
     ({"units": [1, 16]}, "alphabet of 16"), ({"audio": "../a.wav"}, "leads out"), ({"durations": [2]}, "durations"), ({"starts": [0, 90000.0]}, "hours")],
)  # fmt: skip
def test_units_that_cannot_be_heard(line, said, place, fails, tmp_path):
    path = units(tmp_path / "units.jsonl", **line)
    assert said in fails("reconstruct", place / "run", "--from-units", path, "--out", tmp_path / "out")
    assert not list(tmp_path.rglob("*.wav"))


def test_units_of_this_model_are_heard(place, tmp_path):
    assert main(["reconstruct", str(place / "run"), "--from-units", str(units(tmp_path / "units.jsonl")), "--out", str(tmp_path / "out"), *STILL]) == 0
    assert soundfile.info(tmp_path / "out/a.wav").duration == pytest.approx(0.1, abs=0.02)


# codebooks ----------------------------------------------------------------------------------------------------------


def test_codebooks_that_are_damaged_or_of_something_else(place, fails, tmp_path):
    book = tmp_path / "book"
    assert main(["codebook", str(place / "run"), str(place / "sounds"), "--size", "5", "--point", "condition", "--out", str(book), *STILL]) == 0
    whole = files(book)

    def again(**said: object) -> str:
        (book / "codebook.json").write_text(json.dumps({**json.loads(whole["codebook.json"]), **said}))
        return fails("tokenize", book, place / "sounds", "--out", tmp_path / "out")

    assert "hash differs" in again(hash="0" * 64)
    assert "codebook of another codebook" in again(what=str(book))
    assert "no such folder" in again(what="a/b")
    assert "point" in again(point="nowhere")
    assert "steps per" in again(rate="30")
    (book / "codebook.json").write_bytes(whole["codebook.json"])
    arrays = load_file(book / "codebook.safetensors")
    for change in ({"mean": arrays["mean"][:3]}, {"scale": arrays["scale"] * 0}, {"codewords": arrays["codewords"] * np.nan}, {"codewords": arrays["codewords"][:, :4].copy()}):
        save_file({**arrays, **change}, book / "codebook.safetensors")
        fails("tokenize", book, place / "sounds", "--out", tmp_path / "out")
    save_file({k: v for k, v in arrays.items() if k != "scale"}, book / "codebook.safetensors")
    fails("tokenize", book, place / "sounds", "--out", tmp_path / "out")
    (book / "codebook.safetensors").write_bytes(b"\x80\x04")
    fails("tokenize", book, place / "sounds", "--out", tmp_path / "out")
    (book / "codebook.safetensors").write_bytes(whole["codebook.safetensors"])
    assert not (tmp_path / "out/units.jsonl").exists()
    assert main(["tokenize", str(book), str(place / "sounds"), "--out", str(tmp_path / "out"), "--force", *STILL]) == 0
