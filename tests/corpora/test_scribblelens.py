"""ScribbleLens in its published layout: scribes from paths, splits from lists, letters from alignments."""

from __future__ import annotations

import zipfile
from fractions import Fraction
from pathlib import Path

import pytest

from untold.contract import TRANSCRIPTION
from untold.corpora import open_source, recognise, scribblelens
from untold.errors import UntoldError

from .test_lines import strokes


def corpus_in_small(root: Path) -> Path:
    """The archive as it unpacks: two forms of lists, transcribed and not, slices beside."""
    home = root / "scribblelens.corpus.v1"
    for seed, name in enumerate(["nl/tasman/12/line1", "nl/tasman/12/line2", "nl/kieft/3.1/line7", "nl/unsupervised/roggeveen/25.1/line3", "nl/unsupervised/neptunus/1/line1"]):
        for form in ("", ".bw"):
            path = home / f"{name.replace('line', f'line{form}')}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            strokes(seed=seed).save(path)
        if "unsupervised" not in name:
            (home / f"{name}.txt").write_text(f"tekst van {name[-1]}\n")
    lists = {
        "nl.gray.lines.train.dat": "nl/tasman/12/line1.jpg nl/tasman/12/line1.txt\nnl/kieft/3.1/line7.jpg nl/kieft/3.1/line7.txt\n",
        "nl.gray.lines.test.dat": "nl/tasman/12/line2.jpg nl/tasman/12/line2.txt\n\n",
        "nl.gray.lines.tasman.train.dat": "nl/tasman/12/line1.jpg nl/tasman/12/line1.txt\n",
        "all.nl.gray.lines.unsupervised.dat": "nl/unsupervised/roggeveen/25.1/line3.jpg\nnl/unsupervised/neptunus/1/line1.jpg\nnl/tasman/12/line1.jpg\n",
        "nl.bw.lines.train.dat": "nl/tasman/12/line.bw1.jpg nl/tasman/12/line1.txt\n",
    }
    (home / "corpora").mkdir()
    for name, text in lists.items():
        (home / "corpora" / name).write_text(text)
    return home


@pytest.mark.parametrize("below", [True, False])
def test_the_published_layout(tmp_path, below):
    home = corpus_in_small(tmp_path / "unpacked")
    root = home if below else home.parent
    assert recognise(str(root)).reader == "scribblelens"
    corpus = open_source(str(root))
    assert list(corpus.ids()) == [
        "nl/tasman/12/line1", "nl/kieft/3.1/line7", "nl/unsupervised/roggeveen/25.1/line3", "nl/unsupervised/neptunus/1/line1", "nl/tasman/12/line2",
    ]
    assert corpus.sides("speaker") == ["tasman", "kieft", "roggeveen.81", "neptunus", "tasman"]
    assert corpus.declared() == ["train"] * 4 + ["evaluation"] and set(corpus.sides("language")) == {"nl"}
    assert [r.tiers[TRANSCRIPTION][0].label if TRANSCRIPTION in r.tiers else "" for r in corpus] == ["tekst van 1", "tekst van 7", "", "", "tekst van 2"]
    assert "those of the gray lists are read" in corpus.notes[0] and not corpus.skipped


@pytest.mark.parametrize(
    ("path", "scribe"),
    [
        ("nl/tasman/12/line1.jpg", "tasman"), ("nl/unsupervised/van.neck.tweede/3/line1.jpg", "van.neck.tweede"), ("nl/neptunus/line4.jpg", "neptunus"),
        ("nl/unsupervised/roggeveen/25.0/line1.jpg", "roggeveen.80"), ("nl/unsupervised/roggeveen/79.1/line1.jpg", "roggeveen.84"),
        ("nl/unsupervised/owic.brieven.49/14.3/line1.jpg", "owic.brieven.49.14"), ("nl/unsupervised/owic.brieven.49/27A.4/line1.jpg", "owic.brieven.49.27A"),
        ("nl/unsupervised/owic.brieven.11/174/line1.jpg", "owic.brieven.11.20"), ("nl/unsupervised/owic.brieven.46/350/line1.jpg", "owic.brieven.46.33"),
        ("nl/unsupervised/roggeveen/x/line1.jpg", "unknown"), ("nl/line1.jpg", "unknown"),
    ],
)
def test_scribes(path, scribe):
    assert scribblelens.scribe(path) == scribe


def alignment(letters: str, head: str = "nl/x.jpg {} targetStr: *x*") -> str:
    rows = [f"{i} {i + 1} {'SPACE' if c == ' ' else c} -0.1" for i, c in enumerate(letters)]
    return "\n".join([head.format(len(letters)), *rows]) + "\n"


