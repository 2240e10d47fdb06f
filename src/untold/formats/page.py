"""PAGE XML (2013 to 2019): lines of pages in, units as glyphs out.

Names are matched without their namespace. A line's outline is its Coords, else a band around its Baseline; its text is
its first TextEquiv, else those of its Words. The schema wants glyphs in words, so written units are `Glyph` elements,
in the order of reading, of one more Word, whose TextEquiv is their number. Programs take the text of a line from its Words
where it has some (eScriptorium does): where this Word is the only one it repeats the text of the line, so that none is
lost. Source: PRImA-Research-Lab/PAGE-XML, pagecontent.xsd of 2019-07-15.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lxml import etree

from untold.errors import UntoldError
from untold.formats import _pages
from untold.formats._pages import Glyph, Page, PageLine, child, first, local, named, on_page, points
from untold.formats._xml import parse

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
SCHEMA = f"{NAMESPACE}/pagecontent.xsd"
_CREATED = "2000-01-01T00:00:00"  # no clock: the same units give the same file


def read(path: Path | str) -> Page:
    """The page of a PAGE file; raises `UntoldError`, one line, for what is none."""
    path = Path(path)
    root = _root(path)
    page = first(root, "Page")
    if page is None:
        raise UntoldError(f"{path}: damaged PAGE file: it has no Page")
    size = _pages.size_of(page.get("imageWidth"), page.get("imageHeight"))
    lines = [_line(name, line) for name, line in _lines(root)]
    return Page((page.get("imageFilename") or "").strip(), size, _pages.banded(lines, size))


def write(path: Path | str, page: Page, glyphs: Mapping[str, Sequence[Glyph]], own: Path | None = None) -> None:
    """A page with the glyphs of its lines, by their ids, as a PAGE file: whole or not at all.

    With `own`, the user's own PAGE file, they are added to a copy of it; everything else there stays.
    """
    root = _fresh(page) if own is None else _root(own)
    begin = _pages.free(root)
    for count, (line, rows) in enumerate(_pages.to_write(_lines(root), page, glyphs, own), 1):
        word = child(line, "Word", id=f"{begin}word_{count}", custom="untold {units}")
        line.remove(word)
        across = _pages.box(tuple(point for row in rows for point in on_page(row.outline, page.size)))
        left, top, right, bottom = across[0], across[1], across[0] + across[2], across[1] + across[3]
        child(word, "Coords", points=_said([(left, top), (right, top), (right, bottom), (left, bottom)]))
        for number, row in enumerate(rows, 1):
            glyph = child(word, "Glyph", id=f"{begin}word_{count}_{number}")
            child(glyph, "Coords", points=_said(on_page(row.outline, page.size)))
            child(child(glyph, "TextEquiv"), "Unicode").text = str(row.token)
        if first(line, "Word") is None and (text := _text(line)):
            child(child(word, "TextEquiv"), "Unicode").text = _pages.sayable(text)
        _pages.placed(line, word, "AlternativeImage", "Coords", "Baseline", "Word")
    _pages.save(root, Path(path))


def _root(path: Path) -> etree._Element:
    root = parse(path, "PAGE").getroot()
    if local(root) != "PcGts":
        raise UntoldError(f"{path}: no PAGE file: its root is {local(root)[:40]!r}")
    return root


def _lines(root: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    return _pages.numbered((one for one in root.iter() if local(one) == "TextLine"), "id")


def _line(name: str, line: etree._Element) -> PageLine:
    text = _text(line) or " ".join(filter(None, (_text(word) for word in named(line, "Word"))))
    kind = line.get("custom", "").partition("type:")[2].partition(";")[0].strip() or line.get("type", "")
    try:
        coords, baseline = (first(line, part) for part in ("Coords", "Baseline"))
        outline = points(coords.get("points")) if coords is not None else ()
        return PageLine(name, outline, points(baseline.get("points")) if baseline is not None else (), text, kind)
    except ValueError as error:
        return PageLine(name, (), (), text, kind, str(error))


def _text(element: etree._Element) -> str:
    """The text of a line or word: that with the lowest index of several."""
    told = sorted(named(element, "TextEquiv"), key=_index)
    found = first(told[0], "Unicode") if told else None
    return (found.text or "").strip() if found is not None else ""


def _index(told: etree._Element) -> int:
    index = told.get("index", "0")
    return int(index) if index.isdecimal() and len(index) < 10 else 0


def _said(outline: Sequence[tuple[int, int]]) -> str:
    return " ".join(f"{x},{y}" for x, y in outline)


def _fresh(page: Page) -> etree._Element:
    root = _pages.fresh("PcGts", NAMESPACE, SCHEMA)
    about = child(root, "Metadata")
    for name, text in (("Creator", "untold"), ("Created", _CREATED), ("LastChange", _CREATED)):
        child(about, name).text = text
    wide, high = page.size or (0, 0)
    sheet = child(root, "Page", imageFilename=page.picture, imageWidth=wide, imageHeight=high)
    region = child(sheet, "TextRegion", id="region")
    child(region, "Coords", points=_said([(0, 0), (wide, 0), (wide, high), (0, high)]))
    taken = {"region"}
    for line in page.lines:
        made = child(region, "TextLine", id=_pages.as_id(line.id, taken))
        if line.kind:
            made.set("custom", _pages.sayable(f"structure {{type:{line.kind};}}"))
        child(made, "Coords", points=_said(on_page(line.polygon, page.size)))
        if len(line.baseline) > 1:
            child(made, "Baseline", points=_said(on_page(line.baseline, page.size)))
        if line.text:
            child(child(made, "TextEquiv"), "Unicode").text = _pages.sayable(line.text)
    etree.indent(root, "  ")
    return root
