"""Folders of pictures of lines: ids, scribes, texts and directions; what cannot be read is named."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.pictures import strokes
from untold.contract import TRANSCRIPTION
from untold.corpora import _lines, open_source
from untold.corpora._lines import MEDIUM, on_file
from untold.errors import UntoldError


def line(folder: Path, name: str, text: str | bytes | None = None, ending: str = ".txt", seed: int = 0) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    strokes(seed=seed).save(path)
    if text is not None:
        stem = path.name.split(".")[0]
        (path.parent / (stem + ending)).write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def texts(corpus) -> dict[str, str]:
    return {r.id: r.tiers[TRANSCRIPTION][0].label for r in corpus if TRANSCRIPTION in r.tiers}


def test_ids_scribes_and_texts(tmp_path):
    line(tmp_path, "anna/1.png", "  een  regel\n")
    line(tmp_path, "anna/2.bin.png", "cafe\u0301", ".gt.txt", seed=1)
    line(tmp_path, "unknown/3.PNG", seed=2)
    line(tmp_path, "4.jpg", seed=3)
    corpus = open_source(str(tmp_path))
    assert corpus.name == "lines" and corpus.axis == "pixel" and "4 lines" in corpus.description
    assert sorted(corpus.ids()) == ["4", "anna/1", "anna/2", "unknown/3"]
    assert dict(zip(corpus.ids(), corpus.sides("speaker"), strict=True)) == {"anna/1": "anna", "anna/2": "anna", "unknown/3": "unknown", "4": "unknown"}
    assert texts(corpus) == {"anna/1": "een regel", "anna/2": "café"}
    signal = corpus[0].signals["line"]
    assert signal.grid.unit == "pixel" and signal.grid.rate == 1 and signal.grid.first == Fraction(1, 2) and signal.shape == (64,)
    whole = next(r for r in corpus if r.id == "anna/1")
    tier = whole.tiers[TRANSCRIPTION]
    assert len(tier) == 1 and (tier[0].start, tier[0].end) == (0, whole.length)


def test_two_lines_with_one_id_are_refused(tmp_path):
    line(tmp_path, "a/1.png")
    line(tmp_path, "a/1.bin.png")
    with pytest.raises(UntoldError, match=r"two lines have one id: a/1\.bin\.png and a/1\.png"):
        open_source(str(tmp_path))


def test_texts_that_cannot_be_read_are_named_and_their_lines_stay(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    folder = tmp_path / "lines"
    line(folder, "a/1.png", "ü".encode("latin-1"))
    line(folder, "a/2.png", b"x" * 70_000)
    line(folder, "a/3.png", "well")
    line(folder, "a/4.png")
    (folder / "a/4.txt").symlink_to(outside)
    line(folder, "a/5.png", " \n")
    corpus = open_source(str(folder))
    assert len(corpus) == 5 and texts(corpus) == {"a/3": "well"}
    said = dict(corpus.skipped)
    assert "not UTF-8" in said["a/1.txt"] and "too large" in said["a/2.txt"] and "leads out" in said["a/4.txt"] and len(said) == 3


def test_bad_pictures_are_skipped_by_name_and_most_of_them_are_an_error(tmp_path):
    line(tmp_path, "a/1.png")
    line(tmp_path, "a/2.png", seed=1)
    (tmp_path / "a/3.png").write_text("not a picture")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a/link.png").symlink_to("/etc/passwd")
    corpus = open_source(str(tmp_path))
    assert list(corpus.ids()) == ["a/1", "a/2"]
    assert dict(corpus.skipped) == {"a/3.png": "not a picture", "a/link.png": "a link that leads out of the folder"}
    (tmp_path / "a/4.png").write_bytes(b"")
    with pytest.raises(UntoldError, match="more than half cannot be read"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("text", ["שלום עולם", "مرحبا 12"])
def test_leftward_lines_are_stored_as_they_are_read(tmp_path, text):
    folder = tmp_path / "lines"
    line(folder, "a/1.png", "left to right")
    rightward = open_source(str(folder))[0]
    plain = rightward.signals["line"].read_stored(0, rightward.signals["line"].steps)  # type: ignore[attr-defined]
    (folder / "a/1.txt").write_text(text, encoding="utf-8")
    corpus = open_source(str(folder))
    recording, facts = corpus[0], corpus.origin(0).facts
    mirrored = recording.signals["line"].read_stored(0, len(plain))  # type: ignore[attr-defined]
    assert np.array_equal(mirrored, plain[::-1]) and recording.sides["direction"] == "rtl"
    assert recording.tiers[TRANSCRIPTION][0].label == text and recording.tiers[TRANSCRIPTION][0].end == recording.length
    assert on_file(facts, 0, 32)[0] > on_file(facts, len(plain), 32)[0]
    assert "from right to left" in " ".join(corpus.notes)
    place = MEDIUM.place(Fraction(100), facts)
    assert on_file(facts, float(place), 32)[0] == pytest.approx(100, abs=0.05)


def test_the_direction_can_be_told_for_a_scribe(tmp_path):
    line(tmp_path, "a/1.png", "1234")
    assert "direction" not in open_source(str(tmp_path))[0].sides
    (tmp_path / "speakers.csv").write_text("speaker,direction\na,rtl\n")
    corpus = open_source(str(tmp_path))
    assert corpus[0].sides["direction"] == "rtl" and corpus.origin(0).facts["rtl"]


def test_sounds_and_pictures_are_told_apart(tmp_path, write):
    write(tmp_path / "a" / "1.wav")
    line(tmp_path, "a/cover.png")
    assert open_source(str(tmp_path)).name == "folder"


def test_the_second_opening_decodes_nothing_and_a_change_only_what_changed(tmp_path, monkeypatch):
    for number in range(3):
        line(tmp_path, f"a/{number}.png", seed=number)
    seen = []
    plain = _lines.Line.decode
    monkeypatch.setattr(_lines.Line, "decode", lambda self, entry, facts: (seen.append(entry.id), plain(self, entry, facts))[1])
    open_source(str(tmp_path))
    open_source(str(tmp_path))
    assert seen == ["a/0", "a/1", "a/2"]
    line(tmp_path, "a/1.png", seed=9)
    open_source(str(tmp_path))
    assert seen[3:] == ["a/1"]


def test_real_lines_are_read(shared):
    corpus = open_source(str(shared / "data" / "caroline-minuscule-lines"), limit=40)
    assert len(corpus) == 40 and not corpus.skipped and len(texts(corpus)) == 40
    widths = corpus.steps() / [len(text) for text in texts(corpus).values()]
    assert 8 < np.median(widths) < 40  # columns of a letter
    inks = [r.signals["line"].read(0, r.signals["line"].steps) for r in corpus]
    assert all(0.02 < ink.mean() < 0.4 and ink.max() > 0.9 for ink in inks)
