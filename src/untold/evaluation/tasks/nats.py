"""Nats per frame that a model loses; with another recording's latents, and with none: does its decoder use them?

Stretches of eight seconds (1024 pixels of a line) at most (one second where a decoder of samples is asked three times), each recording from its
beginning. Nats of different targets (log-mel, cepstra) cannot be compared: the stream stands in the row. What `Scores`
gives its own nats, what `Reconstructs` those of its target. A density of samples is also given in bits per sample,
`bits_per_dim`, beside codes without a network (`evaluation._samples`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from untold.contract import Batch, Reconstructs, Recording, Score, Scores, Stream
from untold.driver import Model
from untold.errors import UntoldError
from untold.evaluation._groups import measured, ratio, resampled
from untold.evaluation._options import TaskOptions
from untold.evaluation._samples import Rivals
from untold.frontends import excerpt, stack

BETTER = {"nats": "lower", "bits_per_dim": "lower"}
NEEDS = "model"

LATENTS = ("true", "shuffled", "zero")
_AT_ONCE = 8
_LONGEST = {"second": 8, "pixel": 1024}  # of a recording, in units of its axis
_DECODED = 1  # second, where samples are decoded with three kinds of latents


def measure(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """`nats` per frame: `latents=true|shuffled|zero` of what has a decoder, one row of what scores its input itself."""
    model = getattr(subject, "model", None)
    method = getattr(model, "method", None)
    if not isinstance(method, Reconstructs | Scores):
        raise UntoldError(f"{subject.name} gives no likelihood of what it hears")
    assert isinstance(model, Model)
    recordings = list(corpus)
    if not recordings:
        raise UntoldError(f"{corpus.name} has no recordings to measure on")
    what, groups = resampled(recordings)
    order = np.random.default_rng(options.seed).permutation(len(recordings))  # a neighbour is then of another speaker, mostly
    stream = method.target if isinstance(method, Reconstructs) else method.reads
    front: Any = model.fronts[stream]
    unit = front.grid.unit
    step = "column" if unit == "pixel" else "sample" if front.hop == 1 else "frame"
    longest = _DECODED if step == "sample" and isinstance(method, Reconstructs) else _LONGEST[unit]
    rivals = Rivals(front) if step == "sample" and isinstance(method, Scores) else None
    lost: dict[str, list[float]] = {}
    counts: list[float] = []
    for batch in options.over(_batches(model, [recordings[i] for i in order], longest), -(-len(order) // _AT_ONCE), "nats"):
        found, count = lost_nats(model, batch)
        counts += count.tolist()
        for name, values in found.items():
            lost.setdefault(name, []).extend(values.tolist())
        if rivals is not None:
            rivals.hear(batch.streams[stream])
    said = {"stream": stream, "longest": f"{longest} {'s' if unit == 'second' else 'pixels'}"}
    of = [groups[i] for i in order]

    def row(metric: str, sums: Any, method: str = "", **more: str) -> Score:
        pooled = ratio(of, np.asarray(sums, np.float64), np.array(counts), what)
        return measured("nats", metric, "", "lower", pooled, said | more, draws=options.draws, seed=options.seed, method=method)

    rows = [row("nats", values, unit=f"nats per {step}", **({"latents": name} if name else {})) for name, values in lost.items()]
    if rivals is not None:
        rows.append(row("bits_per_dim", np.array(lost[""]) / math.log(2), unit="bits per sample"))
        rows += [row("bits_per_dim", bits, name, unit="bits per sample", **said) for name, (bits, said) in rivals.bits().items()]
    return rows


@torch.no_grad()
def lost_nats(model: Model, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
    """Nats (batch,) with each kind of latents (or under "" where there are none), and the frames counted (batch,)."""
    method = model.method
    if not isinstance(method, Reconstructs):
        assert isinstance(method, Scores)
        return {"": -method.log_prob(batch).sum(1)}, batch.streams[method.reads].counted.sum(1)
    latents, target = method.latents(batch), batch.streams[method.target]
    given = {"true": latents, "shuffled": _shuffled(latents), "zero": latents.with_values(torch.zeros_like(latents.values))}
    return {name: -method.decode(given[name], batch.sides).log_prob(target).sum(1) for name in LATENTS}, target.counted.sum(1)


def _shuffled(latents: Stream) -> Stream:
    """Each example gets the latents of the next one, from its beginning again where they are too short."""
    size, steps = latents.values.shape[:2]
    if size < 2:
        return latents.with_values(latents.values.flip(1))
    order = torch.arange(size).roll(-1)
    lengths = latents.lengths[order].clamp(min=1)
    place = torch.arange(steps, device=lengths.device)[None] % lengths[:, None]
    values = latents.values[order].gather(1, place[..., None].expand_as(latents.values))
    return replace(latents, values=values)


def _batches(model: Model, recordings: Sequence[Recording], longest: int) -> Iterator[Batch]:
    """A few recordings at a time, the beginning of each."""
    device = model.device()
    for start in range(0, len(recordings), _AT_ONCE):
        some = recordings[start : start + _AT_ONCE]
        stops = [min(r.signal.steps, int(longest * r.signal.grid.rate)) for r in some]
        given = excerpt([r.signal for r in some], [0] * len(stops), stops, model.margin)
        known = [model.adapt(r) for r in some]
        adapted = {stream: stack([one[stream] for one in known]) for stream in model.fronts}
        yield model.batch(given.to(device), adapted, model.side_indices(some), torch.arange(len(some), device=device), None)
