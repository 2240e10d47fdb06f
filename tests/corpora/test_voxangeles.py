"""VoxAngeles: a language is a voice; words and phones from TextGrids."""

from __future__ import annotations

from fractions import Fraction

from untold.contract import Interval
from untold.corpora import open_source, voxangeles
from untold.formats import textgrid


def test_the_subset_beside_the_checkout(shared):
    root, notes = shared / "data/voxangeles", []
    assert voxangeles.recognise(root)
    entries = list(voxangeles.read(root, lambda name, why: None, notes.append))
    assert len(entries) == 432 and len({e.sides["speaker"] for e in entries}) == 36
    assert sum(len(e.tiers["phones"]) for e in entries) == 1665 and all(len(e.tiers["words"]) == 1 for e in entries)
    assert "within speakers only" in notes[0]


def test_tier_names_of_some_files_and_a_damaged_one(tmp_path, write):
    for code in ("aeb", "abk"):
        write(tmp_path / code / f"{code}_word-list_1980_01.wav", 1.0)
        path = tmp_path / code / f"{code}_word-list_1980_01.TextGrid"
        textgrid.write(path, {"phone": [Interval(Fraction(1, 10), Fraction(1, 2), "a")], "word": []}, Fraction(1))
    (tmp_path / "abk" / "abk_word-list_1980_01.TextGrid").write_text("nothing")
    corpus = open_source(str(tmp_path))
    assert corpus.name == "voxangeles" and corpus.sides("speaker") == ["abk", "aeb"] == corpus.sides("language")
    assert corpus[1].tiers["phones"] == [Interval(Fraction(1, 10), Fraction(1, 2), "a")]
    assert [name for name, _ in corpus.skipped] == ["abk/abk_word-list_1980_01.TextGrid"]
