"""Any folder of recordings (wav, flac, ogg, opus, mp3); speakers from sub-folders, labels from files beside the sound.

The speaker is the first folder below the source. A `speakers.csv` (`speaker[,sex,language,...]`) tells more of them; a
name that is or ends in `unknown` is nobody's. Labels are `<name>.TextGrid`, `<name>.eaf`, `<name>.ctm` beside the
recording, or one CTM file for all. In an ELAN file with tiers of utterances, each utterance is a recording of its own
and the tier's participant its speaker.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from untold.contract import UNKNOWN
from untold.corpora._audio import ENDINGS, FOREIGN
from untold.corpora._entry import Entry
from untold.corpora._labels import Labels, shared_labels
from untold.corpora._walking import Found, read_small, walk
from untold.errors import UntoldError

TITLE = "a folder"
LICENCE = "yours"
WHERE = "on your disk"
PREFIX = False
_SEXES = {"f": "f", "female": "f", "woman": "f", "w": "f", "m": "m", "male": "m", "man": "m"}


def recognise(root: Path) -> bool:
    """Any folder may be one."""
    return root.is_dir()


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """The recordings below `root`, sorted; raises `UntoldError` for two recordings with one id or a bad speakers.csv."""
    about = read_speakers(root / "speakers.csv") if (root / "speakers.csv").is_file() else {}
    shared = shared_labels(root, skip)
    for folder in _folders(root):
        _check_names(folder)
        labels = Labels({found.path.name: found for found in folder}, shared, skip)
        for found in folder:
            ending = found.path.suffix.lower()
            if ending in FOREIGN:
                skip(found.name, f"{ending} is not read: convert it (ffmpeg -i {found.path.name} {found.path.stem}.wav)")
            elif found.problem and (ending in ENDINGS or not ending):
                skip(found.name, found.problem)
            elif ending in ENDINGS:
                identity = found.name[: -len(ending)]
                yield from labels.entries(Entry(identity, found.path, sides=sides_of(found.name, about)))


def read_speakers(path: Path) -> dict[str, dict[str, str]]:
    """speaker -> what a `speakers.csv` says of them; raises `UntoldError` when it has no column `speaker`."""
    rows = csv.DictReader(io.StringIO(read_small(path)))
    try:
        if not rows.fieldnames or "speaker" not in rows.fieldnames:
            raise UntoldError(f"{path}: no column 'speaker' in its first line: it begins speaker[,sex,language,...]")
        found = {}
        for row in rows:
            told = {key: (value or "").strip() for key, value in row.items() if key and isinstance(value, str | None)}
            found[told.pop("speaker")] = told
    except csv.Error as error:
        raise UntoldError(f"{path}, line {rows.line_num}: {error}") from None
    return found


def sex(word: str) -> str:
    """`f`, `m` or `unknown`."""
    return _SEXES.get(word.strip().lower(), UNKNOWN)


def speaker(word: str) -> str:
    """The name, or `unknown` when it is or ends in that."""
    return UNKNOWN if not word or word.lower().endswith(UNKNOWN) else word


def sides_of(name: str, about: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Who speaks or writes, by the first folder of a name, and what `speakers.csv` says of them."""
    folder = name.partition("/")[0] if "/" in name else ""
    told = {key: value or UNKNOWN for key, value in about.get(folder, {}).items()}
    if "sex" in told:
        told["sex"] = sex(told["sex"])
    return {"speaker": speaker(folder), **told}


def _folders(root: Path) -> Iterator[list[Found]]:
    """The files of each folder together."""
    here: list[Found] = []
    for found in walk(root):
        if here and found.path.parent != here[0].path.parent:
            yield here
            here = []
        here.append(found)
    if here:
        yield here


def _check_names(folder: list[Found]) -> None:
    seen: dict[str, Found] = {}
    for found in folder:
        if found.path.suffix.lower() in ENDINGS and not found.problem:
            other = seen.setdefault(found.path.stem, found)
            if other is not found:
                raise UntoldError(f"two recordings have one id: {other.name} and {found.name}: keep one, or rename one")
