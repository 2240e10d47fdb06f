"""LibriSpeech in small: parts, speakers, sexes, what was read."""

from __future__ import annotations

from fractions import Fraction

from untold.contract import Interval
from untold.corpora import librispeech, open_source
from untold.formats import textgrid


def build(root, write):
    (root / "SPEAKERS.TXT").parent.mkdir(parents=True, exist_ok=True)
    (root / "SPEAKERS.TXT").write_text("; comment |x\n84   | F | dev-clean        |  8.02 | Christie Nowak\n103  | M | train-clean-100  | 25.0 | K | B\n")
    for part, speaker, chapter in (("dev-clean", "84", "121123"), ("train-clean-100", "103", "1240"), ("train-clean-100", "999", "7")):
        folder = root / part / speaker / chapter
        for number in range(2):
            write(folder / f"{speaker}-{chapter}-{number:04d}.flac", 1.5)
        lines = [f"{speaker}-{chapter}-{number:04d} GO DO YOU HEAR {number}" for number in range(2)]
        (folder / f"{speaker}-{chapter}.trans.txt").write_text("\n".join(lines) + "\n")


def test_the_owners_layout(tmp_path, write):
    build(tmp_path / "LibriSpeech", write)
    corpus = open_source(str(tmp_path / "LibriSpeech"))
    assert corpus.name == "librispeech" and len(corpus) == 6
    assert corpus[0].id == "dev-clean/84/121123/84-121123-0000"
    assert corpus.sides("speaker") == ["84", "84", "103", "103", "999", "999"]
    assert corpus.sides("sex") == ["f", "f", "m", "m", "unknown", "unknown"]
    assert [r.split for r in corpus] == ["evaluation"] * 2 + ["train"] * 4
    assert corpus[1].tiers["utterances"] == [Interval(Fraction(0), Fraction(3, 2), "GO DO YOU HEAR 1")]


def test_one_part_alone_and_the_folder_above(tmp_path, write):
    build(tmp_path / "LibriSpeech", write)
    part = open_source(str(tmp_path / "LibriSpeech" / "dev-clean"))
    assert part.name == "librispeech" and [r.split for r in part] == ["evaluation"] * 2 and part.sides("sex") == ["f", "f"]
    assert part[0].id == "84/121123/84-121123-0000"
    assert open_source(f"librispeech:{tmp_path}").sides("sex").count("m") == 2


def test_alignments_beside_the_sound(tmp_path, write):
    build(tmp_path, write)
    grid = tmp_path / "dev-clean/84/121123/84-121123-0001.TextGrid"
    textgrid.write(grid, {"phones": [Interval(Fraction(0), Fraction(1), "G")], "words": []}, Fraction(3, 2))
    corpus = open_source(str(tmp_path))
    assert corpus[1].tiers["phones"] == [Interval(Fraction(0), Fraction(1), "G")]


def test_other_folders_are_none(tmp_path, write):
    write(tmp_path / "84" / "121123" / "84-121123-0000.flac")
    assert not librispeech.recognise(tmp_path / "84")
