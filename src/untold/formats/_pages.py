"""What ALTO and PAGE XML have in common: pages, their lines, and the units that are written as glyphs."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lxml import etree

from untold.errors import UntoldError
from untold.formats._writing import beside

Points = tuple[tuple[float, float], ...]

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_FARTHEST = 10**6  # pixels from the corner of a page
_MOST_POINTS = 50_000
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"


@dataclass(frozen=True)
class PageLine:
    """A line of a page: polygon and baseline in pixels (none: empty), text, and the type that its owner gave it.

    `problem` says why the line has no place that can be used.
    """

    id: str
    polygon: Points
    baseline: Points = ()
    text: str = ""
    kind: str = ""
    problem: str | None = None


@dataclass(frozen=True)
class Page:
    """The name of the picture, its size (width, height) in pixels as the file tells it, and the lines in the file's order."""

    picture: str
    size: tuple[int, int] | None
    lines: tuple[PageLine, ...]


@dataclass(frozen=True)
class Glyph:
    """A unit of a line: its token, and its outline in pixels of the page."""

    token: int
    outline: Points


def kind_of(path: Path) -> str | None:
    """`alto`, `page`, or None for a file that begins as neither; never raises."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16).replace(b"\0", b"")  # UTF-16 has every letter with a zero byte beside it
    except OSError:
        return None
    head = re.sub(rb"<!--.*?(-->|\Z)", b"", head, flags=re.DOTALL)
    first = re.search(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)", head)
    return {b"alto": "alto", b"PcGts": "page"}.get(first[1]) if first else None


# reading ---------------------------------------------------------------------------------------------------------


def local(element: etree._Element) -> str:
    """The name of an element without its namespace; empty for comments and instructions."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def named(element: etree._Element, name: str) -> Iterator[etree._Element]:
    """The children of a name, whatever their namespace."""
    return (child for child in element if local(child) == name)


def first(element: etree._Element, *names: str) -> etree._Element | None:
    """The element at the end of a path of names."""
    at: etree._Element | None = element
    for name in names:
        at = None if at is None else next(named(at, name), None)
    return at


def points(text: str | None) -> Points:
    """Points of "x,y x,y" or "x y x y"; raises `ValueError` with the reason."""
    words = _NUMBER.findall(text or "")
    if _NUMBER.sub("", text or "").strip(" ,;\t\r\n"):
        raise ValueError("its points are no numbers")
    if len(words) % 2:
        raise ValueError("its points have an odd number of coordinates")
    if len(words) > 2 * _MOST_POINTS:
        raise ValueError(f"its outline has more than {_MOST_POINTS} points")
    values = [number(word) for word in words]
    return tuple(zip(values[::2], values[1::2], strict=True))


def number(word: str | None) -> float:
    """A place in pixels; raises `ValueError` for what is none or lies beyond any page."""
    value = float(word) if word is not None and _NUMBER.fullmatch(word.strip()) else math.nan
    if not math.isfinite(value) or abs(value) > _FARTHEST:
        raise ValueError(f"a coordinate of {str(word)[:30]!r} lies on no page")
    return value


def size_of(width: str | None, height: str | None) -> tuple[int, int] | None:
    """The size of a page, None when it is not told or zero."""
    try:
        size = round(number(width)), round(number(height))
    except ValueError:
        return None
    return size if min(size) > 0 else None


def numbered(elements: Iterable[etree._Element], key: str) -> Iterator[tuple[str, etree._Element]]:
    """Each line with an id of its own: what the file says, or `line_N` where that is absent, taken, or no plain name."""
    seen: set[str] = set()
    for count, element in enumerate(elements, 1):
        name = (element.get(key) or "").strip()
        if not re.fullmatch(r"\w[\w.:-]{0,199}", name) or name in seen:
            name = f"line_{count}"
        while name in seen:
            name += "_"
        seen.add(name)
        yield name, element


