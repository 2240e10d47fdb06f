"""ScribbleLens: lines of early modern Dutch manuscripts, 84 hands, a fifth of the pages transcribed; and what is laid out like it.

The published layout: `corpora/nl.gray.lines.train.dat` and its like name a picture and perhaps a text a line, from the
folder that holds `corpora`; a picture is `nl/[unsupervised/]SCRIBE/PAGE/lineN.jpg`. Of grey, colour and black-and-white
lists the first that are there are read. The scribe is the folder; of the collections of letters (`owic.brieven`) and of
`roggeveen`, which several hands wrote, it is the hand by the number of the letter or page. Lines of a test list are for
evaluation. Forced alignments (`scribblelens.paths*.zip`, or `lineN.ali` beside the picture: a line `t t+1 letter score`
a column of the picture at 32 rows) are the tier `characters`; blanks (`*`) say nothing, double letters are one.

Source: Dolfing, Bellegarda, Chorowski, Marxer, Laurent, The ScribbleLens Dutch historical handwriting corpus, 2020; the
layout, hands and alignments are read as its first users did (JSALT 2019, distsup, egs/scribblelens/data.py, aligner.py).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path, PurePosixPath

from untold.contract import UNKNOWN, Interval
from untold.corpora._entry import Entry
from untold.corpora._lines import ENDINGS, measured
from untold.corpora._media import Unreadable
from untold.corpora._walking import inside, read_small
from untold.corpora.lines import with_text
from untold.errors import UntoldError

TITLE = "ScribbleLens"
LICENCE = "as its page states; cite Dolfing and others, 2020"
WHERE = "openslr.org/84"
MEDIUM = "line"

_LIST = re.compile(r"(?:all\.)?([a-z]{2,3})\.(gray|color|bw)\.lines\.(train|test|unsupervised)\.dat")
_MODES = ("gray", "color", "bw")
_LONGEST = 1 << 20  # bytes of an alignment
_HANDS = {  # first number of a page or letter -> the hand that wrote from there on, by the number it has in the corpus
    "owic.brieven.11": ((121, "23"), (172, "20"), (280, "21"), (382, "22")),
    "owic.brieven.46": ((3, "30"), (50, "31"), (100, "32"), (300, "70"), (350, "33")),
    "roggeveen": ((6.0, "80"), (25.1, "81"), (39.1, "82"), (47.1, "83"), (60.1, "84")),
}

Skip = Callable[[str, str], None]


def recognise(root: Path) -> bool:
    """A folder with lists of lines in `corpora`, or one that holds such a folder."""
    return _home(root) is not None


def read(root: Path, skip: Skip, note: Callable[[str], None]) -> Iterator[Entry]:
    """The lines of the lists, test lists last; raises `UntoldError` when there is no list."""
    home = _home(root)
    if home is None:
        raise UntoldError(f"{root}: no ScribbleLens: lists like corpora/nl.gray.lines.train.dat expected")
    lists = _lists(home)
    mode = next(mode for mode in _MODES if any(found[1] == mode for found in lists.values()))
    if len({found[1] for found in lists.values()}) > 1:
        note(f"lines are there in several forms: those of the {mode} lists are read")
    seen: set[str] = set()
    with _Alignments(home) as alignments:
        for path, (language, form, part) in lists.items():
            if form != mode:
                continue
            try:
                rows = read_small(path).splitlines()
            except (UntoldError, OSError) as error:
                skip(path.relative_to(root).as_posix(), str(error).removeprefix(f"{path}: "))
                continue
            for row in rows:
                if entry := _entry(row, home, language, part, path, seen, skip):
                    yield alignments.added(entry, home, skip)


def _entry(row: str, home: Path, language: str, part: str, path: Path, seen: set[str], skip: Skip) -> Entry | None:
    words = row.split()
    if not words or words[0] in seen:
        return None
    seen.add(words[0])
    for word in words[:2]:
        pure = PurePosixPath(word)
        if pure.is_absolute() or ".." in pure.parts or "\\" in word or "\0" in word or not inside(home / word, home):
            skip(word, "leads out of the folder of the source")
            return None
    picture = home / words[0]
    if picture.suffix.lower() not in ENDINGS:
        skip(words[0], f"{path.name} names it, and it is no picture")
        return None
    sides = {"speaker": scribe(words[0], language), "language": language}
    split = "evaluation" if part == "test" else "train"
    entry = Entry(words[0][: -len(picture.suffix)], picture, sides=sides, split=split, labels=(path,))
    text = home / words[1] if len(words) > 1 else None
    return with_text(entry, text, home, skip)


def scribe(name: str, language: str = "nl") -> str:
    """The scribe of a picture by its path; of a folder with several hands, folder and hand; `unknown` when neither tells."""
    folders = PurePosixPath(name).parts[:-1]
    folders = folders[folders.index(language) + 1 :] if language in folders else folders
    folders = folders[1:] if folders[:1] == ("unsupervised",) else folders
    if not folders:
        return UNKNOWN
    page = re.match(r"(\d+)([A-Z]?)(?:\.(\d+))?", folders[1]) if len(folders) > 1 else None
    if page and folders[0] == "owic.brieven.49":
        return f"{folders[0]}.{page[1]}{page[2]}"  # a letter is one hand
    if folders[0] in _HANDS:
        at = float(f"{page[1]}.{page[3] or 0}") if page else 0.0
        hand = next((hand for first, hand in reversed(_HANDS[folders[0]]) if at >= first), None)
        return f"{folders[0]}.{hand}" if hand else UNKNOWN
    return folders[0]


def _home(root: Path) -> Path | None:
    """The folder that holds `corpora`: the root, or one or two below it, as the archive unpacks."""
    for place in (".", "*", "*/*"):
        for folder in sorted(root.glob(f"{place}/corpora") if place != "." else [root / "corpora"]):
            if folder.is_dir() and inside(folder, root) and _lists(folder.parent):
                return folder.parent
    return None


def _lists(home: Path) -> dict[Path, tuple[str, str, str]]:
    """The lists: path -> language, form and part; those for training first."""
    found = {}
    for path in sorted((home / "corpora").iterdir()):
        match = _LIST.fullmatch(path.name)
        if match and path.is_file() and inside(path, home):
            found[path] = (match[1], match[2], match[3])
    order = ("train", "unsupervised", "test")
    return dict(sorted(found.items(), key=lambda one: (one[1][0], order.index(one[1][2]))))


class _Alignments:
    """Which column shows which letter, of those lines for which somebody has said it."""

    def __init__(self, home: Path) -> None:
        self._places = (home / "corpora", home, home.parent)
        self._open = ExitStack()
        self._archive: zipfile.ZipFile | None = None

    def __enter__(self) -> _Alignments:
        archives = [path for place in self._places for path in sorted(place.glob("scribblelens.paths*.zip"))]
        if archives and archives[0].is_file():
            try:
                self._archive = self._open.enter_context(zipfile.ZipFile(archives[0]))
            except (OSError, zipfile.BadZipFile) as error:
                raise UntoldError(f"{archives[0]}: no zip that can be read ({str(error)[:60]}): get it anew, or remove it") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def added(self, entry: Entry, home: Path, skip: Skip) -> Entry:
        """The line with its letters, in pixels of its picture."""
        own = entry.file.with_suffix(".ali")
        name = own.relative_to(home).as_posix()
        try:
            if own.is_file() and inside(own, home):
                text = read_small(own, _LONGEST)
                entry = replace(entry, labels=(*entry.labels, own))
            elif (found := self._within(name, home)) is not None:
                text = found
            else:
                return entry
            tier = read_alignment(text, measured(entry.file)[0])
        except Unreadable:
            return entry  # the picture is skipped when it is decoded, with the reason
        except (UntoldError, OSError, ValueError) as error:
            skip(name, str(error).removeprefix(f"{own}: "))
            return entry
        return replace(entry, tiers={**entry.tiers, "characters": tier})

    def _within(self, name: str, home: Path) -> str | None:
        if self._archive is None:
            return None
        for whole in (f"{home.name}/{name}", name, f"scribblelens.corpus.v1/{name}"):
            try:
                info = self._archive.getinfo(whole)
            except KeyError:
                continue
            if info.file_size > _LONGEST:
                raise ValueError("an alignment of more than a megabyte")
            try:
                with self._archive.open(info) as file:
                    return file.read(_LONGEST).decode()
            except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
                raise ValueError(f"damaged in the archive of alignments ({str(error)[:60]})") from None
        return None


def read_alignment(text: str, width: int) -> list[Interval]:
    """Letters in pixels of a picture so wide: runs of a letter over columns `t t+1 letter score`; raises `ValueError`."""
    lines = text.splitlines()
    head = lines[0].split() if lines else []
    if len(head) < 2 or not head[1].isdecimal() or len(lines) - 1 < int(head[1]) or not int(head[1]):
        raise ValueError("no alignment: a picture and a number of columns expected, and as many lines")
    columns = int(head[1])
    letters = []
    for number, line in enumerate(lines[1 : columns + 1], 2):
        words = line.split()
        if len(words) != 4:
            raise ValueError(f"line {number}: {line[:40]!r} is no 't t+1 letter score'")
        letters.append(" " if words[2] in ("SPACE", "_") else words[2])
    tier, at, scale = [], 0, Fraction(width, columns)
    for letter, run in groupby(letters):
        end = at + len(list(run))
        if letter != "*":
            tier.append(Interval(at * scale, end * scale, letter))
        at = end
    return tier
