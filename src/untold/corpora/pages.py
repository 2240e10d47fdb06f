"""A folder of pictures of pages with ALTO or PAGE XML: each text line, cut out by its outline, is a recording.

The XML may lie beside its picture or anywhere below the folder: the picture that it names is looked for in its own
folder and in those above, then by its name alone. Ids are the picture's path and the line's id; scribes are the first folders
(a `speakers.csv` says more of them); texts are tiers. A page that two files describe is read from the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from untold.corpora._entry import Cut, Entry
from untold.corpora._lines import ENDINGS, measured
from untold.corpora._media import Unreadable
from untold.corpora._walking import Found, inside, walk
from untold.corpora.folder import read_speakers, sides_of
from untold.corpora.lines import transcribed
from untold.errors import UntoldError
from untold.formats import alto, page
from untold.formats._pages import Page, kind_of

TITLE = "a folder of pages"
LICENCE = "yours"
WHERE = "on your disk"
PREFIX = False
MEDIUM = "line"
_LOOKED = 20_000  # files that are looked at for one with lines of pages

Skip = Callable[[str, str], None]


def recognise(root: Path) -> bool:
    """A folder that holds an ALTO or PAGE file."""
    if not root.is_dir():
        return False
    for number, found in enumerate(walk(root)):
        if number > _LOOKED:
            return False
        if found.path.suffix.lower() == ".xml" and not found.problem and kind_of(found.path):
            return True
    return False


def read(root: Path, skip: Skip, note: Callable[[str], None]) -> Iterator[Entry]:
    """The lines of the pages below `root`, page after page; raises `UntoldError` for a bad speakers.csv."""
    about = read_speakers(root / "speakers.csv") if (root / "speakers.csv").is_file() else {}
    pictures = _Pictures(root)
    taken: dict[Path, str] = {}  # picture -> the XML that it was read from
    twice: list[tuple[str, str]] = []
    for found in walk(root):
        if found.path.suffix.lower() != ".xml":
            continue
        if found.problem:
            skip(found.name, found.problem)
            continue
        if kind_of(found.path) is None:
            continue  # METS, IIIF: it tells of no lines
        try:
            told = read_page(found.path)
            picture = pictures.find(told.picture, found)
            if (before := taken.get(picture)) is not None:
                twice.append((found.name, before))
                continue
            _agree(told, picture)
        except (UntoldError, Unreadable) as error:
            skip(found.name, str(error).removeprefix(f"{found.path}: "))
            continue
        if not told.lines:
            skip(found.name, "a page without lines")
            continue
        taken[picture] = found.name
        yield from _lines(told, picture, found.path, root, about, skip)
    if twice:
        several = f"{len(twice)} pages have" if len(twice) > 1 else "1 page has"
        note(f"{several} a second description, which is not read: {twice[0][1]} is, {twice[0][0]} is not")


def read_page(path: Path) -> Page:
    """The page of an ALTO or PAGE file; raises `UntoldError`."""
    return alto.read(path) if kind_of(path) == "alto" else page.read(path)


def _agree(told: Page, picture: Path) -> None:
    """Raises `Unreadable` for a picture that is none, or of another size than its XML tells."""
    wide, high = measured(picture)
    if told.size is not None and told.size not in ((wide, high), (high, wide)):
        raise Unreadable(f"it tells a page of {told.size[0]} x {told.size[1]} pixels, its picture {picture.name} has {wide} x {high}")


def _lines(told: Page, picture: Path, xml: Path, root: Path, about: Mapping[str, Mapping[str, str]], skip: Skip) -> Iterator[Entry]:
    name = picture.relative_to(root).as_posix()
    stem = name[: -len(picture.suffix)]
    for line in told.lines:
        if line.problem:
            skip(f"{stem}/{line.id}", line.problem)
            continue
        cut = Cut(line.polygon, line.baseline, told.size)
        yield transcribed(Entry(f"{stem}/{line.id}", picture, sides=sides_of(name, about), labels=(xml,), cut=cut), line.text)


class _Pictures:
    """The pictures below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._named: dict[str, list[Path]] | None = None

    def find(self, name: str, xml: Found) -> Path:
        """The picture that an XML names; raises `Unreadable` when there is none, when it may be several, and when it lies outside."""
        pure = PurePosixPath(name)
        if not name:
            raise Unreadable("it names no picture")
        if pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
            raise Unreadable(f"its picture {name[:80]!r} leads out of the folder of the source")
        folder = xml.path.parent
        while True:
            path = folder / pure
            if path.suffix.lower() in ENDINGS and _is_file(path):
                if not inside(path, self._root):
                    raise Unreadable(f"its picture {name[:80]!r} leads out of the folder of the source")
                return path
            if folder == self._root or folder.parent == folder:
                break
            folder = folder.parent
        return self._by_name(pure.name)

    def _by_name(self, name: str) -> Path:
        if self._named is None:
            self._named = {}
            for found in walk(self._root):
                if found.path.suffix.lower() in ENDINGS and not found.problem:
                    self._named.setdefault(found.path.name, []).append(found.path)
        paths = self._named.get(name, [])
        if len(paths) != 1:
            raise Unreadable(f"its picture {name[:80]!r} is not there" if not paths else f"{len(paths)} pictures have the name {name[:80]!r}")
        return paths[0]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for a file
        return False
