"""PAGE XML: what lines say, and units as glyphs of a word beside what the user wrote."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from untold.errors import UntoldError
from untold.formats import _pages, alto, page
from untold.formats._pages import Glyph, Page, PageLine

V2013 = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15"


def document(lines: str, space: str = page.NAMESPACE, before: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<PcGts xmlns="{space}"><Metadata><Creator>me</Creator></Metadata>'
        '<Page imageFilename="page.png" imageWidth="400" imageHeight="300">'
        f'<TextRegion id="r"><Coords points="0,0 400,0 400,300"/>{lines}</TextRegion></Page></PcGts>'
    )


PLAIN = (
    '<TextLine id="l1" custom="readingOrder {index:0;} structure {type:DefaultLine:Handwritten;}"><Coords points="10,10 200,10 200,50 10,50"/><Baseline points="10,40 200,42"/>'
    '<TextEquiv index="1"><Unicode>second best</Unicode></TextEquiv><TextEquiv index="0"><Unicode>best</Unicode></TextEquiv><TextStyle bold="true"/></TextLine>'
)
WORDS = (
    '<TextLine id="l2"><Coords points="10,60 200,60 200,90"/><Word id="w1"><Coords points="10,60 90,60 90,90"/><TextEquiv><Unicode>two</Unicode></TextEquiv></Word>'
    '<Word id="w2"><Coords points="90,60 200,60 200,90"/><TextEquiv><Unicode>words</Unicode></TextEquiv></Word></TextLine>'
)
BAND = '<TextLine id="l3"><Coords points=""/><Baseline points="5,150 105,150"/></TextLine>'


def square(left: float, right: float, top: float = 10, bottom: float = 50):
    return ((left, top), (right, top), (right, bottom), (left, bottom))


@pytest.fixture(name="own", params=[page.NAMESPACE, V2013, ""])
def _own(tmp_path, request):
    path = tmp_path / "own.xml"
    path.write_text(document(PLAIN + WORDS + BAND, request.param), encoding="utf-8")
    return path


def test_lines_of_a_page(own):
    told = page.read(own)
    assert told.picture == "page.png" and told.size == (400, 300)
    first, second, third = told.lines
    assert (first.id, first.text, first.kind) == ("l1", "best", "DefaultLine:Handwritten")
    assert first.polygon == square(10, 200) and first.baseline == ((10, 40), (200, 42))
    assert second.text == "two words"
    assert len(third.polygon) == 4 and third.text == "" and third.problem is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (document(PLAIN, before='<!DOCTYPE PcGts SYSTEM "http://example.org/x.dtd">'), "document type"),
        (document(PLAIN)[:-20], "damaged PAGE file"),
        ("<alto/>", "no PAGE file: its root is 'alto'"),
        ("<PcGts/>", "it has no Page"),
        ("", "damaged PAGE file"),
    ],
)
def test_what_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "bad.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UntoldError, match=said):
        page.read(path)


def test_glyphs_are_one_more_word_and_no_text_is_lost(own, tmp_path):
    told = page.read(own)
    out = tmp_path / "out.xml"
    page.write(out, told, {"l1": [Glyph(37, square(10, 50.4)), Glyph(5, square(50.4, 999))], "l2": [Glyph(6, square(0, 9))], "l3": [Glyph(8, square(0, 9))]}, own)
    space = ET.parse(own).getroot().tag.removesuffix("PcGts")
    lines = {line.get("id"): line for line in ET.parse(out).iter(f"{space}TextLine")}

    def names(element) -> list[str]:
        return [child.tag.rpartition("}")[2] for child in element]

    assert names(lines["l1"]) == ["Coords", "Baseline", "Word", "TextEquiv", "TextEquiv", "TextStyle"]  # the schema's order
    assert names(lines["l2"]) == ["Coords", "Word", "Word", "Word"] and names(lines["l3"]) == ["Coords", "Baseline", "Word"]
    word = lines["l1"].find(f"{space}Word")
    assert names(word) == ["Coords", "Glyph", "Glyph", "TextEquiv"]
    assert [g.findtext(f"{space}TextEquiv/{space}Unicode") for g in word.findall(f"{space}Glyph")] == ["37", "5"]
    assert word.findall(f"{space}Glyph")[1].find(f"{space}Coords").get("points") == "50,10 400,10 400,50 50,50"
    # what programs take for the text of a line that has words: the texts of these, joined
    texts = {name: " ".join(e.text or "" for e in line.findall(f"{space}Word/{space}TextEquiv/{space}Unicode")) for name, line in lines.items()}
    assert texts == {"l1": "best", "l2": "two words", "l3": ""}
    assert page.read(out) == told
    page.write(tmp_path / "again.xml", page.read(out), {"l1": [Glyph(1, square(0, 9))]}, out)
    ids = [e.get("id") for e in ET.parse(tmp_path / "again.xml").iter() if e.get("id")]
    assert len(ids) == len(set(ids))


def test_a_wild_index_is_none(tmp_path):
    (tmp_path / "x.xml").write_text(document(PLAIN.replace('index="1"', f'index="{"9" * 5000}"')), encoding="utf-8")
    assert page.read(tmp_path / "x.xml").lines[0].text == "second best"


def test_only_what_is_new_differs(tmp_path):
    path = tmp_path / "own.xml"
    text = document("\n    " + PLAIN.replace("><", ">\n      <").replace("      </TextLine", "    </TextLine") + "\n  ")
    path.write_text(text, encoding="utf-8")
    page.write(tmp_path / "out.xml", page.read(path), {"l1": [Glyph(1, square(0, 9))]}, path)
    before, after = (p.read_text(encoding="utf-8").splitlines()[1:] for p in (path, tmp_path / "out.xml"))
    missing = iter(after)
    assert all(any(line == other for other in missing) for line in before)  # each line is still there, in order


def test_a_new_file_in_both_formats_says_the_same(tmp_path):
    told = Page("line.png", (300, 64), (PageLine("line-1", square(0, 300, 0, 64), ((0, 50), (300, 50)), "a <line>", "HeadingLine"),))
    glyphs = {"line-1": [Glyph(5, square(0, 100, 0, 64)), Glyph(1234, square(100, 300, 0, 64))]}
    page.write(tmp_path / "new.xml", told, glyphs)
    assert page.read(tmp_path / "new.xml") == told
    alto.write(tmp_path / "new.alto.xml", told, glyphs)
    assert alto.read(tmp_path / "new.alto.xml").lines[0].polygon == told.lines[0].polygon
    assert [_pages.kind_of(tmp_path / name) for name in ("new.xml", "new.alto.xml")] == ["page", "alto"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<?xml version='1.0'?><!-- <alto> --><pc:PcGts xmlns:pc='x'/>", "page"), (b"<mets/>", None), (b"", None), (b"\x89PNG", None),
        ('<?xml version="1.0" encoding="UTF-16"?><alto/>'.encode("utf-16"), "alto"), (b"<altogether/>", None),
    ],
)
def test_kinds_are_told_by_the_first_element(tmp_path, data, kind):
    (tmp_path / "x.xml").write_bytes(data)
    assert _pages.kind_of(tmp_path / "x.xml") == kind
    assert _pages.kind_of(tmp_path / "absent.xml") is None


def test_the_same_pages_in_both_formats_have_the_same_lines(shared):
    folder = shared / "data" / "alto-pages" / "bronod"
    for name in ("0005.xml", "0012.xml"):
        one, other = alto.read(folder / "alto" / name), page.read(folder / "page" / name)
        assert one.size == other.size and one.picture == other.picture
        assert [(a.id, a.polygon, a.baseline, a.text, a.kind) for a in one.lines] == [(b.id, b.polygon, b.baseline, b.text, b.kind) for b in other.lines]
