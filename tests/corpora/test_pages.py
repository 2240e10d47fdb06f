"""Pages with ALTO or PAGE XML: each line once, cut by its outline; what does not fit is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from untold.contract import TRANSCRIPTION
from untold.corpora import open_source, pages
from untold.corpora._lines import on_file
from untold.errors import UntoldError

from .test_lines import star, strokes


def picture(path: Path, size: tuple[int, int] = (400, 300), lines: int = 3) -> Path:
    """A page with lines of strokes at 20, 110, 200."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page = Image.new("L", size, 225)
    for number in range(lines):
        page.paste(strokes(300, 64, seed=number).crop((10, 4, 290, 60)), (30, 20 + 90 * number))
    page.save(path)
    return path


def corners(top: int) -> list[tuple[int, int]]:
    return [(25, top), (315, top), (315, top + 60), (25, top + 60)]


def as_alto(path: Path, named: str = "1.png", outlines: dict[str, list] | None = None, size: tuple[int, int] = (400, 300)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    outlines = outlines if outlines is not None else {f"l{i}": corners(18 + 90 * i) for i in range(3)}
    lines = "".join(
        f'<TextLine ID="{name}"><Shape><Polygon POINTS="{" ".join(f"{x} {y}" for x, y in points)}"/></Shape><String CONTENT="text {name}"/></TextLine>'
        for name, points in outlines.items()
    )
    path.write_text(
        f"<alto><Description><sourceImageInformation><fileName>{named}</fileName></sourceImageInformation></Description>"
        f'<Layout><Page WIDTH="{size[0]}" HEIGHT="{size[1]}"><PrintSpace>{lines}</PrintSpace></Page></Layout></alto>', encoding="utf-8",
    )  # fmt: skip
    return path


def as_page(path: Path, named: str = "1.png") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(
        f'<TextLine id="l{i}"><Coords points="{" ".join(f"{x},{y}" for x, y in corners(18 + 90 * i))}"/><TextEquiv><Unicode>text l{i}</Unicode></TextEquiv></TextLine>'
        for i in range(3)
    )
    path.write_text(f'<PcGts><Page imageFilename="{named}" imageWidth="400" imageHeight="300"><TextRegion>{lines}</TextRegion></Page></PcGts>')
    return path


@pytest.mark.parametrize("write", [as_alto, as_page])
def test_lines_of_a_page(tmp_path, write):
    picture(tmp_path / "anna" / "1.png")
    write(tmp_path / "anna" / "1.xml")
    (tmp_path / "anna" / "METS.xml").write_text("<mets/>")
    corpus = open_source(str(tmp_path))
    assert corpus.name == "pages" and list(corpus.ids()) == ["anna/1/l0", "anna/1/l1", "anna/1/l2"] and not corpus.skipped
    assert corpus.speakers == ("anna",)
    assert [r.tiers[TRANSCRIPTION][0].label for r in corpus] == ["text l0", "text l1", "text l2"]
    for number in range(3):
        recording, origin = corpus[number], corpus.origin(number)
        assert recording.tiers[TRANSCRIPTION][0].end == recording.length
        left, top = on_file(origin.facts, 0, 0)
        right, bottom = on_file(origin.facts, float(recording.length), 64)
        assert 0 <= left < 60 and 280 < right < 340 and 18 + 90 * number - 20 < top < bottom < 78 + 90 * number + 20


def test_a_page_that_two_files_describe_is_read_once(tmp_path):
    picture(tmp_path / "a" / "1.png")
    as_alto(tmp_path / "a" / "alto" / "1.xml")
    as_page(tmp_path / "a" / "page" / "1.xml")
    corpus = open_source(str(tmp_path))
    assert len(corpus) == 3 and not corpus.skipped
    assert corpus.notes[0] == "1 page has a second description, which is not read: a/alto/1.xml is, a/page/1.xml is not"


def test_the_picture_may_lie_above_or_elsewhere(tmp_path):
    picture(tmp_path / "images" / "1.png")
    picture(tmp_path / "deep" / "2.png")
    as_alto(tmp_path / "xml" / "one.xml")
    as_alto(tmp_path / "deep" / "a" / "b" / "two.xml", "2.png")
    as_alto(tmp_path / "three.xml", "./images/3.png")
    picture(tmp_path / "images" / "3.png")
    corpus = open_source(str(tmp_path))
    assert {i.rpartition("/")[0] for i in corpus.ids()} == {"images/1", "deep/2", "images/3"} and not corpus.skipped


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("absent.png", "its picture 'absent.png' is not there"), ("../outside.png", "leads out of the folder"), ("", "names no picture"),
        ("/etc/passwd", "leads out of the folder"), ("a\\..\\x.png", "leads out of the folder"), ("link.png", "leads out of the folder"),
        ("twice.png", "2 pictures have the name"), ("page.xml", "is not there"), ("x" * 300 + ".png", "is not there"),
    ],
)
def test_what_an_xml_may_name(tmp_path, named, said):
    folder = tmp_path / "pages"
    picture(tmp_path / "outside.png")
    picture(folder / "1.png")
    for place in ("a", "b"):
        picture(folder / place / "twice.png")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    as_alto(folder / "1.xml")
    as_alto(folder / "page.xml", named)
    corpus = open_source(str(folder))
    assert len(corpus) == 3 and said in dict(corpus.skipped)["page.xml"]


