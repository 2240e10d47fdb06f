"""What is known before training begins: the split, the warps' mixture, and what each front end adapts to per recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from untold.corpora import Corpus, held_out
from untold.driver import Model
from untold.errors import UntoldError
from untold.formats._writing import beside
from untold.frontends import FrontEnd, adapt, fit_warp
from untold.layers.across import spread
from untold.training.loader import AdaptedTable


def training_split(corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and indices held out: recordings that their owner marks for evaluation are in neither.

    A tenth of the utterances of speakers that have two or more is held out, by a hash of their ids. Raises
    `UntoldError` when nothing is left to train on.
    """
    splits = [recording.split for recording in corpus]
    ours = np.array([i for i, split in enumerate(splits) if split == "train"], np.int64)
    if not len(ours):
        raise UntoldError(f"{corpus.source} holds no recordings for training, only for evaluation")
    ids, speakers = list(corpus.ids()), corpus.sides("speaker")
    kept = np.array(held_out([ids[i] for i in ours], [speakers[i] for i in ours]), bool)
    if kept.all():
        kept[:] = False
    return ours[~kept], ours[kept]


def warp(model: Model, corpus: Corpus, seed: int, progress: Callable[[float], None] | None = None) -> bool:
    """Fits the mixture that chooses warps, if a front end asks for one, and gives it to all that do."""
    asking = [front for front in model.fronts.values() if getattr(front, "warper", None) is not None]
    if not asking:
        return False

    def read(index: int) -> np.ndarray:
        signal = corpus[index].signals["audio"]
        return signal.read(0, min(signal.steps, 60 * 16000))

    fitted = fit_warp(read, len(corpus), seed, progress)
    for front in asking:
        front.warper.load_state_dict(fitted.state_dict())  # type: ignore[union-attr]
    return True


def adapted_table(model: Model, corpus: Corpus, path: Path, progress: Callable[[float], None] | None = None) -> AdaptedTable:
    """What each front end has to know of each recording: (recordings, ...) by stream and key, kept in `path`."""
    stored = _stored(path, len(corpus)) if path.exists() else None
    if spread() and stored is None:
        if torch.distributed.get_rank() == 0:
            stored = _made(model, corpus, path, progress)
        torch.distributed.barrier()
        stored = stored or _stored(path, len(corpus))
    stored = stored or _made(model, corpus, path, progress)
    table: dict[str, dict[str, np.ndarray]] = {stream: {} for stream in model.fronts}
    for name, value in stored.items():
        stream, _, key = name.partition("/")
        table[stream][key] = value.numpy()
    return table


def _stored(path: Path, recordings: int) -> dict[str, Tensor] | None:
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError):
        return None
    return tensors if all(len(value) == recordings for value in tensors.values()) else None


def _made(model: Model, corpus: Corpus, path: Path, progress: Callable[[float], None] | None) -> dict[str, Tensor]:
    rows: dict[str, list[Tensor]] = {}
    fronts: Mapping[str, FrontEnd] = dict(model.fronts.items())  # type: ignore[arg-type]
    by_speaker = _speakers(corpus) if any(front.adapts == "speaker" for front in fronts.values()) else {}
    cached: dict[tuple[str, str], dict[str, Tensor]] = {}
    for number in range(len(corpus)):
        recording = corpus[number]
        for stream, front in fronts.items():
            if front.adapts == "speaker":
                key = (stream, recording.speaker)
                if key not in cached:
                    cached[key] = adapt(front, [corpus[i].signals[front.stream] for i in by_speaker[recording.speaker]])
                found = cached[key]
            else:
                found = adapt(front, recording.signals[front.stream])
            for name, value in found.items():
                rows.setdefault(f"{stream}/{name}", []).append(value[0].cpu())
        if progress is not None:
            progress(1.0)
    tensors = {name: torch.stack(values) for name, values in rows.items()}
    if tensors:
        with beside(path) as part:
            save_file(tensors, part)
    return tensors


def _speakers(corpus: Corpus) -> dict[str, list[int]]:
    out: dict[str, list[int]] = {}
    for number, speaker in enumerate(corpus.sides("speaker")):
        out.setdefault(speaker, []).append(number)
    return out
