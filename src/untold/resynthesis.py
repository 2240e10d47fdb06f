"""Latents or units -> sound: through the decoder to log-mel frames, and from those to samples.

What the target front end took out of each recording (its mean and deviation) is put back: the recording's own for a
reconstruction, the mean over a speaker's training recordings for a conversion or for units that come from a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from untold.contract import UNKNOWN, Reconstructs, Recording, Tokenizes, Units
from untold.corpora import Corpus, Pieces
from untold.driver import Model, one_stream
from untold.errors import UntoldError, unknown_name
from untold.formats.tensors import read_tensors, write_tensors
from untold.frontends import adapt
from untold.frontends._spectral import SpectralFrontEnd
from untold.frontends.logmel import invert
from untold.layers import random
from untold.training.loader import AdaptedTable

_LONGEST = 4 * 3600  # seconds of sound made of a units file at once: a number in a file must not fill the memory
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


class Resynthesis:
    """Sound from latents of a model; raises `UntoldError` where the method cannot reconstruct."""

    def __init__(self, model: Model, run: Path, temperature: float = 0.0, seed: int = 0) -> None:
        if not isinstance(model.method, Reconstructs):
            raise UntoldError(f"{model.name} reconstructs nothing: only methods with a decoder do (untold list methods)")
        self.model, self.temperature, self.seed = model, temperature, seed
        front = model.fronts[model.method.target]
        if not isinstance(front, SpectralFrontEnd) or front.matrix is not None:
            raise UntoldError("there is no way back from this model's target to sound: its target must be logmel")
        self.front = front
        self.voices: Mapping[str, Tensor] = read_tensors(run / "voices.safetensors") if front.normalise != "none" else {}
        known = len(model.sides.get("speaker", [UNKNOWN]))
        if not all(value.shape == (known, front.dimensions) and bool(value.isfinite().all()) for value in self.voices.values()):
            raise UntoldError(f"{run / 'voices.safetensors'} does not fit the run: it is damaged")

    def speaker(self, name: str | None) -> int:
        """The index of a speaker of the training set; `unknown` is 0."""
        known = self.model.sides.get("speaker", [UNKNOWN])
        if name is None or name == UNKNOWN:
            return 0
        if name not in known:
            raise unknown_name("speaker in this model's training set", name, known)
        return known.index(name)

    def known(self, recording: Recording) -> int:
        """The index of a recording's speaker, 0 when the model was not trained on them."""
        return self.model.place_of("speaker", recording.speaker)

    def of_recording(self, recording: Recording, speaker: int | None = None) -> np.ndarray:
        """A recording through the bottleneck and back (samples,) float32; with `speaker` in that speaker's voice."""
        latents = torch.from_numpy(np.concatenate(list(self.model.chunks(recording, "bottleneck"))))
        own = adapt(self.front, recording.signals[self.front.stream]) if self.front.passes else {}
        adapted = own if speaker is None else {**own, **self._voice(speaker)}
        return self._sound(latents, self.known(recording) if speaker is None else speaker, adapted)[: recording.signals["audio"].steps]

    def of_units(self, units: Units, speaker: int) -> np.ndarray:
        """Sound (samples,) float32 of units alone, in a speaker's voice. Raises `UntoldError` for units of another alphabet or rate."""
        method = self.model.method
        if not isinstance(method, Tokenizes) or not self.model.alphabet:
            raise UntoldError(f"{self.model.name} has no units to make sound from")
        if units.alphabet != self.model.alphabet or units.grid != self.model.grid("tokens"):
            raise UntoldError(
                f"these units (alphabet {units.alphabet}, {units.grid.rate} Hz) are not of this model "
                f"(alphabet {self.model.alphabet}, {self.model.grid('tokens').rate} Hz): tokenize with the same RUN"
            )
        if not len(units.tokens):
            raise UntoldError("there are no units to make sound from (an empty sequence)")
        if units.grid.start(int(units.ends[-1])) > _LONGEST:
            raise UntoldError(f"units over {float(units.grid.start(int(units.ends[-1]))) / 3600:.1f} hours in one recording: cut them at {_LONGEST // 3600} hours")
        tokens = torch.from_numpy(units.framewise(int(units.ends[-1])))
        latents = method.lookup(tokens[None])[0]
        return self._sound(latents, speaker, self._voice(speaker))

    def _voice(self, speaker: int) -> dict[str, Tensor]:
        return {key: value[speaker][None] for key, value in self.voices.items()}

    def frames(self, latents: Tensor, speaker: int, adapted: Mapping[str, Tensor]) -> Iterator[np.ndarray]:
        """Log-mel frames (steps, bins) of latents (steps, dimensions), piece by piece."""
        method = self.model.method
        assert isinstance(method, Reconstructs)
        grid = self.model.grid("bottleneck")
        sides = {side: torch.tensor([speaker if side == "speaker" else 0], device=latents.device) for side in self.model.sides}
        ratio = int(self.front.grid.rate / grid.rate)
        for start in range(0, len(latents), _PIECE):
            low, high = max(0, start - _OVERLAP), min(len(latents), start + _PIECE + _OVERLAP)
            stop = min(len(latents), start + _PIECE)
            with torch.no_grad():
                density = method.decode(one_stream(latents[low:high], grid), sides)
                keys = random.fold(torch.tensor([self.seed], device=latents.device), start)
                drawn = density.sample(keys, self.temperature) if self.temperature else density.mean  # type: ignore[attr-defined]
            whole = self.front.restore(drawn[:, (start - low) * ratio : (stop - low) * ratio], adapted)
            yield whole[0].cpu().numpy()

    def _sound(self, latents: Tensor, speaker: int, adapted: Mapping[str, Tensor]) -> np.ndarray:
        latents = latents.to(self.model.device())
        return joined([invert(frames) for frames in self.frames(latents, speaker, adapted)])


def joined(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """Pieces of sound one after the other."""
    return np.concatenate(pieces).astype(np.float32) if pieces else np.zeros(0, np.float32)
