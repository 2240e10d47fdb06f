"""ZeroSpeech 2017, track 1: English, French, Mandarin (and two surprise languages) without labels, test files by length.

`train/<language>/*.wav`, where a name (up to `_` or `-`) or a sub-folder is the speaker, and
`test/<language>/1s|10s|120s/*.wav`, whose speakers are not told. The test part is for evaluation; item files of the
challenge name its recordings by their stems.

Source: Dunbar and others, The Zero Resource Speech Challenge 2017, ASRU 2017.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from untold.contract import UNKNOWN
from untold.corpora._audio import ENDINGS
from untold.corpora._entry import Entry
from untold.corpora._walking import walk

TITLE = "ZeroSpeech 2017"
LICENCE = "as its parts: LibriVox (public domain), Aix-MARSEC and others; see its site"
WHERE = "zerospeech.com, challenge of 2017 (zrc datasets:pull zrc2017-train-dataset zrc2017-test-dataset)"
EMBEDDED = False

_LANGUAGES = {"english": "en", "french": "fr", "mandarin": "zh", "german": "de", "wolof": "wo", "lang1": "de", "lang2": "wo"}
_TEST = re.compile(r"(?:^|/)test/([^/]+)/(1s|10s|120s)/[^/]+$", re.IGNORECASE)
_TRAIN = re.compile(r"(?:^|/)train/([^/]+)/(?:wavs?/)?(?:([^/]+)/)?([^/]+)$", re.IGNORECASE)


def recognise(root: Path) -> bool:
    """Test folders by length, or training folders named by the challenge's languages."""
    for above in (".", "data"):
        if any(p.is_dir() and p.name in ("1s", "10s", "120s") for p in (root / above).glob("test/*/*s")):
            return True
        if any(p.is_dir() and p.name.lower() in _LANGUAGES for p in (root / above).glob("train/*")):
            return True
    return False


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """The recordings below `root`, in the order of their names; `root` may be a part, a language or a length itself."""
    above = "/".join(root.parts[-3:])
    for found in walk(root):
        ending = found.path.suffix
        whole = f"{above}/{found.name}"
        if ending.lower() not in ENDINGS:
            continue
        test, train = _TEST.search(whole), _TRAIN.search(whole)
        if test is None and train is None:
            continue
        if found.problem:
            skip(found.name, found.problem)
            continue
        if test is not None:
            note("who speaks in the test part is not told: the item files of the challenge say it")
            sides = {"speaker": UNKNOWN, "language": _language(test[1]), "length": test[2].lower()}
        elif train is not None:
            speaker = train[2] or re.split(r"[-_]", found.path.stem, maxsplit=1)[0]
            sides = {"speaker": speaker, "language": _language(train[1])}
        split = "evaluation" if test is not None else "train"
        yield Entry(found.name[: -len(ending)], found.path, sides=sides, split=split)


def _language(word: str) -> str:
    return _LANGUAGES.get(word.lower(), word.lower())