def banded(lines: Sequence[PageLine], size: tuple[int, int] | None) -> tuple[PageLine, ...]:
    """Lines that have a baseline and no outline get a band around it, as high as lines lie apart."""
    levels = sorted(sum(y for _, y in line.baseline) / len(line.baseline) for line in lines if line.baseline)
    apart = sorted(b - a for a, b in itertools.pairwise(levels) if b - a > 4)
    high = apart[(len(apart) - 1) // 2] if apart else (size[1] / 30 if size else 60.0)
    return tuple(line if line.problem or len(line.polygon) > 2 else _banded(line, high) for line in lines)


def _banded(line: PageLine, high: float) -> PageLine:
    if len(line.baseline) < 2:
        return replace(line, polygon=(), problem="it has no outline and no baseline")
    over = [(x, y - 0.7 * high) for x, y in line.baseline]
    under = [(x, y + 0.3 * high) for x, y in reversed(line.baseline)]
    return replace(line, polygon=(*over, *under))


def box(outline: Points) -> tuple[int, int, int, int]:
    """Left, top, width and height in whole pixels."""
    across, down = [x for x, _ in outline], [y for _, y in outline]
    left, top = math.floor(min(across)), math.floor(min(down))
    return left, top, math.ceil(max(across)) - left, math.ceil(max(down)) - top


# writing ---------------------------------------------------------------------------------------------------------


def on_page(outline: Points, size: tuple[int, int] | None) -> list[tuple[int, int]]:
    """Whole pixels that lie on the page, as both formats want them."""
    wide, high = size or (_FARTHEST, _FARTHEST)
    return [(min(max(round(x), 0), wide), min(max(round(y), 0), high)) for x, y in outline]


def fresh(tag: str, namespace: str, schema: str) -> etree._Element:
    """The root of a new file."""
    spaces: dict[Any, str] = {None: namespace, "xsi": _INSTANCE}
    root = etree.Element(f"{{{namespace}}}{tag}", nsmap=spaces)
    root.set(f"{{{_INSTANCE}}}schemaLocation", f"{namespace} {schema}")
    return root


def child(parent: etree._Element, name: str, /, **attributes: object) -> etree._Element:
    """A new last child in the namespace of its parent."""
    space = etree.QName(parent).namespace
    found = etree.SubElement(parent, f"{{{space}}}{name}" if space else name)
    for key, value in attributes.items():
        found.set(key, sayable(str(value)))
    return found


def placed(parent: etree._Element, new: etree._Element, *before: str) -> None:
    """Puts an element behind the last child with one of the names, or first: the schemas fix the order.

    The file around it stays as it is written: only what is new is indented, as deep as its neighbours.
    """
    known = [place for place, one in enumerate(parent) if local(one) in before]
    place = known[-1] + 1 if known else 0
    parent.insert(place, new)
    indented(new)
    new.tail = parent[place - 1].tail if place else parent.text
    if place and place == len(parent) - 1:
        parent[place - 1].tail = parent.text  # the last one's tail leads out of the parent


def indented(element: etree._Element) -> None:
    """An element's children one to a line."""
    etree.indent(element, "  ", level=sum(1 for _ in element.iterancestors()))


def free(root: etree._Element) -> str:
    """How the ids of what is new begin, so that none is there yet."""
    taken = {value for element in root.iter() for key, value in element.attrib.items() if key in ("ID", "id")}
    count = 1
    while any(str(name).startswith(f"untold{count}_") for name in taken):
        count += 1
    return f"untold{count}_"


def as_id(name: str, taken: set[str]) -> str:
    """A name that XML allows for an id and that is not taken yet."""
    plain = re.sub(r"[^\w.-]", "_", name)
    plain = plain if re.match(r"[^\W\d]", plain) else f"l_{plain}"
    while plain in taken:
        plain += "_"
    taken.add(plain)
    return plain


def sayable(text: str) -> str:
    """Text without the control characters that XML has no way to write."""
    return "".join(c if (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff") or c in "\t\n" else "�" for c in text)


def to_write(
    lines: Iterable[tuple[str, etree._Element]], page: Page, glyphs: Mapping[str, Sequence[Glyph]], own: Path | None
) -> Iterator[tuple[etree._Element, Sequence[Glyph]]]:
    """The lines of a file that get glyphs, with these; of a new file they are those of the page, in its order.

    Raises `UntoldError` when a line that is to get some is not in the user's own file any more.
    """
    found = list(lines)
    names = [name for name, _ in found] if own is not None else [line.id for line in page.lines]
    if gone := sorted(set(glyphs) - set(names)):
        raise UntoldError(f"{own}: it has no line {gone[0]!r} any more: read the source anew")
    for name, (_, line) in zip(names, found, strict=True):
        if rows := glyphs.get(name, ()):
            yield line, rows


def save(root: etree._Element, path: Path) -> None:
    """The whole file or nothing, with what stands before and behind the root (comments, instructions)."""
    with beside(path) as part:
        root.getroottree().write(str(part), xml_declaration=True, encoding="UTF-8")
