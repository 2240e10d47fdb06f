"""TIMIT: read American English of 630 speakers with hand-checked phones and words; also the sample that NLTK hands out.

Both layouts: `TRAIN|TEST/DRx/SPKR/*.WAV .PHN .WRD` in any case, and `drx-spkr/*` (wav or flac). The first letter of a
speaker's name is the sex; the part TEST is for evaluation; times are samples at 16 kHz.

Source: Garofolo and others, TIMIT Acoustic-Phonetic Continuous Speech Corpus, LDC93S1, 1993.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from untold.corpora._audio import ENDINGS
from untold.corpora._entry import Entry
from untold.corpora._marks import Reader, beside, gather, read_marks
from untold.corpora._walking import walk

TITLE = "TIMIT"
LICENCE = "LDC licence; the sample of NLTK: CC BY-NC-SA"
WHERE = "LDC93S1 at catalog.ldc.upenn.edu; the sample: nltk.download('timit')"
EMBEDDED = False

_SPEAKER = re.compile(r"(?:^|/)(dr[1-8])[-/]([fm])([a-z]{3}\d)/([^/]+)$", re.IGNORECASE)
_RATE = 16000


def recognise(root: Path) -> bool:
    """Folders of dialect regions, at once or below TRAIN and TEST, with .phn files in samples."""
    for above in (".", "train", "TRAIN", "Train", "test", "TEST", "timit", "TIMIT"):
        for region in sorted((root / above).glob("[dD][rR][1-8]*"))[:1]:
            names = [f"{region.name}/{p.name}" if p.is_dir() else p.name for p in sorted(region.iterdir())[:20]]
            deep = [f"{name}/x" for name in names] + [f"{region.name}/{name}" for name in names]
            return any(_SPEAKER.search(name) for name in deep)
    return bool(sorted(root.glob("*/T[RE][AS][IT]*/DR[1-8]"))[:1])


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """The recordings below `root`, in the order of their names."""
    samples = partial(read_marks, rate=_RATE)
    for found in walk(root):
        whole = f"{root.name}/{found.name}"
        match = _SPEAKER.search(whole)
        if match is None or found.path.suffix.lower() not in ENDINGS:
            continue
        if found.problem:
            skip(found.name, found.problem)
            continue
        path = found.path
        if path.with_suffix("").suffix.lower() == ".wav" and path.with_suffix("").is_file():
            continue  # SA1.WAV.wav beside SA1.WAV: somebody's conversion of the same
        region, sex, rest = match[1].lower(), match[2].lower(), match[3].lower()
        files: dict[str, tuple[Path, Reader]] = {"phones": (beside(path, ".phn"), samples), "words": (beside(path, ".wrd"), samples)}
        tiers, labels = gather(files, skip, root)
        sides = {"speaker": f"{region}-{sex}{rest}", "sex": sex, "language": "en", "dialect": region}
        test = any(part.lower() == "test" for part in whole.split("/")[:-3])
        identity = found.name[: -len(path.suffix)]
        yield Entry(identity, path, sides=sides, tiers=tiers, split="evaluation" if test else "train", labels=labels)