def test_bad_files_have_one_line_each(tmp_path):
    for name in "abcd":
        picture(tmp_path / f"{name}.png")
    as_alto(tmp_path / "a.xml", "a.png")
    as_alto(tmp_path / "b.xml", "b.png", size=(800, 600))
    as_alto(tmp_path / "c.xml", "c.png", outlines={})
    (tmp_path / "d.xml").write_text('<!DOCTYPE alto [<!ENTITY x SYSTEM "file:///etc/passwd">]><alto>&x;</alto>')
    with pytest.raises(UntoldError, match=r"no usable recording|more than half"):
        open_source(str(_only(tmp_path, "bcd")))
    corpus = open_source(str(tmp_path))
    said = dict(corpus.skipped)
    assert len(corpus) == 3 and set(said) == {"b.xml", "c.xml", "d.xml"}
    assert said["b.xml"] == "it tells a page of 800 x 600 pixels, its picture b.png has 400 x 300"
    assert said["c.xml"] == "a page without lines" and "document type" in said["d.xml"]


def _only(folder: Path, names: str) -> Path:
    out = folder.parent / "only"
    out.mkdir()
    for name in names:
        for ending in (".png", ".xml"):
            (out / f"{name}{ending}").write_bytes((folder / f"{name}{ending}").read_bytes())
    return out


def test_a_truncated_picture_is_skipped_line_by_line(tmp_path):
    data = picture(tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    picture(tmp_path / "b.png")
    as_alto(tmp_path / "a.xml", "a.png")
    as_alto(tmp_path / "b.xml", "b.png")
    corpus = open_source(str(tmp_path))
    assert len(corpus) == 3 and all("truncated" in reason for _, reason in corpus.skipped) and corpus.skipped_count == 3


def test_lines_whose_outlines_overlap_cross_or_lie_outside(tmp_path):
    picture(tmp_path / "1.png")
    outlines = {
        "one": corners(18), "over": corners(40), "star": list(star((170, 140), 45)), "tie": [(25, 200), (315, 260), (315, 200), (25, 260)],
        "out": [(900, 900), (950, 900), (950, 950)], "flat": [(5, 5), (5, 5), (5, 5)], "blank": [(330, 10), (395, 10), (395, 200), (330, 200)],
    }
    as_alto(tmp_path / "1.xml", outlines=outlines)
    corpus = open_source(str(tmp_path))
    assert list(corpus.ids()) == ["1/one", "1/over", "1/star", "1/tie"]
    said = {name.rpartition("/")[2]: reason for name, reason in corpus.skipped}
    assert said == {
        "out.png": "its polygon lies outside of the page", "flat.png": "its polygon holds no pixels",
        "blank.png": "a blank line: nothing stands out from the paper",
    }


def test_a_line_without_a_place_is_named(tmp_path):
    picture(tmp_path / "1.png")
    as_alto(tmp_path / "1.xml", outlines={"good": corners(18), "bad": [(1, "x"), (2, 2), (3, 3)]})
    corpus = open_source(str(tmp_path))
    assert list(corpus.ids()) == ["1/good"] and dict(corpus.skipped) == {"1/bad": "its points are no numbers"}


def test_real_pages_are_found_and_read_once(shared):
    skipped, notes = [], []
    entries = list(pages.read(shared / "data" / "alto-pages", lambda *one: skipped.append(one), notes.append))
    assert not skipped and len(entries) == 23 + 23 + 20 + 15 + 14 + 9 + 203 + 37 + 56 + 24 + 22
    assert len({entry.id for entry in entries}) == len(entries)
    assert {entry.sides["speaker"] for entry in entries} == {"bronod", "caroline", "genlis", "latin-books", "old-french", "wills"}
    assert all(entry.tiers[TRANSCRIPTION][0].label and len(entry.cut.polygon) > 2 and len(entry.cut.baseline) > 1 for entry in entries if entry.cut)
    assert notes == ["2 pages have a second description, which is not read: bronod/alto/0005.xml is, bronod/page/0005.xml is not"]


def test_real_lines_lie_where_their_outlines_are(shared):
    corpus = open_source(str(shared / "data" / "alto-pages" / "latin-books"))
    assert len(corpus) == 15 + 14 + 9 and corpus.transcribed
    outlines = {entry.id: np.array(entry.cut.polygon) for entry in pages.read(shared / "data" / "alto-pages" / "latin-books", print, print) if entry.cut}
    for number, recording in enumerate(corpus):
        facts, outline = corpus.origin(number).facts, outlines[recording.id]
        places = np.array([on_file(facts, column, row) for column, row in ((0, 0), (0, 64), (facts["width"], 0), (facts["width"], 64))])
        slack = 0.6 * np.ptp(outline[:, 1])
        assert (places.min(0) > outline.min(0) - slack).all() and (places.max(0) < outline.max(0) + slack).all()
        ink = recording.signals["line"].read(0, recording.signals["line"].steps)
        assert 0.02 < ink.mean() < 0.5 and ink.max() > 0.9
