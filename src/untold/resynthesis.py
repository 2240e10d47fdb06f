"""Latents or units -> sound or lines: through the decoder to samples, to log-mel frames and from those to samples, or to ink.

What the target front end took out of each recording (its mean and deviation) is put back: the recording's own for a
reconstruction, the mean over a speaker's training recordings for a conversion or for units that come from a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from untold.contract import UNKNOWN, Reconstructs, Recording, Stream, Tokenizes, Units
from untold.corpora import Corpus, Pieces
from untold.corpora._media import medium
from untold.driver import Model
from untold.errors import UntoldError, unknown_name
from untold.formats.tensors import read_tensors, write_tensors
from untold.frontends import adapt, columns
from untold.frontends._spectral import SpectralFrontEnd
from untold.frontends.logmel import invert
from untold.layers import random
from untold.layers.convolution import inside
from untold.training.loader import AdaptedTable

_LONGEST = {"second": 4 * 3600, "pixel": 200_000}  # of what is made of a units file at once: a number in a file must not fill the memory
LONGEST_DRAWN = 3600  # seconds of one sound that are drawn sample by sample, which takes most of an hour
_PIECE, _OVERLAP = 1500, 50  # latents that are decoded at once, and how many more on each side


def write_voices(path: Path, model: Model, corpus: Corpus | Pieces, adapted: AdaptedTable) -> None:
    """What the target front end found of each speaker, on the mean over the training recordings; row 0 over all."""
    method = model.method
    if not isinstance(method, Reconstructs) or "speaker" not in model.sides:
        return
    table = {key: value for key, value in adapted[method.target].items() if key in ("mean", "std")}
    index = np.array([model.place_of("speaker", speaker) for speaker in corpus.sides("speaker")])
    rows: dict[str, Tensor] = {}
    for key, value in table.items():
        every = torch.from_numpy(value)
        means = [every.mean(0)] + [every[torch.from_numpy(index == i)].mean(0) if (index == i).any() else every.mean(0) for i in range(1, len(model.sides["speaker"]))]
        rows[key] = torch.stack(means)
    if rows:
        write_tensors(path, rows)


@dataclass(frozen=True)
class Wanted:
    """What is to be heard or seen: latents (steps, dimensions), in whose voice or hand, what its frames are restored with, a
    name that the random numbers come from, its steps (samples, pixels) where they are known, and its sides."""

    latents: Tensor
    speaker: int
    adapted: Mapping[str, Tensor]
    name: str = ""
    samples: int | None = None
    sides: Mapping[str, str] = field(default_factory=dict)


class Resynthesis:
    """Sound or lines from latents of a model; raises `UntoldError` where the method cannot reconstruct.

    `temperature`: None for frames and ink as the decoder expects them, and for samples as it draws them. What is made has
    the form of the recording's signal: samples (steps,), or columns of ink (steps, 64) in reading order.
    """

    def __init__(self, model: Model, run: Path, temperature: float | None = None, seed: int = 0) -> None:
        if not isinstance(model.method, Reconstructs):
            raise UntoldError(f"{model.name} reconstructs nothing: only methods with a decoder do (untold list methods)")
        self.model, self.method, self.temperature, self.seed = model, model.method, temperature, seed
        self.front = cast(Any, model.fronts[model.method.target])
        self.medium = medium(self.front.stream)
        self.in_samples, self.in_ink = self.front.grid.unit == "second" and self.front.hop == 1, isinstance(self.front, columns.Columns)
        spectral = isinstance(self.front, SpectralFrontEnd) and self.front.matrix is None
        if not (self.in_samples or self.in_ink or spectral):
            raise UntoldError("there is no way back from this model's target to sound: its target must be logmel, mulaw or waveform")
        restored = spectral and self.front.normalise != "none"
        self.at_once = 8 if self.in_samples else 1  # recordings that are best made together
        self.voices: Mapping[str, Tensor] = read_tensors(run / "voices.safetensors") if restored else {}
        known = len(model.sides.get("speaker", [UNKNOWN]))
        if not all(value.shape == (known, self.front.dimensions) and bool(value.isfinite().all()) for value in self.voices.values()):
            raise UntoldError(f"{run / 'voices.safetensors'} does not fit the run: it is damaged")

    def speaker(self, name: str | None) -> int:
        """The index of a speaker of the training set; `unknown` is 0."""
        return speaker_index(self.model, name)

    def known(self, recording: Recording) -> int:
        """The index of a recording's speaker, 0 when the model was not trained on them."""
        return self.model.place_of("speaker", recording.speaker)

    def of_recording(self, recording: Recording, speaker: int | None = None) -> np.ndarray:
        """A recording through the bottleneck and back, float32; with `speaker` in that speaker's voice or hand."""
        return joined([piece for (piece,) in self.pieces([self.wanted(recording, speaker)])])

    def of_units(self, units: Units, speaker: int, name: str = "") -> np.ndarray:
        """What units alone stand for, float32, in a speaker's voice or hand. Raises `UntoldError` for units of another alphabet or rate."""
        return joined([piece for (piece,) in self.pieces([self.wanted_of_units(units, speaker, name)])])

    def wanted(self, recording: Recording, speaker: int | None = None) -> Wanted:
        """A recording's latents, to be heard or seen as its own or as that of `speaker`."""
        self._drawable(float(recording.length), recording.id)
        latents = torch.from_numpy(np.concatenate(list(self.model.chunks(recording, "bottleneck"))))
        own = adapt(self.front, recording.signals[self.front.stream]) if self.front.passes else {}
        adapted = own if speaker is None else {**own, **self._voice(speaker)}
        return Wanted(latents, self.known(recording) if speaker is None else speaker, adapted, recording.id, recording.signal.steps, recording.sides)

    def wanted_of_units(self, units: Units, speaker: int, name: str = "") -> Wanted:
        """The latents that units stand for. Raises `UntoldError` for units of another alphabet or rate."""
        method = self.model.method
        if not isinstance(method, Tokenizes) or not self.model.alphabet:
            raise UntoldError(f"{self.model.name} has no units to make anything from")
        if units.alphabet != self.model.alphabet or units.grid != self.model.grid("tokens"):
            raise UntoldError(
                f"these units (alphabet {units.alphabet}, {units.grid.rate} a {units.grid.unit}) are not of this model "
                f"(alphabet {self.model.alphabet}, {self.model.grid('tokens').rate} a {self.model.grid('tokens').unit}): tokenize with the same RUN"
            )
        if not len(units.tokens):
            raise UntoldError("there are no units to make anything from (an empty sequence)")
        length = float(units.grid.start(int(units.ends[-1])))
        if length > (most := _LONGEST[units.grid.unit]):
            raise UntoldError(f"units over {self.medium.amount(length)} in one recording: cut them at {self.medium.amount(most)}")
        self._drawable(length, name)
        tokens = torch.from_numpy(units.framewise(int(units.ends[-1])))
        return Wanted(method.lookup(tokens[None])[0], speaker, self._voice(speaker), name)

    def pieces(self, wanted: Sequence[Wanted]) -> Iterator[list[np.ndarray]]:
        """What is made as it is made: the next steps (some, ...) float32 of each."""
        if self.in_samples:
            yield from self._drawn(wanted)
            return
        for number, one in enumerate(wanted):
            left = one.samples
            for frames in self._frames(one):
                sound = _ink(frames) if self.in_ink else invert(frames)
                sound = sound if left is None else sound[:left]
                left = None if left is None else left - len(sound)
                yield [sound if number == row else sound[:0] for row in range(len(wanted))]

    def _drawable(self, seconds: float, name: str) -> None:
        if self.in_samples and seconds > LONGEST_DRAWN:
            raise UntoldError(f"{name}: {seconds / 3600:.1f} hours in one piece are too long to be drawn sample by sample: cut them at {LONGEST_DRAWN // 3600} hour")

    def _voice(self, speaker: int) -> dict[str, Tensor]:
        return {key: value[speaker][None] for key, value in self.voices.items()}

    def _decoded(self, latents: Tensor, lengths: Tensor, speakers: Sequence[int]) -> Any:
        """The density over the target of latents (batch, steps, dimensions)."""
        device = self.model.device()
        sides = {side: torch.tensor([one if side == "speaker" else 0 for one in speakers], device=device) for side in self.model.sides}
        stream = Stream(latents.to(device), lengths.to(device), inside(lengths, latents.shape[1]).to(device), self.model.grid("bottleneck"))
        with torch.no_grad():
            return self.method.decode(stream, sides)

    def _frames(self, one: Wanted) -> Iterator[np.ndarray]:
        """Log-mel frames (steps, bins) or columns of ink (steps, rows), piece by piece."""
        ratio = int(self.front.grid.rate / self.model.grid("bottleneck").rate)
        for start, stop, low, high in _stretches(len(one.latents)):
            density = self._decoded(one.latents[None, low:high], torch.tensor([high - low]), [one.speaker])
            if self.temperature is None:
                drawn = density.mean
            else:
                drawn = density.sample(random.fold(self._key(one), start).to(self.model.device()), self.temperature)
            some = drawn[:, (start - low) * ratio : (stop - low) * ratio].detach()
            if not self.in_ink:
                some = self.front.restore(some, {key: value.to(drawn.device) for key, value in one.adapted.items()})
            yield some[0].float().cpu().numpy()

    def _drawn(self, wanted: Sequence[Wanted]) -> Iterator[list[np.ndarray]]:
        """Samples of all recordings at once, piece by piece; a recording that is over gives empty ones."""
        ratio = int(self.front.grid.rate / self.model.grid("bottleneck").rate)
        lengths = torch.tensor([len(one.latents) for one in wanted])
        ends = [min(len(one.latents) * ratio, one.samples or len(one.latents) * ratio) for one in wanted]
        latents = nn.utils.rnn.pad_sequence([one.latents for one in wanted], batch_first=True)
        keys = torch.cat([self._key(one) for one in wanted])
        walker, at = None, 0
        for start, stop, low, high in _stretches(latents.shape[1]):
            density = self._decoded(latents[:, low:high], (lengths - low).clamp(0, high - low), [one.speaker for one in wanted])
            part = density.part(start - low, stop - low)
            walker = part.walker(len(wanted)) if walker is None else walker
            for piece in part.pieces(keys, self.temperature or 1.0, walker=walker):
                yield [part[: max(0, end - at)] for part, end in zip(self.front.heard(piece), ends, strict=True)]
                at += piece.shape[1]

    def _key(self, one: Wanted) -> Tensor:
        """The key of a recording: that of its name, whatever is made beside it."""
        return random.fold(torch.tensor([self.seed]), int.from_bytes(hashlib.sha256(one.name.encode()).digest()[:7], "big"))


def speaker_index(model: Model, name: str | None) -> int:
    """The index of a speaker of the training set, 0 for `unknown` or None. Raises `UntoldError` for one that was not in it."""
    known = model.sides.get("speaker", [UNKNOWN])
    if name is None or name == UNKNOWN:
        return 0
    if name not in known:
        stream: Any = next(iter(model.fronts.values()))
        raise unknown_name(f"{medium(stream.stream).who} in this model's training set", name, known)
    return known.index(name)


def _stretches(steps: int) -> Iterator[tuple[int, int, int, int]]:
    """Pieces of latents: start, stop, and from where to where they are decoded."""
    for start in range(0, steps, _PIECE):
        stop = min(steps, start + _PIECE)
        yield start, stop, max(0, start - _OVERLAP), min(steps, stop + _OVERLAP)


def _ink(frames: np.ndarray) -> np.ndarray:
    """Columns of a front end (steps, rows) as those of a stored line (pixels, 64) in [0, 1]."""
    return (1 - columns.invert(frames).T / 255).astype(np.float32)


def joined(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """Pieces of sound or of a line one after the other."""
    return np.concatenate(pieces).astype(np.float32) if pieces else np.zeros(0, np.float32)
