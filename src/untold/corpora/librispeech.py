"""LibriSpeech: about 1000 hours of English read aloud from books by 2484 speakers; no phone times of its own.

`SUBSET/SPEAKER/CHAPTER/*.flac` with `.trans.txt`; sexes from `SPEAKERS.TXT`. The parts `dev-*` and `test-*` are for
evaluation. The words that were read are the tier `utterances`; a TextGrid beside a recording (Montreal Forced Aligner)
gives `phones` and `words`.

Source: Panayotov, Chen, Povey, Khudanpur, LibriSpeech: an ASR corpus based on public domain audio books, ICASSP 2015.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import soundfile

from untold.contract import UNKNOWN, Interval
from untold.corpora._entry import Entry
from untold.corpora._labels import conventional
from untold.corpora._walking import walk
from untold.errors import UntoldError
from untold.formats import textgrid
from untold.formats._labels import read_text

TITLE = "LibriSpeech"
LICENCE = "CC BY 4.0"
WHERE = "openslr.org/12"
EMBEDDED = False

_UTTERANCE = re.compile(r"(?:^|/)(?:([^/]+)/)?(\d+)/(\d+)/\2-\3-\d+\.(?:flac|wav|opus|ogg)$", re.IGNORECASE)
_SUBSET = re.compile(r"(train|dev|test)-\w+")


def recognise(root: Path) -> bool:
    """A folder of its parts, or one part, with speakers, chapters and recordings named after both."""
    for above in (".", "*-clean*", "*-other*", "LibriSpeech/*-clean*", "LibriSpeech/*-other*"):
        for transcript in root.glob(f"{above}/[0-9]*/[0-9]*/*-*.trans.txt"):
            return transcript.name == f"{transcript.parent.parent.name}-{transcript.parent.name}.trans.txt"
    return False


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """The recordings below `root`, in the order of their names."""
    sexes = _sexes(root, skip)
    here, texts = Path(), {}
    for found in walk(root):
        match = _UTTERANCE.search(f"{root.name}/{found.name}")
        if match is None:
            continue
        if found.problem:
            skip(found.name, found.problem)
            continue
        path = found.path
        transcript = path.parent / f"{match[2]}-{match[3]}.trans.txt"
        if path.parent != here:
            here, texts = path.parent, _texts(transcript, root, skip)
        subset = match[1] or ""
        sides = {"speaker": match[2], "sex": sexes.get(match[2], UNKNOWN), "language": "en"}
        if _SUBSET.fullmatch(subset):
            sides["part"] = subset
        tiers, labels = _tiers(path, texts.get(path.stem, ""), root, skip)
        if path.stem in texts:
            labels.append(transcript)
        split = "evaluation" if subset.startswith(("dev", "test")) else "train"
        yield Entry(found.name[: -len(path.suffix)], path, sides=sides, tiers=tiers, split=split, labels=tuple(labels))


def _tiers(path: Path, text: str, root: Path, skip: Callable[[str, str], None]) -> tuple[dict[str, list[Interval]], list[Path]]:
    tiers: dict[str, list[Interval]] = {}
    labels = []
    grid = path.with_suffix(".TextGrid")
    if grid.is_file():
        try:
            tiers = {conventional(name): rows for name, rows in textgrid.read(grid).items()}
            labels.append(grid)
        except UntoldError as error:
            skip(grid.relative_to(root).as_posix(), str(error).removeprefix(str(grid)).lstrip(":, "))
    if text:
        try:
            facts = soundfile.info(path)
        except (soundfile.SoundFileError, OSError):
            return tiers, labels  # what is wrong with the sound is said when it is decoded
        if facts.frames > 0:
            tiers["utterances"] = [Interval(Fraction(0), Fraction(facts.frames, facts.samplerate), text)]
    return tiers, labels


def _texts(path: Path, root: Path, skip: Callable[[str, str], None]) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        lines = (line.partition(" ") for line in read_text(path).splitlines())
        return {name: text.strip() for name, _, text in lines}
    except UntoldError as error:
        skip(path.relative_to(root).as_posix(), str(error).removeprefix(str(path)).lstrip(":, "))
        return {}


def _sexes(root: Path, skip: Callable[[str, str], None]) -> dict[str, str]:
    """speaker -> sex, from the table in the folder itself, above it (a part was given), or below it."""
    for place in (root, root.parent, root / "LibriSpeech"):
        table = place / "SPEAKERS.TXT"
        if not table.is_file():
            continue
        try:
            rows = [line.split("|") for line in read_text(table).splitlines() if not line.startswith(";")]
        except UntoldError as error:
            skip("SPEAKERS.TXT", str(error).removeprefix(str(table)).lstrip(":, "))
            return {}
        told = {row[0].strip(): row[1].strip().lower() for row in rows if len(row) > 2}
        return {speaker: sex for speaker, sex in told.items() if sex in ("f", "m")}
    return {}
