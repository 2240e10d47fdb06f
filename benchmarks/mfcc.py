"""13 MFCC (or 39, normalised, warped) against kaldi-native-fbank and librosa, in turns in one run, on one core.

    python benchmarks/mfcc.py FOLDER [--seconds 600]

FOLDER holds recordings. Each row is seconds of sound done in a second of one core, the best of five turns, and the ratio to ours. What is not
installed has no row. Ours and Kaldi's must be equal; librosa's cepstra are other numbers (another scale of mel) of the same size.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
import torch

from untold.contract import Grid
from untold.frontends import FrontEnd, adapt, read_frames
from untold.settings import Choice

Cepstra = Callable[[np.ndarray], np.ndarray]


class Samples:
    """A signal in memory."""

    grid = Grid("second", Fraction(16000), Fraction(1, 32000))
    shape = ()

    def __init__(self, samples: np.ndarray) -> None:
        self.samples, self.steps = samples, len(samples)

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.samples[start:stop]


def ours(**values: str) -> Cepstra:
    front_end: FrontEnd = Choice.of("frontends", "mfcc", **values).build()

    def cepstra(samples: np.ndarray) -> np.ndarray:
        signal = Samples(samples)
        return read_frames(front_end, signal, 0, front_end.steps(len(samples)), adapt(front_end, signal)).numpy()

    return cepstra


def kaldi() -> Cepstra:
    import kaldi_native_fbank as native

    options = native.MfccOptions()
    options.frame_opts.dither, options.frame_opts.snip_edges, options.use_energy = 0, False, False

    def cepstra(samples: np.ndarray) -> np.ndarray:
        made = native.OnlineMfcc(options)
        made.accept_waveform(16000, samples * 32768)
        made.input_finished()
        return np.array([made.get_frame(i) for i in range(made.num_frames_ready)])

    return cepstra


def librosa() -> Cepstra:
    import librosa as peer

    def cepstra(samples: np.ndarray) -> np.ndarray:
        return peer.feature.mfcc(y=samples, sr=16000, n_mfcc=13, n_mels=23, n_fft=512, win_length=400, hop_length=160, fmin=20, lifter=22).T

    return cepstra


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0)
    told = parser.parse_args()
    torch.set_num_threads(1)
    sounds: list[np.ndarray] = []
    for path in sorted(p for p in told.folder.rglob("*") if p.suffix in {".wav", ".flac", ".opus", ".ogg"}):
        samples, rate = soundfile.read(path, dtype="float32")
        if rate == 16000 and samples.ndim == 1:
            sounds.append(samples)
        if sum(map(len, sounds)) > told.seconds * 16000:
            break
    seconds = sum(map(len, sounds)) / 16000
    rows: dict[str, Cepstra] = {"untold, 13 cepstra": ours(deltas="no", normalise="none")}
    if importlib.util.find_spec("kaldi_native_fbank"):
        rows["kaldi-native-fbank, 13 cepstra"] = kaldi()
    if importlib.util.find_spec("librosa"):
        rows["librosa, 13 cepstra"] = librosa()
    rows["untold, 39, normalised over the file"] = ours()
    rows["untold, 39, normalised, warp estimated"] = ours(warp="file")
    best = dict.fromkeys(rows, float("inf"))
    for _ in range(5):
        for name, cepstra in rows.items():
            begun = time.process_time()
            for samples in sounds:
                cepstra(samples)
            best[name] = min(best[name], time.process_time() - begun)
    if "kaldi-native-fbank, 13 cepstra" in rows:
        one, other = (np.concatenate([rows[name](s) for s in sounds[:20]]) for name in list(rows)[:2])
        off = np.abs(one - other)
        print(f"largest difference to Kaldi {off.max():.1e}, of 99.9 % of the values at most {np.quantile(off, 0.999):.1e}")
    print(f"{len(sounds)} recordings, {seconds:.0f} s, one core")
    for name, took in best.items():
        print(f"{name:42s} {seconds / took:7.0f} times real time {best['untold, 13 cepstra'] / took:8.2f} of ours")


if __name__ == "__main__":
    main()