def test_letters_of_alignments_beside_and_in_the_archive(tmp_path):
    home = corpus_in_small(tmp_path)
    (home / "nl/tasman/12/line2.ali").write_text(alignment("***aab  *cc"))
    with zipfile.ZipFile(home / "corpora" / "scribblelens.paths.1.4b.zip", "w") as archive:
        archive.writestr("scribblelens.corpus.v1/nl/tasman/12/line1.ali", alignment("xxxyy"))
        archive.writestr("scribblelens.corpus.v1/nl/kieft/3.1/line7.ali", "no alignment")
    corpus = open_source(str(home))
    first, second, third = (next(r for r in corpus if r.id == f"nl/{name}") for name in ("tasman/12/line1", "tasman/12/line2", "kieft/3.1/line7"))
    assert [i.label for i in second.tiers["characters"]] == ["a", "b", " ", "c"]
    left, right = (i.end - i.start for i in first.tiers["characters"])
    assert [i.label for i in first.tiers["characters"]] == ["x", "y"] and float(left / right) == pytest.approx(1.5, rel=0.1)
    assert "characters" not in third.tiers and "no alignment" in dict(corpus.skipped)["nl/kieft/3.1/line7.ali"]
    assert third.tiers[TRANSCRIPTION][0].label == "tekst van 7"


def test_alignments_in_pixels_of_the_picture():
    tier = scribblelens.read_alignment(alignment("aab"), 30)
    assert [(i.start, i.end, i.label) for i in tier] == [(Fraction(0), Fraction(20), "a"), (Fraction(20), Fraction(30), "b")]
    for bad in ("", "x", "x 3\n0 1 a -1\n", "x 1\n0 1 a\n", "x 0\n", "x -1\n"):
        with pytest.raises(ValueError, match=r"alignment|score"):
            scribblelens.read_alignment(bad, 30)


def test_lists_of_strangers_lead_nowhere_else(tmp_path):
    home = corpus_in_small(tmp_path)
    (tmp_path / "secret.txt").write_text("secret")
    strokes().save(tmp_path / "outside.png")
    (home / "nl" / "link.jpg").symlink_to(tmp_path / "outside.png")
    rows = ["../outside.png", "/etc/passwd", "nl/link.jpg", "nl/tasman/12/line1.txt", "nl/absent.jpg", "nl/tasman/12/line2.jpg ../secret.txt", "nl/kieft/3.1/line7.jpg nl/no.txt"]
    (home / "corpora" / "nl.gray.lines.train.dat").write_text("\n".join(rows))
    (home / "corpora" / "nl.gray.lines.test.dat").write_bytes(b"\xff\xfe\xff")
    corpus = open_source(str(home))
    said = dict(corpus.skipped)
    for name in ("../outside.png", "/etc/passwd", "nl/link.jpg", "nl/tasman/12/line2.jpg"):
        assert "leads out" in said.get(name, said.get("../secret.txt", ""))
    assert "no picture" in said["nl/tasman/12/line1.txt"] and said["nl/absent.jpg"] == "no such file" and "not UTF-8" in said["corpora/nl.gray.lines.test.dat"]
    assert "nl/kieft/3.1/line7" in corpus.ids() and "nl/no.txt" in said


def test_a_damaged_archive_of_alignments_is_said(tmp_path):
    home = corpus_in_small(tmp_path)
    (home / "corpora" / "scribblelens.paths.1.4b.zip").write_bytes(b"PK no zip")
    with pytest.raises(UntoldError, match=r"scribblelens\.paths\.1\.4b\.zip: no zip"):
        open_source(str(home))


def test_the_lines_that_mirror_the_layout(shared):
    root = shared / "data" / "handwriting-lines"
    assert recognise(str(root)).reader == "scribblelens"
    corpus = open_source(str(root), limit=24)
    assert len(corpus) == 24 and not corpus.skipped and corpus.transcribed and set(corpus.sides("language")) == {"fr"}
    assert corpus.speakers[0].startswith("will-")
    entries = list(scribblelens.read(root, lambda *_: pytest.fail("skipped"), lambda _: None))
    assert len(entries) == 1273 and len({e.sides["speaker"] for e in entries}) == 47
    assert sum(e.split == "evaluation" for e in entries) == 203
    assert sum(len(e.tiers[TRANSCRIPTION][0].label) for e in entries) == pytest.approx(47_004, abs=30)
