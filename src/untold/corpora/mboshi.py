"""Mboshi: a Bantu language of Congo-Brazzaville, read and elicited, with forced alignments of phones and words.

`<speaker>/<name>.flac|.wav .phn .wrd`, times in seconds. The published times are 0.07 s late against the sound, in
every recording (speech.md 3.1.9): they are read 0.07 s earlier, and that is said.

Source: Godard and others, A Very Low Resource Language Speech Corpus for Computational Language Documentation
Experiments, LREC 2018 (arXiv 1710.03501).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

from untold.corpora._audio import ENDINGS
from untold.corpora._entry import Entry
from untold.corpora._marks import Reader, beside, gather, read_marks
from untold.corpora._walking import walk

TITLE = "Mboshi"
LICENCE = "made available by its owner for reproducible language documentation experiments"
WHERE = "github.com/besacier/mboshi-french-parallel-corpus"
EMBEDDED = False

LATE = Fraction(7, 100)  # seconds that the published labels lag the sound


def recognise(root: Path) -> bool:
    """Recordings with a transcription `.mb` beside them, in sub-folders or at once."""
    for folder in (".", "*", "*/*"):
        for text in root.glob(f"{folder}/*.mb"):
            return any(text.with_suffix(ending).exists() for ending in ENDINGS)
    return False


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """The recordings below `root`; the speaker is what the file's name begins with. The part `dev` is for evaluation."""
    early = partial(read_marks, late=LATE)
    for found in walk(root):
        ending = found.path.suffix
        if ending.lower() not in ENDINGS:
            continue
        if found.problem:
            skip(found.name, found.problem)
            continue
        files: dict[str, tuple[Path, Reader]] = {"phones": (beside(found.path, ".phn"), early), "words": (beside(found.path, ".wrd"), early)}
        tiers, labels = gather(files, skip, root)
        if labels:
            note("the published label times are 0.07 s late against the sound: 0.07 s is subtracted")
        sides = {"speaker": found.path.stem.partition("_")[0], "language": "mdw"}
        split = "evaluation" if "dev" in found.name.split("/")[:-1] else "train"
        yield Entry(found.name[: -len(ending)], found.path, sides=sides, tiers=tiers, split=split, labels=labels)
