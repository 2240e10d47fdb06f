"""Recordings that lie in memory, real ones from the folder of shared data, and front ends to read them through."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from untold.contract import Grid
from untold.frontends import adapt, read_frames
from untold.settings import Choice


class Samples:
    """A signal of samples int16 or float; it remembers the most that was read of it at once."""

    grid = Grid("second", Fraction(16000), Fraction(1, 32000))
    shape = ()

    def __init__(self, samples: np.ndarray) -> None:
        scale = 32768.0 if samples.dtype == np.int16 else 1.0
        self.samples = (samples / scale).astype(np.float32)
        self.steps, self.most = len(samples), 0

    def read(self, start: int, stop: int) -> np.ndarray:
        assert 0 <= start <= stop <= self.steps
        self.most = max(self.most, stop - start)
        return self.samples[start:stop]


def noise(samples: int, seed: int = 0) -> Samples:
    """Noise whose loudness and colour change, so that no two frames are alike."""
    draw = np.random.default_rng(seed)
    sound = draw.normal(size=samples) * (0.02 + 0.1 * np.abs(np.sin(np.arange(samples) / 3000.0)))
    return Samples((sound + 0.7 * np.roll(sound, 1)).astype(np.float32))


def timit(shared: Path, identity: str) -> Samples:
    """A recording of the TIMIT sample, as `dr1-fvmh0/sa1`."""
    return Samples(soundfile.read(shared / "data/timit-sample" / f"{identity}.flac", dtype="int16")[0])


RAW = {"deltas": "no", "normalise": "none"}


def build(name="mfcc", **values):
    return Choice.of("frontends", name, **values).build()


def whole(front_end, signal):
    return read_frames(front_end, signal, 0, front_end.steps(signal.steps), adapt(front_end, signal)).numpy()


def kaldi(samples, **options):
    native = pytest.importorskip("kaldi_native_fbank")
    wanted = native.MfccOptions() if options.get("cepstra", True) else native.FbankOptions()
    wanted.frame_opts.dither, wanted.frame_opts.snip_edges = 0, False
    wanted.frame_opts.frame_length_ms = options.get("window", 25.0)
    wanted.use_energy, wanted.mel_opts.num_bins = False, options.get("bins", 23)
    made = (native.OnlineMfcc if options.get("cepstra", True) else native.OnlineFbank)(wanted)
    made.accept_waveform(16000, (samples * 32768).tolist())
    made.input_finished()
    return np.array([made.get_frame(i) for i in range(made.num_frames_ready)])
