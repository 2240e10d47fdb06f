"""A small corpus of made lines (stroke, box, blank paper) whose units are known; one scribe writes from right to left."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from made_sounds import HOSTILE, SCRIPT, Corpus

from untold.contract import TRANSCRIPTION, Grid, Interval, Recording, Units

GRID = Grid("pixel", Fraction(1, 8), Fraction(4))
STROKE, BOX, BLANK = 0, 1, 2
TOKENS = (STROKE, BLANK, BOX, BLANK, BOX, STROKE, BLANK, STROKE, BOX, BLANK)
STEPS = (2, 2, 4, 1, 4, 2, 3, 2, 4, 2)  # of 8 pixels: each unit always has the same length but for the blanks


class Line:
    """Columns held in memory."""

    grid = Grid("pixel", Fraction(1), Fraction(1, 2))
    shape = (64,)

    def __init__(self, columns: np.ndarray) -> None:
        self.columns = columns
        self.steps = len(columns)

    def read(self, start: int, stop: int) -> np.ndarray:
        assert 0 <= start <= stop <= self.steps
        return self.columns[start:stop]


def ink(token: int, steps: int) -> np.ndarray:
    """What a token stands for, columns (8 steps, 64): a stroke at its beginning, a box around it, or nothing."""
    columns = np.zeros((8 * steps, 64), np.float32)
    if token == STROKE:
        columns[2:6, 10:54] = 1
    if token == BOX:
        columns[2:-2, 12:16] = columns[2:-2, 48:52] = 1
        columns[2:5, 12:52] = columns[-5:-2, 12:52] = 1
    return columns


def corpus(*, scribes: int = 3, each: int = 4) -> tuple[Corpus, dict[str, Units]]:
    """Lines and their units; the last scribe writes from right to left."""
    recordings, units = [], {}
    for number in range(scribes * each):
        scribe = number % scribes
        columns = np.concatenate([ink(t, n) for t, n in zip(TOKENS, STEPS, strict=True)])
        ends = np.cumsum(STEPS)
        tier = [Interval(Fraction(8 * int(e - n)), Fraction(8 * int(e)), ["i", HOSTILE, ""][t]) for t, n, e in zip(TOKENS, STEPS, ends, strict=True)]
        text = [Interval(Fraction(0), Fraction(len(columns)), f"{SCRIPT} i o o i i o")]
        identity = f"{HOSTILE}/{number}"
        sides = {"speaker": f"{HOSTILE}{[2, 10, 9][scribe % 3] + scribe // 3}", **({"direction": "rtl"} if scribe == scribes - 1 else {})}
        recordings.append(Recording(identity, {"line": Line(columns)}, sides, {"characters": tier, TRANSCRIPTION: text}))
        units[identity] = Units.from_frames(np.repeat(TOKENS, STEPS), 4, GRID, "made")
    return Corpus(recordings), units


def accompany(run: Path) -> None:
    """scores.csv as a run leaves it."""
    head = "corpus,task,metric,point,value,low,high,n,better,method,seed,seconds,conventions\n"
    rows = [
        "c,probes,character_accuracy,bottleneck,0.62,0.6,0.7,8,higher,lines,0,3,probe=MLP", "c,probes,character_accuracy,columns,0.5,0.4,0.6,8,higher,columns,,3,probe=MLP",
        "c,probes,character_accuracy,,0.2,,,8,higher,chance,,3,probe=MLP", "c,probes,speaker_accuracy,bottleneck,0.4,0.3,0.5,8,higher,lines,0,3,probe=MLP",
        "c,clusters,mutual_information,units,0.5,0.4,0.6,8,higher,lines,0,3,tier=characters", "c,speaker_information,speaker_information,units,0.1,,,3,lower,lines,0,3,unit=bits",
    ]
    (run / "scores.csv").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
