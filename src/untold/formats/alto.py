"""ALTO (versions 2 to 4): lines of pages in, units as glyphs out.

Names are matched without their namespace. A line's outline is its Polygon, else its box, else a band around its baseline;
its text is the CONTENT of its Strings. Written units are `Glyph` elements in the order of reading, in the line's String
where there is one and it has no glyphs yet, else in a String of their own without text. The schema allows a glyph one
letter: token k is the letter U+E000 + k of Unicode's private use area (U+F0000 + k - 6400 from 6400 on), its `Variant`
is the number where it fits (three letters), and the ID ends with it. Glyphs came with version 4; in an older file they
carry that file's namespace, which programs that match local names read. Source: altoxml/schema, alto-4-2.xsd.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lxml import etree

from untold.errors import UntoldError
from untold.formats import _pages
from untold.formats._pages import Glyph, Page, PageLine, child, first, local, named, number, on_page, points
from untold.formats._xml import parse

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
SCHEMA = "http://www.loc.gov/standards/alto/v4/alto-4-2.xsd"
_PRIVATE, _MORE, _EDGE = 0xE000, 0xF0000, 6400


def read(path: Path | str) -> Page:
    """The page of an ALTO file; raises `UntoldError`, one line, for what is none, for several pages and for units other than pixels."""
    path = Path(path)
    root = _root(path)
    told = first(root, "Description", "MeasurementUnit")
    unit = (told.text or "").strip() if told is not None else "pixel"
    if unit not in ("pixel", ""):
        raise UntoldError(f"{path}: its places are measured in {unit[:20]}: pixels can be read")
    name = first(root, "Description", "sourceImageInformation", "fileName")
    pages = [page for layout in named(root, "Layout") for page in named(layout, "Page")]
    if len(pages) != 1:
        raise UntoldError(f"{path}: it tells of {len(pages)} pages: one a file can be read")
    size = _pages.size_of(pages[0].get("WIDTH"), pages[0].get("HEIGHT"))
    tags = {tag.get("ID"): tag.get("LABEL", "") for group in named(root, "Tags") for tag in group if local(tag)}
    lines = [_line(name, line, tags) for name, line in _lines(root)]
    return Page((name.text or "").strip() if name is not None else "", size, _pages.banded(lines, size))


def write(path: Path | str, page: Page, glyphs: Mapping[str, Sequence[Glyph]], own: Path | None = None) -> None:
    """A page with the glyphs of its lines, by their ids, as an ALTO file: whole or not at all.

    With `own`, the user's own ALTO file, they are added to a copy of it; everything else there stays.
    """
    root = _fresh(page) if own is None else _root(own)
    begin, count = _pages.free(root), 0
    for line, rows in _pages.to_write(_lines(root), page, glyphs, own):
        string = _string(line, rows, page.size)
        for row in rows:
            count += 1
            _glyph(string, row, f"{begin}{count}_{row.token}", page.size)
        _pages.indented(string)
    _pages.save(root, Path(path))


def letter(token: int) -> str:
    """The one letter that stands for a token."""
    return chr(_PRIVATE + token) if token < _EDGE else chr(_MORE + token - _EDGE)


def token_of(content: str) -> int | None:
    """The token of a letter; None for a letter that is somebody's own."""
    code = ord(content) if len(content) == 1 else 0
    if _PRIVATE <= code < _PRIVATE + _EDGE:
        return code - _PRIVATE
    return code - _MORE + _EDGE if code >= _MORE else None


def _root(path: Path) -> etree._Element:
    root = parse(path, "ALTO").getroot()
    if local(root) != "alto":
        raise UntoldError(f"{path}: no ALTO file: its root is {local(root)[:40]!r}")
    return root


def _lines(root: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    return _pages.numbered((one for one in root.iter() if local(one) == "TextLine"), "ID")


def _line(name: str, line: etree._Element, tags: Mapping[str | None, str]) -> PageLine:
    kind = next((tags[ref] for ref in (line.get("TAGREFS") or "").split() if ref in tags), "")
    text = ""
    for part in line:
        if local(part) == "String" and (word := part.get("CONTENT")):
            text += f" {word}" if text else word
        elif local(part) == "HYP":
            text += part.get("CONTENT") or ""
    try:
        baseline = _baseline(line)
        polygon = first(line, "Shape", "Polygon")
        outline = points(polygon.get("POINTS")) if polygon is not None else ()
        if len(outline) < 3:
            outline = _box(line)
    except ValueError as error:
        return PageLine(name, (), (), text.strip(), kind, str(error))
    return PageLine(name, outline, baseline, text.strip(), kind)


def _baseline(line: etree._Element) -> _pages.Points:
    """Points; before version 4 one number, the height of a level line."""
    told = (line.get("BASELINE") or "").strip()
    if told and " " not in told and "," not in told:
        left = number(line.get("HPOS", "0"))
        return (left, number(told)), (left + number(line.get("WIDTH", "0")), number(told))
    return points(told)


def _box(line: etree._Element) -> _pages.Points:
    if any(line.get(key) is None for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")):
        return ()
    left, top, wide, high = (number(line.get(key)) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
    if wide <= 0 or high <= 0:
        return ()
    return (left, top), (left + wide, top), (left + wide, top + high), (left, top + high)


def _string(line: etree._Element, rows: Sequence[Glyph], size: tuple[int, int] | None) -> etree._Element:
    """The String that takes the glyphs of a line."""
    strings = list(named(line, "String"))
    if len(strings) == 1 and first(strings[0], "Glyph") is None:
        return strings[0]
    new = child(line, "String", CONTENT="", **_placing([point for row in rows for point in on_page(row.outline, size)]))
    line.remove(new)
    _pages.placed(line, new, "Shape", "String", "SP")
    return new


def _glyph(string: etree._Element, row: Glyph, name: str, size: tuple[int, int] | None) -> None:
    outline = on_page(row.outline, size)
    glyph = child(string, "Glyph", ID=name, CONTENT=letter(row.token), **_placing(outline))
    child(child(glyph, "Shape"), "Polygon", POINTS=_said(outline))
    if row.token < 1000:
        child(glyph, "Variant", CONTENT=row.token)


def _placing(outline: Sequence[tuple[float, float]]) -> dict[str, int]:
    return dict(zip(("HPOS", "VPOS", "WIDTH", "HEIGHT"), _pages.box(tuple(outline)), strict=True))


def _said(outline: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x} {y}" for x, y in outline)


def _fresh(page: Page) -> etree._Element:
    root = _pages.fresh("alto", NAMESPACE, SCHEMA)
    description = child(root, "Description")
    child(description, "MeasurementUnit").text = "pixel"
    child(child(description, "sourceImageInformation"), "fileName").text = _pages.sayable(page.picture)
    wide, high = page.size or (0, 0)
    whole = {"HPOS": 0, "VPOS": 0, "WIDTH": wide, "HEIGHT": high}
    sheet = child(child(root, "Layout"), "Page", ID="page", PHYSICAL_IMG_NR=0, WIDTH=wide, HEIGHT=high)
    block = child(child(sheet, "PrintSpace", **whole), "TextBlock", ID="block", **whole)
    taken = {"page", "block"}
    for line in page.lines:
        outline = on_page(line.polygon, page.size)
        made = child(block, "TextLine", ID=_pages.as_id(line.id, taken), **_placing(outline))
        if len(line.baseline) > 1:
            made.set("BASELINE", _said(on_page(line.baseline, page.size)))
        child(child(made, "Shape"), "Polygon", POINTS=_said(outline))
        child(made, "String", CONTENT=line.text, **_placing(outline))
    etree.indent(root, "  ")
    return root
