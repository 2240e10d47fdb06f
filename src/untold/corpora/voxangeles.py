"""VoxAngeles: single words of many languages from the UCLA Phonetics Lab Archive, with hand-corrected phone times.

`<ISO 639-3 code>/<code>-<recording>-<word>.flac|.wav` with a TextGrid beside it. Who speaks is not told and each
language is taken as one voice: compare within speakers only.

Source: Chodroff, Pažon, Baker, Moran, Phonetic Segmentation of the UCLA Phonetics Lab Archive, LREC-COLING 2024.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from untold.contract import Interval
from untold.corpora._audio import ENDINGS
from untold.corpora._entry import Entry
from untold.corpora._labels import conventional
from untold.corpora._marks import beside
from untold.corpora._walking import walk
from untold.errors import UntoldError
from untold.formats import textgrid

TITLE = "VoxAngeles"
LICENCE = "CC BY-NC 4.0"
WHERE = "github.com/pacscilab/voxangeles, folder data/audited_aligned"
EMBEDDED = False

_WORD = re.compile(r"(?:^|/)([a-z]{3})/\1[-_][^/]+$")


def recognise(root: Path) -> bool:
    """Folders named by three letters, whose TextGrids begin with these."""
    folders = [p for p in sorted(root.iterdir()) if p.is_dir() and not p.name.startswith(".")] if root.is_dir() else []
    fits = [p for p in folders if len(p.name) == 3 and any(_WORD.search(f"{p.name}/{f.name}") for f in p.glob("*.TextGrid"))]
    return len(fits) >= 2 and 2 * len(fits) > len(folders)


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """The words below `root`; the speaker is the language."""
    note("each language has one voice, so its code stands for the speaker: compare within speakers only")
    for found in walk(root):
        ending = found.path.suffix
        match = _WORD.search(f"{root.name}/{found.name}")
        if match is None or ending.lower() not in ENDINGS:
            continue
        if found.problem:
            skip(found.name, found.problem)
            continue
        tiers: dict[str, list[Interval]] = {}
        labels = []
        grid = beside(found.path, ".TextGrid", ".textgrid")
        if grid.is_file():
            try:
                tiers = {conventional(name): rows for name, rows in textgrid.read(grid).items()}
                labels.append(grid)
            except UntoldError as error:
                skip(grid.relative_to(root).as_posix(), str(error).removeprefix(str(grid)).lstrip(":, "))
        sides = {"speaker": match[1], "language": match[1]}
        yield Entry(found.name[: -len(ending)], found.path, sides=sides, tiers=tiers, labels=tuple(labels))
