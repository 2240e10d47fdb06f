"""Long recordings in pieces: all of it, none too long, cut where it is quiet."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untold.contract import Grid
from untold.corpora import _cutting
from untold.corpora._cutting import quiet_cuts


@dataclass
class Sound:
    samples: np.ndarray
    grid: Grid = Grid("second", Fraction(16000), Fraction(1, 32000))
    shape: tuple[int, ...] = ()
    largest = 0

    @property
    def steps(self) -> int:
        return len(self.samples)

    def read(self, start: int, stop: int) -> np.ndarray:
        self.largest = max(self.largest, stop - start)
        return self.samples[start:stop].astype(np.float32)


@given(st.integers(0, 2000), st.floats(0.05, 3.0), st.integers(0, 99))
def test_pieces_follow_each_other_over_the_whole(hundreds, longest, seed):
    sound = Sound(np.random.default_rng(seed).normal(size=hundreds * 37).astype(np.float32))
    pieces = quiet_cuts(sound, longest)
    assert pieces[0][0] == 0 and pieces[-1][1] == sound.steps
    assert all(a[1] == b[0] for a, b in pairwise(pieces))
    assert all(0 < end - start <= longest * 16000 for start, end in pieces) or sound.steps == 0


def test_cuts_lie_in_pauses():
    draw = np.random.default_rng(0)
    loud = draw.normal(size=16000 * 60).astype(np.float32)
    pauses = [7.0, 15.5, 22.0, 30.0, 38.2, 46.0, 54.0]
    for pause in pauses:
        loud[int(pause * 16000) : int((pause + 0.3) * 16000)] *= 0.01
    cuts = [end / 16000 for _, end in quiet_cuts(Sound(loud), 10.0)][:-1]
    assert len(cuts) == len(pauses) and all(p <= cut <= p + 0.3 for p, cut in zip(pauses, cuts, strict=True))


def test_the_signal_is_streamed_and_blocks_change_nothing(monkeypatch):
    sound = Sound(np.random.default_rng(1).normal(size=16000 * 200).astype(np.float32))
    whole = quiet_cuts(sound, 20.0)
    assert sound.largest <= 16000 * 60
    monkeypatch.setattr(_cutting, "_BLOCK", 77)
    assert quiet_cuts(sound, 20.0) == whole


def test_too_short_pieces_are_refused():
    with pytest.raises(ValueError, match="too short"):
        quiet_cuts(Sound(np.zeros(16000)), 0.01)


def test_training_sees_long_recordings_in_pieces_and_short_ones_whole(tmp_path, monkeypatch):
    import soundfile

    from untold.corpora import open_source
    from untold.corpora._cutting import Pieces

    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    draw = np.random.default_rng(0)
    for name, seconds in (("a/long", 95), ("b/short", 4)):
        path = tmp_path / "source" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * draw.standard_normal(seconds * 16000), 16000)
    pieces = Pieces(open_source(str(tmp_path / "source")))
    assert next(iter(pieces.ids())) == "a/long_0001" and list(pieces.ids())[-1] == "b/short"
    assert pieces.sides("speaker") == ["a"] * (len(pieces) - 1) + ["b"]
    assert pieces.length == 99 and max(pieces.steps()) <= 30 * 16000
    whole = pieces.corpus[0].signals["audio"]
    joined = np.concatenate([p.signals["audio"].read(0, p.signals["audio"].steps) for p in pieces.select(range(len(pieces) - 1))])
    assert np.array_equal(joined, whole.read(0, whole.steps))
