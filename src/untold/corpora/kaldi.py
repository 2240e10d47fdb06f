"""A Kaldi data folder: wav.scp, and where they are segments, utt2spk, spk2gender, utt2lang.

Commands in wav.scp (lines that end in |) are never run. Paths are taken from the folder itself, and those that lead out
of it are skipped; `kaldi:PATH` says that they are to be trusted, as paths of one's own experiments are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

from untold.contract import UNKNOWN
from untold.corpora._entry import Entry
from untold.corpora._walking import inside
from untold.corpora.folder import sex, speaker
from untold.errors import UntoldError

TITLE = "a Kaldi folder"
LICENCE = "yours"
WHERE = "on your disk"
PREFIX = False
_LONGEST_LINE = 1 << 16


def recognise(root: Path) -> bool:
    """A folder with a wav.scp."""
    return (root / "wav.scp").is_file()


def read(
    root: Path, skip: Callable[[str, str], None], note: Callable[[str], None], trusted: bool = False
) -> Iterator[Entry]:
    """Utterances of `segments`, or the recordings of wav.scp; raises `UntoldError` for lines that are none."""
    if not recognise(root):
        raise UntoldError(f"{root}: no wav.scp in it, so it is no Kaldi folder")
    speakers, sexes, languages = (_table(root / name) for name in ("utt2spk", "spk2gender", "utt2lang"))
    tables = tuple(p for p in (root / name for name in ("wav.scp", "segments", "utt2spk")) if p.is_file())

    def made(utterance: str, audio: Path, start: Fraction | None, end: Fraction | None, channel: int | None) -> Entry:
        who = speakers.get(utterance, "")
        sides = {"speaker": speaker(who), "sex": sex(sexes.get(who, UNKNOWN))}
        if utterance in languages:
            sides["language"] = languages[utterance]
        return Entry(utterance, audio, start, end, sides, labels=tables[1:], channel=channel)

    recordings: dict[str, Path] = {}
    segments = (root / "segments").is_file()
    for name, place in _lines(root / "wav.scp"):
        audio = root / place
        if place.endswith("|"):
            skip(name, "is a command in wav.scp, and no command is run: write its output as a wav")
        elif not trusted and not inside(audio, root):
            skip(name, f"its path {place} leads out of the folder: write kaldi:{root} to trust it")
        elif segments:
            recordings[name] = audio
        else:
            yield made(name, audio, None, None, None)
    if not segments:
        return
    for utterance, words in _lines(root / "segments"):
        recording, *times = words.split()
        start, end = (_seconds(word) for word in [*times, "", ""][:2])
        if start is None or end is None:
            raise UntoldError(f"{root / 'segments'}: {utterance} {words}: utterance, recording, start and end in seconds expected")
        if recording not in recordings:
            skip(utterance, f"its recording {recording} is not in wav.scp or was skipped")
            continue
        channel = {"A": 0, "B": 1, "1": 0, "2": 1}.get(times[2]) if len(times) > 2 else None
        yield made(utterance, recordings[recording], start, None if end < 0 else end, channel)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """The first word of each line and the rest."""
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), ""), 1):
            words = line.strip().split(None, 1)
            if len(words) == 2:
                yield words[0], words[1]
            elif words:
                raise UntoldError(f"{path}, line {number}: two words expected, {line.strip()[:80]!r} found")


def _table(path: Path) -> dict[str, str]:
    return dict(_lines(path)) if path.is_file() else {}


def _seconds(word: str) -> Fraction | None:
    try:
        return Fraction(word) if len(word) < 30 and "e" not in word.lower() else None
    except (ValueError, ZeroDivisionError):
        return None
