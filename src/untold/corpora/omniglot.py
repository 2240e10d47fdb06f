"""Omniglot's characters set into lines: exact places of every character, and people who are known by their number.

Twenty people drew each character of an alphabet once; the drawer within an alphabet is the scribe. Ten lines a scribe are
words of random characters of that alphabet, so a drawing comes again, and neighbours never join. Drawings keep their own
slant and form; how large and how wide apart they are set is made up for each scribe. The last five of twenty are for evaluation.
Read are the published zips (`images_background*.zip`, `images_evaluation.zip`) or what they unpack to; what stands in
several of them is taken once.

Source: Lake, Salakhutdinov, Tenenbaum, Human-level concept learning through probabilistic program induction, Science, 2015.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from untold.contract import Interval
from untold.corpora._entry import Entry
from untold.corpora._setting import Hand, Sort, in_words, inked, set_line
from untold.corpora._walking import walk
from untold.errors import UntoldError

TITLE = "Omniglot, set into lines,"
LICENCE = "MIT (Lake, 2015)"
WHERE = "github.com/brendenlake/omniglot"
MEDIUM = "line"

_NAME = re.compile(r"(?:^|/)([^/]+)/character(\d{1,3})/\d{1,6}_(\d\d)\.png$")
_ARCHIVE = re.compile(r"images_(background|evaluation)\w*\.zip")
_LINES = 10  # of a scribe
_JUDGES = 16  # the first drawer for evaluation
_SIDE = 105  # pixels of a drawing
_LEAST = 45  # rows that a drawing takes at least, so that a dot stays small beside a letter
_LARGEST = 64 << 10  # bytes of a drawing
_MOST = 100_000  # drawings

Drawings = dict[str, dict[int, dict[int, "_Drawing"]]]  # alphabet -> drawer -> character


@dataclass(frozen=True)
class _Drawing:
    """Where a drawing lies: its file, and the name within when that is a zip."""

    file: Path
    name: str = ""


def recognise(root: Path) -> bool:
    """A folder with the published zips or folders."""
    if not root.is_dir():
        return _ARCHIVE.fullmatch(root.name) is not None and zipfile.is_zipfile(root)
    if any(_ARCHIVE.fullmatch(path.name) for path in root.iterdir()):
        return True
    return any(_NAME.search(f"/{path.relative_to(root).as_posix()}") for depth in ("*", "*/*") for path in list(root.glob(f"{depth}/character01/*.png"))[:1])


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """Lines in turn over the scribes of an alphabet, those for evaluation last; raises `UntoldError` when there is no drawing."""
    note("real characters, set into lines of random words; their places are exact")
    with ExitStack() as stack:
        archives: dict[Path, zipfile.ZipFile] = {}
        drawings = _found(root, archives, stack, skip)
        if not drawings:
            raise UntoldError(f"{root}: no drawings of Omniglot: images_background_small1.zip or its folders expected")
        for later in (False, True):
            for alphabet, drawers in sorted(drawings.items()):
                chosen = {number: own for number, own in sorted(drawers.items()) if (number >= _JUDGES) == later}
                yield from _set(root, alphabet, chosen, archives, skip)


def _set(
    root: Path, alphabet: str, drawers: dict[int, dict[int, _Drawing]], archives: dict[Path, zipfile.ZipFile], skip: Callable[[str, str], None]
) -> Iterator[Entry]:
    """The lines of some drawers of an alphabet."""
    key = tuple(alphabet.encode("utf-8", "surrogatepass"))
    for number, own in drawers.items():
        sorts: list[Sort] = []
        for character, drawing in sorted(own.items()):
            try:
                sorts.append(Sort(f"{alphabet}-{character:02d}", _ink(drawing, archives)))
            except ValueError as error:
                skip(f"{drawing.file.name}/{drawing.name}" if drawing.name else drawing.file.relative_to(root).as_posix(), str(error))
        if not sorts:
            continue
        hand = replace(Hand.of((*key, number)), slant=0.0, wide=1.0, stroke=0.9)
        for turn in range(1, _LINES + 1):
            draw = np.random.default_rng((*key, number, turn))
            ink, tier = set_line(in_words(draw, partial(_pick, draw, sorts), (2, 5), (2, 7)), hand, draw)
            scribe = f"{alphabet}-{number:02d}"
            yield Entry(
                f"{alphabet}/{number:02d}/line-{turn:03d}", own[min(own)].file, sides={"speaker": scribe, "alphabet": alphabet},
                tiers={"characters": [Interval(Fraction(a), Fraction(b), label) for a, b, label in tier]},
                split="evaluation" if number >= _JUDGES else "train", drawn=partial(_as_bytes, ink), made_up=True,
            )


def _pick(draw: np.random.Generator, sorts: list[Sort]) -> Sort:
    return sorts[int(draw.integers(len(sorts)))]


def _as_bytes(ink: np.ndarray) -> np.ndarray:
    return np.round(255 * ink).astype(np.uint8)


def _found(root: Path, archives: dict[Path, zipfile.ZipFile], stack: ExitStack, skip: Callable[[str, str], None]) -> Drawings:
    """Where the drawings lie, each once; archives are opened."""
    drawings: Drawings = {}
    count = 0
    for name, drawing in _listed(root, archives, stack, skip):
        match = _NAME.search(name)
        if match is None:
            continue
        count += 1
        if count > _MOST:
            raise UntoldError(f"{root}: more than {_MOST} drawings: Omniglot has 32460")
        drawings.setdefault(match[1], {}).setdefault(int(match[3]), {}).setdefault(int(match[2]), drawing)
    return drawings


def _listed(
    root: Path, archives: dict[Path, zipfile.ZipFile], stack: ExitStack, skip: Callable[[str, str], None]
) -> Iterator[tuple[str, _Drawing]]:
    home = root if root.is_dir() else root.parent
    for found in walk(home):
        if root.is_file() and found.path != root:
            continue
        if _ARCHIVE.fullmatch(found.path.name) and not found.problem:
            try:
                archive = stack.enter_context(zipfile.ZipFile(found.path))
            except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
                skip(found.name, f"no zip that can be read ({str(error)[:60]})")
                continue
            archives[found.path] = archive
            yield from ((name, _Drawing(found.path, name)) for name in sorted(archive.namelist()[: 2 * _MOST]))
        elif found.path.suffix.lower() == ".png" and not found.problem:
            yield f"{home.name}/{found.name}", _Drawing(found.path)


def _ink(drawing: _Drawing, archives: dict[Path, zipfile.ZipFile]) -> np.ndarray:
    """Ink in [0, 1] of a drawing without the paper around it; raises `ValueError` with the reason."""
    try:
        if drawing.name:
            info = archives[drawing.file].getinfo(drawing.name)
            size = info.file_size
            with archives[drawing.file].open(info) as file:
                data = file.read(_LARGEST + 1)
        else:
            size = drawing.file.stat().st_size
            with drawing.file.open("rb") as file:
                data = file.read(_LARGEST + 1)
        if max(size, len(data)) > _LARGEST:
            raise ValueError(f"a drawing of {size} bytes: at most {_LARGEST} are read")
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            if picture.size != (_SIDE, _SIDE):
                raise ValueError(f"{picture.width} x {picture.height} pixels: {_SIDE} x {_SIDE} expected")
            ink = 1 - np.asarray(picture.convert("L"), np.float32) / 255
    except UnidentifiedImageError:
        raise ValueError("not a PNG picture") from None
    except (OSError, zipfile.BadZipFile, EOFError, SyntaxError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"truncated or damaged ({str(error)[:60]})") from None
    box = inked(ink, 0.5)
    if box.size < 2:
        raise ValueError("a blank drawing")
    return np.pad(box, ((max(0, _LEAST - len(box)), 0), (0, 0)))
