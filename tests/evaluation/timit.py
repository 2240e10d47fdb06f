"""The TIMIT sample as recordings, read without the package's own reader."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from untold.contract import Grid, Interval, Recording


class Sound:
    """A file's samples."""

    shape = ()
    grid = Grid("second", Fraction(16000), Fraction(1, 32000))

    def __init__(self, path: Path) -> None:
        self._path = path
        self.steps = soundfile.info(path).frames

    def read(self, start: int, stop: int) -> np.ndarray:
        return soundfile.read(self._path, start=start, stop=stop, dtype="float32")[0]


class Corpus(list):
    """Recordings with a name."""

    name = "timit"


def recordings(folder: Path, speakers: int = 16) -> Corpus:
    """Ten recordings of each of the first speakers, with the 61 phones."""
    out = Corpus()
    for person in sorted(folder.glob("dr*-*"))[:speakers]:
        for path in sorted(person.glob("*.flac")):
            lines = [line.split() for line in path.with_suffix(".phn").read_text().splitlines()]
            tier = [Interval(Fraction(int(a), 16000), Fraction(int(b), 16000), label) for a, b, label in lines]
            sides = {"speaker": person.name, "sex": person.name.split("-")[1][0]}
            out.append(Recording(f"{person.name}/{path.stem}", {"audio": Sound(path)}, sides, {"phones": tier}))
    return out
