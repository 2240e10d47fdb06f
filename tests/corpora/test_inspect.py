"""untold inspect: what a person and a program are told of a source."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from untold.cli import main
from untold.contract import Interval
from untold.corpora import Corpus, _cache, mboshi, open_source
from untold.corpora._lag import is_vowel, lag
from untold.formats import textgrid


def test_in_words(shared, capsys):
    assert main(["inspect", str(shared / "data/unlabelled-speech"), "--limit", "40", "--quiet"]) == 0
    out, err = capsys.readouterr()
    first = out.splitlines()[0]
    assert first.startswith("a folder of 40 recordings (opus)") and first.endswith("no labels")
    assert "files: 16000 Hz, 1 channel (40)" in out and "splits: train" in out and err == ""


def test_json_is_one_object(tmp_path, write, capsys):
    write(tmp_path / "mary" / "a.wav", rate=8000)
    write(tmp_path / "mary" / "b.wav", channels=2)
    (tmp_path / "mary" / "c.wav").write_bytes(b"")
    assert main(["inspect", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["recordings"] == 2 and facts["speakers"] == 1 and facts["seconds"] == 2.0
    assert facts["kinds"] == {"16000 Hz, 2 channels": 1, "8000 Hz, 1 channel": 1} and facts["axis"] == "second"
    assert facts["skipped"] == 1 and facts["skipped_first"] == [{"name": "mary/c.wav", "reason": "empty file"}]
    assert facts["splits"] == {"train": 1, "held_out": 1, "evaluation": 0}


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n" + b"\0" * 30, b"", b"\xff\xd8\xff"])
def test_a_folder_with_a_damaged_image_is_one_line(tmp_path, capsys, data):
    (tmp_path / "a.png").write_bytes(data)
    assert main(["inspect", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("untold: error: ") and err.count("\n") == 1


def test_names_cannot_speak_as_the_program(tmp_path, write, capsys):
    for name in "abc":
        write(tmp_path / f"{name}.wav")
    (tmp_path / "x\x1b[2J\nuntold: error: no.wav").write_bytes(b"")
    assert main(["inspect", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "x\\x1b[2J\\nuntold: error: no.wav: empty file" in out


def test_vowels_are_told_by_their_labels():
    assert all(map(is_vowel, ["aa", "IH1", "ə", "ɔː", "á", "Ω", "œ"]))
    assert not any(map(is_vowel, ["t", "sil", "h#", "pau", "epi", "en", "", "ʃ", "SIL", "_", "y"]))


def _moved(place, milliseconds: int) -> None:
    """Bursts of vowels and hiss between silences, labelled late by so much."""
    draw = np.random.default_rng(0)
    for number in range(6):
        sound, rows, at = draw.normal(size=16000 * 6) * 1e-4, [], 0.3
        while at < 5.2:
            for label, length, level in (("s", draw.uniform(0.06, 0.12), 0.02), ("a", draw.uniform(0.08, 0.2), 0.3), ("sil", draw.uniform(0.1, 0.3), 0.0)):
                first, last = int(at * 16000), int((at + length) * 16000)
                sound[first:last] += level * draw.normal(size=last - first)
                rows.append(Interval(Fraction(first, 16000), Fraction(last, 16000), label))
                at += length
        soundfile.write(place / f"r{number}.wav", np.clip(sound, -1, 1), 16000)
        move = Fraction(milliseconds, 1000)
        rows = [Interval(r.start + move, r.end + move, r.label) for r in rows]
        textgrid.write(place / f"r{number}.TextGrid", {"phones": rows}, Fraction(6))


@pytest.mark.parametrize("late", [0, 70, -45])
def test_the_lag_of_labels_is_found_and_warned_of(tmp_path, late, capsys):
    _moved(tmp_path, late)
    found = lag(open_source(str(tmp_path)), "phones")
    assert found is not None and found.mask == "vowels"
    assert abs(found.seconds * 1000 - late) <= 4
    assert main(["inspect", str(tmp_path)]) == 0
    assert (f"warning: the labels of phones are {abs(found.seconds) * 1000:.0f} ms" in capsys.readouterr().out) == (late != 0)


@pytest.mark.parametrize("source", ["timit:timit-sample", "emodb:emodb", "voxangeles:voxangeles", "mboshi:mboshi"])
def test_labels_of_real_corpora_do_not_lag(shared, source):
    name, _, folder = source.partition(":")
    found = lag(open_source(f"{name}:{shared / 'data' / folder}", limit=100), "phones")
    assert found is not None and abs(found.seconds) < 0.02 and not found.warns


def test_mboshi_as_published_is_late(shared, tmp_path):
    """The owner's times are 70 ms late; the reader takes that off, and here it is put back."""
    late = Fraction(7, 100)
    with _cache.Writer(tmp_path / "slot", "x") as writer:
        for entry in mboshi.read(shared / "data/mboshi", writer.skip, writer.note):
            rows = [Interval(i.start + late, i.end + late, i.label) for i in entry.tiers["phones"]]
            writer.add(replace(entry, tiers={"phones": rows}))
        build = writer.finish(name="mboshi", title="Mboshi", limit=None, split="all", speakers_from="")
    found = lag(Corpus(build, "mboshi"), "phones")
    assert found is not None and 0.06 < found.seconds < 0.09 and found.warns
