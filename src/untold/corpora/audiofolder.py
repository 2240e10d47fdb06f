"""A folder with a metadata.csv (or metadata.jsonl), as Hugging Face's audiofolder has it.

The column `file_name` names a recording below the folder; `speaker` (or `speaker_id`), `sex` (or `gender`), `language` are
taken as side information, `split` (`train`, `test`, ...) as the owner's. Folders `train` and `test` with a metadata.csv each
work as well. Without a column for speakers, the first folder below the source is the speaker.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from untold.contract import UNKNOWN
from untold.corpora._audio import ENDINGS
from untold.corpora._entry import Entry
from untold.corpora._walking import inside, read_small
from untold.corpora.folder import sex, speaker
from untold.errors import UntoldError

TITLE = "an audiofolder"
LICENCE = "yours"
WHERE = "on your disk"
PREFIX = False
_TABLES = ("metadata.csv", "metadata.jsonl")
_NAMES = {"speaker_id": "speaker", "spk": "speaker", "client_id": "speaker", "gender": "sex", "lang": "language", "locale": "language"}
_EVALUATION = ("test", "eval", "evaluation", "validation", "valid", "dev")


def recognise(root: Path) -> bool:
    """A folder with a metadata.csv or metadata.jsonl, or with folders (train, test) that have one."""
    return root.is_dir() and bool(_tables(root))


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """The recordings of the tables; raises `UntoldError` for a table without `file_name`."""
    for table in _tables(root):
        part = table.parent.relative_to(root).as_posix()
        for row in _rows(table):
            name = row.get("file_name") or ""
            audio = table.parent / name
            if not name or "\0" in name or not inside(audio, root) or ".." in Path(name).parts:
                skip(name or "a line without file_name", "its path leads out of the folder" if name else f"of {table.name}")
            elif audio.suffix.lower() not in ENDINGS:
                skip(name, "not audio: its name has another ending")
            else:
                identity = audio.relative_to(root).as_posix()[: -len(audio.suffix)]
                yield Entry(identity, audio, sides=_sides(row, name), split=_split(row.get("split") or part), labels=(table,))


def _tables(root: Path) -> list[Path]:
    places = [root, *(root / part for part in ("train", *_EVALUATION))]
    found = [next((p / name for name in _TABLES if (p / name).is_file()), None) for p in places]
    return [table for table in found if table is not None and inside(table, root)]


def _rows(table: Path) -> Iterator[Mapping[str, str]]:
    text = read_small(table, 1 << 30)
    if table.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text))
        try:
            if "file_name" not in (reader.fieldnames or ()):
                raise UntoldError(f"{table}: no column 'file_name' in its first line")
            for row in reader:
                yield {key: value for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
        except csv.Error as error:
            raise UntoldError(f"{table}, line {reader.line_num}: {error}") from None
        return
    for number, line in enumerate(text.splitlines(), 1):
        try:
            told = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            told = False
        if told is not None and (not isinstance(told, dict) or not isinstance(told.get("file_name"), str)):
            raise UntoldError(f"{table}, line {number}: an object with 'file_name' expected")
        if told:
            yield {key: value for key, value in told.items() if isinstance(value, str)}


def _sides(row: Mapping[str, str], name: str) -> dict[str, str]:
    sides = {"speaker": Path(name).parts[0] if len(Path(name).parts) > 1 else UNKNOWN}
    for key, value in row.items():
        key = _NAMES.get(key.strip().lower(), key.strip().lower())
        if key in ("speaker", "sex", "language") or (key not in ("file_name", "split") and len(value) <= 40):
            sides[key] = value.strip() or UNKNOWN
    sides["speaker"] = speaker(sides["speaker"])
    if "sex" in sides:
        sides["sex"] = sex(sides["sex"])
    return sides


def _split(word: str) -> str:
    return "evaluation" if word.strip().lower() in _EVALUATION else "train"
