"""EmoDB: ten German actors in an anechoic chamber, the same sentences in several moods, hand-made phone marks.

Recordings named like `03a01Fa` (speaker, sentence, mood, take) with `.lablaut` (phones) and `.silb` (syllables) beside
them, or in folders `wav`, `lablaut`, `silb` as its owner hands it out. A mark is where a segment begins; one without a
label, or with a setting of the voice as its label (`-sth`), is a change within a segment. Closure, burst and aspiration
of a stop (`t` or `_t`, `!t`, `tasp`) are one phone.

Source: Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss, A Database of German Emotional Speech, Interspeech 2005.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

from untold.contract import Interval
from untold.corpora._audio import ENDINGS
from untold.corpora._entry import Entry
from untold.corpora._marks import Reader, gather
from untold.corpora._walking import walk
from untold.errors import UntoldError
from untold.formats._labels import read_bytes, seconds

TITLE = "EmoDB"
LICENCE = "open on its authors' site; cite them"
WHERE = "emodb.bilderbar.info"
EMBEDDED = False

_NAME = re.compile(r"(\d\d)([ab]\d\d)([NWFTALE])([a-z])$")
_WOMEN, _MEN = ("08", "09", "13", "14", "16"), ("03", "10", "11", "12", "15")
_MOODS = {"N": "neutral", "W": "anger", "F": "happiness", "T": "sadness", "A": "fear", "L": "boredom", "E": "disgust"}
_SETTING = re.compile(r"[-+][a-z]{2,}.*")  # -sth, +nas: how the voice goes on
_PART = re.compile(r"[_!]*([^_!]+?)(?:asp)?")  # of a stop: _t closure, !t burst, tasp aspiration
_END = "."  # the label of the last mark


def recognise(root: Path) -> bool:
    """Recordings named as EmoDB's with phone marks beside them or in a folder `lablaut`."""
    for place in (".", "*", "lablaut"):
        for marks in root.glob(f"{place}/*.lablaut"):
            return _NAME.fullmatch(marks.stem.removesuffix("xx")) is not None
    return False


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """The recordings below `root`, in the order of their names."""
    for found in walk(root):
        path = found.path
        match = _NAME.fullmatch(path.stem)
        if match is None or path.suffix.lower() not in ENDINGS:
            continue
        if found.problem:
            skip(found.name, found.problem)
            continue
        speaker, sentence, mood, _ = match.groups()
        files: dict[str, tuple[Path, Reader]] = {"phones": (_labels(path, ".lablaut"), read_phones), "syllables": (_labels(path, ".silb"), read_syllables)}
        tiers, labels = gather(files, skip, root)
        sex = "f" if speaker in _WOMEN else "m" if speaker in _MEN else "unknown"
        sides = {"speaker": speaker, "sex": sex, "language": "de", "mood": _MOODS[mood], "sentence": sentence}
        yield Entry(found.name[: -len(path.suffix)], path, sides=sides, tiers=tiers, labels=labels)


def read_phones(path: Path) -> list[Interval]:
    """Phones in seconds from a `.lablaut` file: what stands in each mark's first column, up to the next mark's time."""
    header, gate, body = _text(path).partition("\n#\n")
    if not gate:
        raise UntoldError(f"{path}: no phone marks: a line '#' is to end its header")
    marks = []
    for number, line in enumerate(body.splitlines(), header.count("\n") + 3):
        words = line.split(None, 2)
        if not words:
            continue
        label = re.match(r"\s*\S+\s+-?\d+ ?([^\t]*)", line)
        if label is None:
            raise UntoldError(f"{path}, line {number}: {line[:40]!r} is no 'time -1 label'")
        marks.append((seconds(words[0], f"{path}, line {number}"), (label[1].split() or [""])[0]))
    return _joined(_between(path, marks))


def read_syllables(path: Path) -> list[Interval]:
    """Syllables in seconds from a `.silb` file, each up to the next one's time."""
    rows = [line.split(None, 1) for line in _text(path).splitlines() if line.strip()]
    marks = []
    for number, row in enumerate(rows, 1):
        marks.append((seconds(row[0], f"{path}, line {number}"), row[1].strip() if len(row) > 1 else ""))
    return [row for row in _between(path, marks) if row.label]


def _between(path: Path, marks: list[tuple[Fraction, str]]) -> list[Interval]:
    found = []
    for (start, label), (end, _) in itertools.pairwise(marks):
        if end < start or start < 0:
            raise UntoldError(f"{path}: the times of its marks run back at {float(start):g} s")
        if end > start and label != _END:
            found.append(Interval(start, end, label))
    return found


def _joined(rows: list[Interval]) -> list[Interval]:
    """Without marks of the voice alone, and with closure, burst and aspiration as one phone."""
    out: list[Interval] = []
    for row in rows:
        label = "" if _SETTING.fullmatch(row.label) else _phone(row.label)
        before = out[-1] if out and out[-1].end == row.start else None
        more = before is not None and before.label == label and label != row.label and not row.label.startswith("_")
        if before is not None and (not label or more):
            out[-1] = Interval(before.start, row.end, before.label)
        elif label:
            out.append(Interval(row.start, row.end, label))
    return out


def _phone(label: str) -> str:
    part = _PART.fullmatch(label)
    return part[1] if part else label


def _text(path: Path) -> str:
    return read_bytes(path).decode("latin-1").replace("\r\n", "\n")


def _labels(audio: Path, ending: str) -> Path:
    names = (f"{audio.stem}{ending}", f"{audio.stem}xx{ending}")
    for folder in (audio.parent, audio.parent.parent / ending[1:]):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    return audio.parent / names[0]
