"""TIMIT in both layouts: sexes, parts, exact times of phones and words."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import soundfile

from untold.contract import Interval
from untold.corpora import open_source, timit


def test_the_sample_of_nltk(shared):
    root = shared / "data/timit-sample"
    assert timit.recognise(root)
    entries = list(timit.read(root, lambda name, why: None, lambda note: None))
    assert len(entries) == 160
    assert sum(len(e.tiers["phones"]) for e in entries) == 6185 and sum(len(e.tiers["words"]) for e in entries) == 1394
    speakers = {e.sides["speaker"]: e.sides["sex"] for e in entries}
    assert Counter(speakers.values()) == {"f": 8, "m": 8}
    assert {e.split for e in entries} == {"train"}  # all sixteen are training speakers of the full corpus
    first = next(e for e in entries if e.id == "dr1-fvmh0/sa1")
    assert first.sides == {"speaker": "dr1-fvmh0", "sex": "f", "language": "en", "dialect": "dr1"}
    assert first.tiers["phones"][1] == Interval(Fraction(7812, 16000), Fraction(9507, 16000), "sh")
    assert [i.label for i in first.tiers["words"]][:3] == ["she", "had", "your"]
    for entry in entries[::16]:
        assert entry.tiers["phones"][-1].end * 16000 <= soundfile.info(entry.file).frames


def test_the_full_layout_as_the_owner_has_it(tmp_path, write):
    for part, region, speaker in (("TRAIN", "DR1", "FCJF0"), ("TEST", "DR8", "MPAM1")):
        folder = tmp_path / "TIMIT" / part / region / speaker
        write(folder / "SA1.WAV", 1.0, format="NIST", subtype="PCM_16")
        (folder / "SA1.PHN").write_text("0 4000 h#\n4000 8000 sh\n8000 16000 h#\n")
        (folder / "SA1.WRD").write_text("4000 8000 she\n")
        (folder / "SA1.TXT").write_text("0 16000 She.\n")
    (tmp_path / "TIMIT" / "DOC").mkdir()
    (tmp_path / "TIMIT" / "TRAIN/DR1/FCJF0/SA1.WAV.wav").write_bytes((tmp_path / "TIMIT/TRAIN/DR1/FCJF0/SA1.WAV").read_bytes())
    corpus = open_source(str(tmp_path / "TIMIT"))
    assert corpus.name == "timit" and list(corpus.ids()) == ["TEST/DR8/MPAM1/SA1", "TRAIN/DR1/FCJF0/SA1"]
    assert corpus.sides("speaker") == ["dr8-mpam1", "dr1-fcjf0"] and corpus.sides("sex") == ["m", "f"]
    assert [r.split for r in corpus] == ["evaluation", "train"]
    assert corpus[0].tiers["phones"][1] == Interval(Fraction(1, 4), Fraction(1, 2), "sh")
    assert corpus[0].tiers["words"] == [Interval(Fraction(1, 4), Fraction(1, 2), "she")]
    assert open_source(f"timit:{tmp_path}").sides("speaker") == ["dr8-mpam1", "dr1-fcjf0"]
    assert [r.split for r in open_source(f"timit:{tmp_path / 'TIMIT' / 'TEST'}")] == ["evaluation"]


def test_damaged_labels_are_skipped_and_the_sound_is_kept(tmp_path, write):
    folder = tmp_path / "dr1-fabc0"
    for name in ("sx1", "sx2", "sx3"):
        write(folder / f"{name}.wav", 1.0)
    (folder / "sx1.phn").write_text("0 16000 h#\n9 x sh\n")
    (folder / "sx2.phn").write_text("0 8000 h#\n9000 8000 sh\n")
    (folder / "sx3.phn").write_text("0 8000 h#\n")
    corpus = open_source(str(tmp_path))
    assert corpus.name == "timit" and len(corpus) == 3
    assert dict(corpus.skipped) == {
        "dr1-fabc0/sx1.phn": "line 2: 'x' is no time in seconds", "dr1-fabc0/sx2.phn": "line 2: ends before it begins",
    }
    assert [len(r.tiers.get("phones", ())) for r in corpus] == [0, 0, 1]


def test_other_folders_are_none(tmp_path, write):
    write(tmp_path / "drums" / "fast.wav")
    (tmp_path / "drums" / "fast.phn").write_text("0.1 0.2 a\n")
    assert not timit.recognise(tmp_path)
