"""What is known before training begins: the split, the warps' mixture, and what each front end adapts to per recording."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from untold.corpora import Corpus, Pieces, held_out
from untold.driver import Model
from untold.errors import UntoldError
from untold.formats.tensors import read_tensors, write_tensors
from untold.frontends import FrontEnd, WarpMixture, adapt, fit_warp
from untold.training.loader import AdaptedTable
from untold.training.processes import by_first, share, together

_OFTEN = 2.0  # seconds between two pieces of what the front ends were adapted to: what a kill loses at most


def training_split(corpus: Corpus | Pieces) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and indices held out: recordings that their owner marks for evaluation are in neither.

    A tenth of the utterances of speakers that have two or more is held out, by a hash of their ids. Raises
    `UntoldError` when nothing is left to train on.
    """
    splits = corpus.declared()
    ours = np.array([i for i, split in enumerate(splits) if split == "train"], np.int64)
    if not len(ours):
        raise UntoldError(f"{corpus.source} holds no recordings for training, only for evaluation")
    ids, speakers = list(corpus.ids()), corpus.sides("speaker")
    kept = np.array(held_out([ids[i] for i in ours], [speakers[i] for i in ours]), bool)
    if kept.all():
        kept[:] = False
    return ours[~kept], ours[kept]


def warp(model: Model, corpus: Corpus | Pieces, seed: int, progress: Callable[[float], None] | None = None, path: Path | None = None) -> bool:
    """Fits the mixture that chooses warps, if a front end asks for one, and gives it to all that do; kept in `path`."""
    asking = [front for front in model.fronts.values() if getattr(front, "warper", None) is not None]
    if not asking:
        return False

    def read(index: int) -> np.ndarray:
        signal = corpus[index].signal
        return signal.read(0, min(signal.steps, 60 * 16000))

    found = _stored_warp(path)
    if found is None and path is not None:
        by_first(lambda: write_tensors(path, fit_warp(read, len(corpus), seed, progress).state_dict()))
        found = _stored_warp(path)
    if found is None:
        found = fit_warp(read, len(corpus), seed, progress).state_dict()
    together()
    for front in asking:
        front.warper.load_state_dict(found)  # type: ignore[union-attr]
    return True


def _stored_warp(path: Path | None) -> dict[str, Tensor] | None:
    if path is None or not path.exists():
        return None
    try:
        found = read_tensors(path)
    except UntoldError:
        return None
    fits = {key: value.shape for key, value in WarpMixture().state_dict().items()} == {key: value.shape for key, value in found.items()}
    return found if fits and all(bool(value.isfinite().all()) for value in found.values()) else None


def adapted_table(model: Model, corpus: Corpus | Pieces, folder: Path, progress: Callable[[float], None] | None = None) -> AdaptedTable:
    """What each front end has to know of each recording: (recordings, ...) by stream and key.

    It is kept in `folder` in pieces, so that a kill loses two seconds of it; several processes share it out.
    """
    table: dict[str, dict[str, np.ndarray]] = {stream: {} for stream in model.fronts}
    fronts: dict[str, FrontEnd] = {stream: front for stream, front in model.fronts.items() if front.passes}  # type: ignore[misc]
    if not fronts:
        return table
    held = _stored(folder, len(corpus))
    known = held["number"] if held else torch.zeros(0, dtype=torch.int64)
    rank, world = share()
    missing = np.setdiff1d(np.arange(len(corpus)), known.numpy())
    if progress is not None:
        progress(float(len(known)))
    together()  # nobody writes while another still looks what is there
    _make(fronts, corpus, missing[rank::world], folder, progress)
    together()
    held = _stored(folder, len(corpus))
    if held is None or len(held["number"]) != len(corpus):
        raise UntoldError(f"{folder} changed while it was written: remove it, and go on with --resume")
    for name, value in held.items():
        stream, _, key = name.partition("/")
        if key:
            table[stream][key] = value.numpy()
    return table


def _stored(folder: Path, recordings: int) -> dict[str, Tensor] | None:
    """All the pieces that can be read, in the recordings' order, with their numbers; None: there are none."""
    pieces: list[dict[str, Tensor]] = []
    for path in sorted(folder.glob("[0-9]*.safetensors")):
        try:
            piece = read_tensors(path)
            number = piece["number"]
            if number.dtype != torch.int64 or int(number.min()) < 0 or int(number.max()) >= recordings:
                continue
        except (UntoldError, KeyError, RuntimeError):
            continue
        alike = not pieces or {k: v.shape[1:] for k, v in piece.items()} == {k: v.shape[1:] for k, v in pieces[0].items()}
        if alike and all(len(v) == len(number) and bool(v.isfinite().all()) for v in piece.values()):
            pieces.append(piece)
    if not pieces:
        return None
    order = np.unique(torch.cat([piece["number"] for piece in pieces]).numpy(), return_index=True)[1]
    return {key: torch.cat([piece[key] for piece in pieces])[torch.from_numpy(order)] for key in pieces[0]}


def _make(fronts: Mapping[str, FrontEnd], corpus: Corpus | Pieces, numbers: np.ndarray, folder: Path, progress: Callable[[float], None] | None) -> None:
    """Adapts the front ends to some recordings and writes what they found, a piece every two seconds."""
    by_speaker = _speakers(corpus) if any(front.adapts == "speaker" for front in fronts.values()) else {}
    cached: dict[tuple[str, str], dict[str, Tensor]] = {}
    rows: dict[str, list[Tensor]] = {}
    written = time.monotonic()
    for number in numbers.tolist():
        recording = corpus[number]
        rows.setdefault("number", []).append(torch.tensor(number))
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
        if number == numbers[-1] or time.monotonic() - written > _OFTEN:
            path = folder / f"{int(rows['number'][0]):010d}.safetensors"
            write_tensors(path, {name: torch.stack(values) for name, values in rows.items()})
            rows, written = {}, time.monotonic()


def _speakers(corpus: Corpus | Pieces) -> dict[str, list[int]]:
    out: dict[str, list[int]] = {}
    for number, speaker in enumerate(corpus.sides("speaker")):
        out.setdefault(speaker, []).append(number)
    return out
