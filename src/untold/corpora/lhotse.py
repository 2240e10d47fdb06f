"""A Lhotse manifest: JSON lines of recordings or of cuts (.jsonl, .jsonl.gz), read without Lhotse.

Paths are taken from the manifest's folder, and those that lead out of it are skipped; `lhotse:FILE` says that they are to
be trusted. Of cuts, speakers, sexes and languages of their supervisions are taken, and word and phone alignments as tiers.
Cuts that are mixed of several, and sources that are commands or addresses, are skipped by name.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from untold.contract import UNKNOWN, Interval
from untold.corpora._entry import Entry
from untold.corpora._labels import conventional
from untold.corpora._walking import inside
from untold.corpora.folder import sex, speaker
from untold.errors import UntoldError

TITLE = "a Lhotse manifest"
LICENCE = "yours"
WHERE = "on your disk"
PREFIX = False
_LONGEST_LINE = 16 << 20  # characters


class _Skipped(Exception):
    pass


def recognise(root: Path) -> bool:
    """A file of JSON lines whose first tells of a recording or a cut."""
    if not root.is_file() or not root.name.lower().endswith((".jsonl", ".jsonl.gz")):
        return False
    try:
        return any(key in next(_lines(root), {}) for key in ("sources", "recording"))
    except UntoldError:
        return False


def read(
    root: Path, skip: Callable[[str, str], None], note: Callable[[str], None], trusted: bool = False
) -> Iterator[Entry]:
    """The recordings or cuts of a manifest; raises `UntoldError` for a line that is no JSON object."""
    for number, line in enumerate(_lines(root), 1):
        name = str(line.get("id", f"line {number}"))
        try:
            entry = _entry(name, line, root)
            if not trusted and not inside(entry.file, root.parent):
                raise _Skipped(f"its path leads out of the manifest's folder: write lhotse:{root} to trust it")
            yield entry
        except _Skipped as reason:
            skip(name, str(reason))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
            skip(name, f"not as Lhotse writes it ({type(error).__name__}: {str(error)[:60]})")


def _entry(name: str, line: Mapping[str, Any], root: Path) -> Entry:
    if line.get("type") in ("MixedCut", "PaddingCut"):
        raise _Skipped(f"a {line['type']}: only cuts of one recording are read")
    recording = line.get("recording", line)
    sources = recording["sources"]
    if len(sources) != 1 or sources[0]["type"] != "file":
        raise _Skipped(f"its sound is {len(sources)} sources, {sources[0]['type']}: one file is read")
    audio = root.parent / str(sources[0]["source"])
    if "sources" in line:
        return Entry(name, audio, labels=(root,))
    start, length = _seconds(line["start"]), _seconds(line["duration"])
    whole = start == 0 and length >= _seconds(recording["duration"])
    channel = line.get("channel")
    channels = sources[0]["channels"]
    picked = channels.index(channel) if isinstance(channel, int) and len(channels) > 1 else None
    told = line.get("supervisions") or []
    return Entry(
        name, audio, None if whole else start, None if whole else start + length, _sides(told), _tiers(told),
        labels=(root,), channel=picked,
    )


def _sides(told: list[Mapping[str, Any]]) -> dict[str, str]:
    """What all supervisions agree on."""
    def same(key: str) -> str:
        values = {str(one.get(key) or "") for one in told}
        return values.pop() if len(values) == 1 else ""

    sides = {"speaker": speaker(same("speaker")), "sex": sex(same("gender"))}
    return {**sides, "language": same("language") or UNKNOWN}


def _tiers(told: list[Mapping[str, Any]]) -> dict[str, list[Interval]]:
    tiers: dict[str, list[Interval]] = {}
    for one in told:
        begin = _seconds(one["start"])
        if one.get("text"):
            tiers.setdefault("utterances", []).append(Interval(begin, begin + _seconds(one["duration"]), str(one["text"])))
        for kind, items in (one.get("alignment") or {}).items():
            for item in items:
                symbol, at, length = item[:3] if isinstance(item, list) else (item["symbol"], item["start"], item["duration"])
                interval = Interval(_seconds(at), _seconds(at) + _seconds(length), str(symbol))
                if interval.label.strip():
                    tiers.setdefault(conventional(kind), []).append(interval)
    return tiers


def _seconds(value: Any) -> Fraction:
    """Exactly the decimal number that stands in the file."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise ValueError(f"{value!r} is no number of seconds")
    return Fraction(str(value))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    number = 0
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            while text := file.readline(_LONGEST_LINE):
                number += 1
                if not text.strip():
                    continue
                line = json.loads(text)
                if not isinstance(line, dict):
                    raise UntoldError(f"{path}, line {number}: a JSON object expected")
                yield line
    except (ValueError, RecursionError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UntoldError(f"{path}, line {number}: not readable as JSON lines ({str(error)[:80]})") from None
