"""Sound that was made again, as recordings that instruments can read; and how far it is from what it was made of."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import soundfile

from untold.contract import Grid, Reconstructs, Recording, Tokenizes
from untold.errors import UntoldError
from untold.evaluation._pitch import pitch
from untold.evaluation._probed import log_mel
from untold.frontends import read_frames
from untold.frontends.logmel import invert
from untold.resynthesis import Resynthesis, Wanted, joined

CEPSTRA = 13
_RANGE = 6 * np.log(10)  # nats of power: 60 dB


@dataclass(frozen=True)
class Sounded:
    """A signal whose samples (steps,) are in memory."""

    samples: np.ndarray
    grid: Grid
    shape: tuple[int, ...] = ()

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self.samples)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Samples `start` to `stop`; places outside raise `IndexError`."""
        if not 0 <= start <= stop <= self.steps:
            raise IndexError(f"samples {start} to {stop} of {self.steps}")
        return self.samples[start:stop]


def resynthesis_of(subject: Any, seed: int) -> Resynthesis:
    """The way back to sound of a RUN; raises `UntoldError` for what has none."""
    run, model = getattr(subject, "run", None), getattr(subject, "model", None)
    if run is None or model is None or not isinstance(model.method, Reconstructs):
        raise UntoldError(f"{subject.name} makes no sound: only runs with a decoder do")
    if model.fronts[model.method.target].stream != "audio":
        raise UntoldError(f"{subject.name} draws lines of handwriting, and what is judged here is sound: look at them (untold reconstruct, untold convert)")
    return Resynthesis(model, run.path, seed=seed)


def from_units(back: Resynthesis, recording: Recording, speaker: int) -> Wanted:
    """What the units of a recording stand for, and nothing else of it; its latents where the model has no units."""
    if isinstance(back.method, Tokenizes) and back.model.alphabet:
        return replace(back.wanted_of_units(back.model.units(recording), speaker, recording.id), samples=recording.signals["audio"].steps)
    return back.wanted(recording, speaker)


def made(back: Resynthesis, wanted: Sequence[Wanted]) -> Iterator[np.ndarray]:
    """The sound of each, as many at once as the decoder likes."""
    for start in range(0, len(wanted), back.at_once):
        some = wanted[start : start + back.at_once]
        pieces: list[list[np.ndarray]] = [[] for _ in some]
        for piece in back.pieces(some):
            for row, part in zip(pieces, piece, strict=True):
                row.append(part)
        yield from (joined(row) for row in pieces)


def resounding(recording: Recording, samples: np.ndarray) -> Recording:
    """The recording with other sound, as long as it was."""
    signal = recording.signals["audio"]
    fitting = np.pad(samples, (0, max(0, signal.steps - len(samples))))[: signal.steps].astype(np.float32)
    return replace(recording, signals={"audio": Sounded(fitting, signal.grid)})


def samples_of(recording: Recording) -> np.ndarray:
    """All samples of a recording."""
    signal = recording.signals["audio"]
    return signal.read(0, signal.steps)


def log_mels(recording: Recording) -> np.ndarray:
    """Log-mel energies (frames, 40), not normalised."""
    front, signal = log_mel(), recording.signals["audio"]
    return read_frames(front, signal, 0, front.steps(signal.steps), {}).numpy()


def griffin_lim(recording: Recording) -> np.ndarray:
    """Sound made of the recording's own log-mel frames: what is lost without any code."""
    return invert(log_mels(recording))


def opus(samples: np.ndarray) -> tuple[np.ndarray, float]:
    """Sound through Opus at its lowest rate (6 kbit/s asked for), and the bits of its packets, the file's wrapping left out."""
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format="OGG", subtype="OPUS", compression_level=1.0)
    data, at, bodies = file.getvalue(), 0, []
    while data[at : at + 4] == b"OggS":  # a page: 27 bytes, how many segments, their sizes, the segments
        head = 27 + data[at + 26]
        bodies.append(sum(data[at + 27 : at + head]))
        at += head + bodies[-1]
    bits = 8.0 * sum(bodies[2:])  # the first two pages say what follows
    file.seek(0)
    back, _ = soundfile.read(file, dtype="float32")
    return back, bits


@dataclass(frozen=True)
class Distance:
    """Sums over frames of one recording: distortion (dB), frames; squared cents, frames voiced in both; frames voiced in one only."""

    distortion: float
    frames: int
    squared_cents: float
    voiced: int
    differing: int


def distance(one: Recording, other: Recording) -> Distance:
    """How far the sound of `other` is from that of `one`.

    Mel-cepstral distortion (Kubichek 1993): 10 / ln 10 times the root of twice the squared differences of the cepstra 1 to
    13 of 40 log-mel energies, in dB, frame by frame: no frame is moved, since the lengths are the same. What lies more
    than 60 dB below the loudest energy of a sound is taken to be there: nobody hears more silence than that.
    """
    from scipy.fft import dct

    mels = [log_mels(r) for r in (one, other)]
    a, b = (dct(np.maximum(mel, mel.max(initial=-np.inf) - _RANGE) / 2, type=2, norm="ortho", axis=1)[:, 1 : CEPSTRA + 1] * (2 / 40) ** 0.5 for mel in mels)
    frames = min(len(a), len(b))
    distortion = 10 / np.log(10) * np.sqrt(2 * np.square(a[:frames] - b[:frames]).sum(1))
    f, g = (pitch(samples_of(r)) for r in (one, other))
    both = (f > 0) & (g > 0)
    cents = 1200 * np.log2(g[both] / f[both])
    return Distance(float(distortion.sum()), frames, float(np.square(cents).sum()), int(both.sum()), int(((f > 0) != (g > 0)).sum()))
