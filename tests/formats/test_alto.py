"""ALTO: what lines of all versions say, strangers' files, and units as glyphs in a copy of the user's own file."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from untold.errors import UntoldError
from untold.formats import alto
from untold.formats._pages import Glyph, Page, PageLine

V4 = "http://www.loc.gov/standards/alto/ns-v4#"


def document(lines: str, *, space: str = V4, unit: str = "pixel", before: str = "", size: str = 'WIDTH="400" HEIGHT="300"') -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<alto xmlns="{space}"><!-- mine --><Description><MeasurementUnit>{unit}</MeasurementUnit>'
        "<sourceImageInformation><fileName>page.png</fileName></sourceImageInformation></Description>"
        '<Tags><OtherTag ID="LT1" LABEL="HeadingLine"/></Tags>'
        f'<Layout><Page ID="p" {size}><PrintSpace><TextBlock ID="b">{lines}</TextBlock></PrintSpace></Page></Layout></alto>'
    )


POLYGON = (
    '<TextLine ID="l1" TAGREFS="LT1" BASELINE="10 40 200 42" HPOS="10" VPOS="10" WIDTH="190" HEIGHT="40"><Shape><Polygon POINTS="10 10 200 10 200 50 10 50"/></Shape>'
    '<String CONTENT="one line"/></TextLine>'
)
BOX = '<TextLine ID="l2" HPOS="5" VPOS="60" WIDTH="100" HEIGHT="30"><String CONTENT="two"/><SP/><String CONTENT="wor"/><HYP CONTENT="-"/></TextLine>'
BAND = '<TextLine BASELINE="5,150 105,150"><String CONTENT=""/></TextLine>'
LEVEL = '<TextLine ID="l4" BASELINE="190" HPOS="5" WIDTH="80"/>'


@pytest.fixture(name="own")
def _own(tmp_path):
    path = tmp_path / "own.xml"
    path.write_text(document(POLYGON + BOX + BAND + LEVEL), encoding="utf-8")
    return path


def test_lines_with_outline_box_and_baseline_alone(own):
    page = alto.read(own)
    assert page.picture == "page.png" and page.size == (400, 300)
    first, second, third, fourth = page.lines
    assert (first.id, first.text, first.kind) == ("l1", "one line", "HeadingLine")
    assert first.polygon == ((10, 10), (200, 10), (200, 50), (10, 50)) and first.baseline == ((10, 40), (200, 42))
    assert second.text == "two wor-" and second.polygon == ((5, 60), (105, 60), (105, 90), (5, 90))
    assert third.id == "line_3" and third.text == ""
    xs, ys = zip(*third.polygon, strict=True)
    assert (min(xs), max(xs)) == (5, 105) and min(ys) < 150 < max(ys) and max(ys) - min(ys) < 60
    assert fourth.baseline == ((5, 190), (85, 190)) and fourth.problem is None


@pytest.mark.parametrize("space", ["", "http://www.loc.gov/standards/alto/ns-v2#", "http://www.loc.gov/standards/alto/ns-v3#"])
def test_other_versions_and_none_at_all(tmp_path, space):
    path = tmp_path / "old.xml"
    path.write_text(document(POLYGON, space=space), encoding="utf-8")
    assert alto.read(path).lines[0].text == "one line"
    alto.write(tmp_path / "out.xml", alto.read(path), {"l1": [Glyph(3, ((10, 10), (20, 10), (20, 50), (10, 50)))]}, path)
    glyphs = [e for e in ET.parse(tmp_path / "out.xml").iter() if e.tag.rpartition("}")[2] == "Glyph"]
    assert [g.tag for g in glyphs] == [f"{{{space}}}Glyph" if space else "Glyph"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (document(POLYGON, unit="mm10"), "measured in mm10"),
        (document(POLYGON, before='<!DOCTYPE alto [<!ENTITY e SYSTEM "file:///etc/passwd">]>'), "document type"),
        (document(POLYGON)[:-20], "damaged ALTO file"),
        ("<PcGts/>", "no ALTO file: its root is 'PcGts'"),
        ("<alto><Layout><Page/><Page/></Layout></alto>", "2 pages"),
        ("<alto/>", "0 pages"),
        ("<a>" * 400 + "</a>" * 400, "damaged ALTO file"),
    ],
)
def test_what_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "bad.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UntoldError, match=said) as error:
        alto.read(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ("1 2 x y 5 6", "no numbers"), ("1 2 3", "odd number"), ("1 2 3 4 1e99 6", "lies on no page"), ("nan nan 1 2 3 4", "no numbers"),
        ("1 1 " * 50_001, "more than 50000 points"),
    ],
)
def test_a_line_without_a_place_has_a_problem_and_the_others_stay(tmp_path, points, said):
    path = tmp_path / "bad.xml"
    path.write_text(document(f'<TextLine ID="x"><Shape><Polygon POINTS="{points}"/></Shape></TextLine>' + POLYGON), encoding="utf-8")
    bad, good = alto.read(path).lines
    assert said in (bad.problem or "") and good.problem is None


def test_a_line_of_nothing_and_lines_that_share_an_id(tmp_path):
    path = tmp_path / "bad.xml"
    path.write_text(document('<TextLine ID="l1"/>' + POLYGON + '<TextLine ID="../../x" HPOS="1" VPOS="1" WIDTH="9" HEIGHT="9"/>'), encoding="utf-8")
    lines = alto.read(path).lines
    assert [line.id for line in lines] == ["l1", "line_2", "line_3"]
    assert lines[0].problem == "it has no outline and no baseline"


def square(left: float, right: float, top: float = 10, bottom: float = 50):
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def test_glyphs_are_added_and_all_that_was_there_stays(own, tmp_path):
    page = alto.read(own)
    out = tmp_path / "out" / "new.xml"
    glyphs = {"l1": [Glyph(7, square(10, 50.4)), Glyph(12, square(50.4, 999))], "l2": [Glyph(7000, square(5, 50, 60, 90))], "l4": [Glyph(1, square(-3, 9))]}
    alto.write(out, page, glyphs, own)
    root = ET.parse(out).getroot()
    lines = {line.get("ID", "none"): line for line in root.iter(f"{{{V4}}}TextLine")}
    found = lines["l1"].findall(f"{{{V4}}}String/{{{V4}}}Glyph")
    assert [alto.token_of(g.get("CONTENT", "")) for g in found] == [7, 12]
    assert [g.find(f"{{{V4}}}Variant").get("CONTENT") for g in found] == ["7", "12"]
    assert [(g.get("HPOS"), g.get("VPOS"), g.get("WIDTH"), g.get("HEIGHT")) for g in found] == [("10", "10", "40", "40"), ("50", "10", "350", "40")]
    assert found[1].find(f"{{{V4}}}Shape/{{{V4}}}Polygon").get("POINTS") == "50 10 400 10 400 50 50 50"  # no farther than the page
    assert lines["l1"].find(f"{{{V4}}}String").get("CONTENT") == "one line"
    assert [child.tag.rpartition("}")[2] for child in lines["l2"]] == ["String", "SP", "String", "String", "HYP"]  # the schema's order
    assert lines["l2"][3].get("CONTENT") == "" and alto.token_of(lines["l2"][3][0].get("CONTENT", "")) == 7000
    assert [child.tag.rpartition("}")[2] for child in lines["l2"][3][0]] == ["Shape"]  # a variant has three letters at most
    assert [child.tag.rpartition("}")[2] for child in lines["l4"]] == ["String"]
    ids = [e.get("ID") for e in root.iter() if e.get("ID")]
    assert len(ids) == len(set(ids))
    for glyph in root.iter(f"{{{V4}}}Glyph"):
        glyph.clear()
    assert "<!-- mine -->" in out.read_text(encoding="utf-8")
    assert alto.read(out) == page  # texts, outlines, ids, types


def test_a_second_time_the_first_units_stay(own, tmp_path):
    page, out = alto.read(own), tmp_path / "new.xml"
    alto.write(out, page, {"l1": [Glyph(1, square(10, 30))]}, own)
    alto.write(tmp_path / "again.xml", alto.read(out), {"l1": [Glyph(2, square(10, 60))]}, out)
    root = ET.parse(tmp_path / "again.xml").getroot()
    assert [alto.token_of(g.get("CONTENT", "")) for g in root.iter(f"{{{V4}}}Glyph")] == [1, 2]
    ids = [e.get("ID") for e in root.iter() if e.get("ID")]
    assert len(ids) == len(set(ids))
    assert alto.read(tmp_path / "again.xml").lines[0].text == "one line"


def test_a_line_that_is_gone_is_said_and_nothing_is_written(own, tmp_path):
    with pytest.raises(UntoldError, match="no line 'elsewhere'"):
        alto.write(tmp_path / "out.xml", alto.read(own), {"elsewhere": [Glyph(1, square(1, 2))]}, own)
    assert not (tmp_path / "out.xml").exists() and not list(tmp_path.glob(".out*"))


def test_a_new_file_of_one_line(tmp_path):
    page = Page("a \x07<b>.png", (300, 64), (PageLine("1 line/x", ((0, 0), (300, 0), (300, 64), (0, 64)), ((0, 50), (300, 50)), 'text "&\x00'),))
    alto.write(tmp_path / "new.xml", page, {"1 line/x": [Glyph(5, square(0, 100, 0, 64)), Glyph(6, square(100, 300, 0, 64))]})
    read = alto.read(tmp_path / "new.xml")
    assert read.size == (300, 64) and read.picture == "a �<b>.png"
    assert read.lines[0].text == 'text "&�' and read.lines[0].polygon == page.lines[0].polygon and read.lines[0].baseline == page.lines[0].baseline
    root = ET.parse(tmp_path / "new.xml").getroot()
    assert root.attrib["{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"].split()[0] == V4
    order = [e.tag.rpartition("}")[2] for e in root.iter()]
    assert order[:11] == ["alto", "Description", "MeasurementUnit", "sourceImageInformation", "fileName", "Layout", "Page", "PrintSpace", "TextBlock", "TextLine", "Shape"]
    assert [alto.token_of(g.get("CONTENT", "")) for g in root.iter(f"{{{V4}}}Glyph")] == [5, 6]


@pytest.mark.parametrize("token", [0, 1, 6399, 6400, 70_000])
def test_a_token_is_one_letter_and_comes_back(token):
    assert len(alto.letter(token)) == 1 and alto.token_of(alto.letter(token)) == token
    assert alto.token_of("a") is None and alto.token_of("ab") is None


def test_real_pages_come_back_with_their_glyphs(shared, tmp_path):
    for path in sorted((shared / "data" / "alto-pages").rglob("*.xml")):
        if path.parent.name == "page":
            continue
        page = alto.read(path)
        assert page.lines and not [line for line in page.lines if line.problem] and all(line.text for line in page.lines)
        glyphs = {line.id: [Glyph(n, line.polygon[:4]) for n in range(3)] for line in page.lines}
        alto.write(tmp_path / "out.xml", page, glyphs, path)
        assert alto.read(tmp_path / "out.xml") == page
        assert sum(e.tag.endswith("}Glyph") for e in ET.parse(tmp_path / "out.xml").iter()) == 3 * len(page.lines)
