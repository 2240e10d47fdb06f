"""Mboshi: the labels are read 0.07 s earlier, and that is said."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from untold.contract import Interval
from untold.corpora import mboshi, open_source


def test_the_subset_beside_the_checkout(shared):
    root, notes = shared / "data/mboshi", []
    assert mboshi.recognise(root)
    entries = list(mboshi.read(root, lambda name, why: None, notes.append))
    assert Counter(e.sides["speaker"] for e in entries) == {"abiayi": 90, "kouarata": 90, "martial": 35}
    spoken = [i for e in entries for i in e.tiers["phones"] if i.label != "SIL"]
    assert len(spoken) == 4965 and sum(i.label != "SIL" for e in entries for i in e.tiers["words"]) == 1167
    assert {e.tiers["phones"][0].start for e in entries} == {Fraction("0.116") - Fraction("0.07")}
    assert set(notes) == {"the published label times are 0.07 s late against the sound: 0.07 s is subtracted"}
    assert {"Έ", "E", "Ε"} <= {i.label for i in spoken}  # Greek capitals are letters of their own


def test_the_owners_layout_in_small(tmp_path, write):
    for part, name in (("train", "abiayi_2015_x"), ("dev", "martial_2015_y")):
        write(tmp_path / part / f"{name}.wav", 1.0)
        (tmp_path / part / f"{name}.mb").write_text("wa", encoding="utf-8")
        (tmp_path / part / f"{name}.phn").write_text("0.0500 0.1700 SIL\n0.1700 0.3000 W\n0.3000 0.4000 Á\n", encoding="utf-8")
    corpus = open_source(str(tmp_path))
    assert corpus.name == "mboshi" and corpus.sides("speaker") == ["martial", "abiayi"]
    assert [r.split for r in corpus] == ["evaluation", "train"]
    assert corpus[0].tiers["phones"] == [
        Interval(Fraction(0), Fraction(1, 10), "SIL"), Interval(Fraction(1, 10), Fraction(23, 100), "W"),
        Interval(Fraction(23, 100), Fraction(33, 100), "Á"),
    ]
    assert any("0.07 s" in note for note in corpus.notes)
