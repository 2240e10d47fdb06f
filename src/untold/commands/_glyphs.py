"""Units of lines as glyphs on the pages that they were cut from: PAGE XML and ALTO files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from untold.errors import UntoldError

if TYPE_CHECKING:
    from untold.contract import Recording, Units
    from untold.corpora import Corpus, Origin
    from untold.formats._pages import Glyph, Page

FORMATS = ("page", "alto")
OF_SOUND = ("textgrid", "elan", "ctm")


def refuse(kinds: list[str], corpus: Corpus) -> None:
    """Raises `UntoldError` for a format that has no room for what the recordings are made of."""
    for kind in kinds:
        if kind in OF_SOUND and corpus.axis == "pixel":
            raise UntoldError(f"--format {kind} holds times of sound, and these are lines of handwriting: write {' or '.join(FORMATS)}")
        if kind in FORMATS and corpus.axis != "pixel":
            raise UntoldError(f"--format {kind} holds places on pages, and these are recordings of sound: write {', '.join(OF_SOUND)} or zerospeech")
        if kind in FORMATS and len(corpus) and corpus.origin(0).facts.get("drawn"):
            raise UntoldError(f"--format {kind} holds places on pictures, and the lines of {corpus.source} are drawn when they are read: write jsonl")


def write_pages(corpus: Corpus, units: Path, out: Path, kinds: list[str]) -> None:
    """`<page>.page.xml` and `<page>.alto.xml`: of a page that has XML, that of the user with glyphs added; else one file a line.

    The glyphs are those of `units`, a units.jsonl that tells of the corpus' recordings in their order, so that it does
    not matter which process found them.
    """
    from untold.formats import alto, page
    from untold.formats._pages import kind_of
    from untold.formats._writing import inside

    wanted = [kind for kind in FORMATS if kind in kinds]
    if not wanted:
        return
    for name, told, own, glyphs in _pages(corpus, units):
        for kind in wanted:
            path = inside(out, name, f".{kind}.xml")
            (page if kind == "page" else alto).write(path, told, glyphs, own if own is not None and kind_of(own) == kind else None)


def _pages(corpus: Corpus, units: Path) -> Iterator[tuple[str, Page, Path | None, dict[str, list[Glyph]]]]:
    """Name, page, the user's own XML and the glyphs of its lines, page after page; memory holds one."""
    from untold.corpora.pages import read_page
    from untold.formats.units import each_units

    name, told, own = "", None, None
    glyphs: dict[str, list[Glyph]] = {}
    for number, (identity, found) in enumerate(each_units(units)):
        recording, origin = corpus[number], corpus.origin(number)
        if recording.id != identity:
            raise UntoldError(f"{units}: {identity!r} stands where {recording.id!r} is expected")
        page, _, line = identity.rpartition("/") if corpus.name == "pages" else (identity, "", identity.rpartition("/")[2])
        if told is None or page != name:
            if told is not None:
                yield name, told, own, glyphs
            name, glyphs = page, {}
            own = origin.labels[0] if corpus.name == "pages" else None
            told = read_page(own) if own is not None else _of_line(line, recording, origin)
        glyphs[line] = _outlined(found, recording, origin)
    if told is not None:
        yield name, told, own, glyphs


def _of_line(name: str, recording: Recording, origin: Origin) -> Page:
    """A page that is the picture of one line."""
    from untold.contract import TRANSCRIPTION
    from untold.formats._pages import Page, PageLine

    wide, high = origin.facts["size"]
    tier = recording.tiers.get(TRANSCRIPTION) or recording.tiers.get("characters", ())
    line = PageLine(name, ((0, 0), (wide, 0), (wide, high), (0, high)), text="".join(interval.label for interval in tier))
    return Page(origin.file.name, (wide, high), (line,))


def _outlined(units: Units, recording: Recording, origin: Origin) -> list[Glyph]:
    """The units of a line with their corners on its file: from column to column, all of the line's height."""
    from untold.commands.tokenize import tier_of
    from untold.corpora._lines import HEIGHT, on_file
    from untold.formats._pages import Glyph

    out = []
    for interval in tier_of(units, recording):
        first, last = float(interval.start), float(interval.end)
        corners = [(first, 0), (last, 0), (last, HEIGHT), (first, HEIGHT)]
        out.append(Glyph(int(interval.label), tuple(on_file(origin.facts, column, row) for column, row in corners)))
    return out
