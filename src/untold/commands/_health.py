"""The collapse check of a trained method: units over a set, what they tell of the speaker, whether the decoder uses them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from untold.contract import UNKNOWN, Batch, Reconstructs, Recording, Tokenizes, Units
from untold.corpora import Corpus, Pieces
from untold.driver import Model
from untold.frontends import excerpt, stack
from untold.training.monitors import Finding, findings, latent_use
from untold.training.preparation import training_split

_LISTENED = 64  # held-out recordings for the loss with true, shuffled and zero latents
_LONGEST = 8 * 16000


def of_units(model: Model, corpus: Corpus, units: Iterable[Units], speakers: Sequence[str] = ()) -> list[Finding]:
    """What is found of the units of recordings (and of what they tell of these speakers), and of the decoder on held-out ones."""
    use = latent_use(model, _batches(model, _held_out(corpus))) if isinstance(model.method, Reconstructs) else {}
    counts: np.ndarray | None = None
    table: dict[str, np.ndarray] = {}
    for number, found in enumerate(units):
        tokens = np.bincount(found.tokens, found.ends - found.starts, found.alphabet).astype(np.int64)
        counts = tokens if counts is None else counts + tokens
        if speakers and speakers[number] != UNKNOWN:
            table[speakers[number]] = table.get(speakers[number], 0) + tokens
    told = _speaker_bits(np.stack(list(table.values()))) if len(table) > 1 else None
    return findings(counts, use, speaker_bits=told, unit_bits=None if counts is None else _bits(counts))


def of_held_out(model: Model, corpus: Corpus) -> list[Finding]:
    """The same of held-out recordings alone, where nothing else was tokenised."""
    recordings = _held_out(corpus)
    tokenised = (model.units(r) for r in recordings) if isinstance(model.method, Tokenizes) and model.alphabet else ()
    return of_units(model, corpus, tokenised)


def _held_out(corpus: Corpus) -> list[Recording]:
    """Held-out recordings, or where none is held out those trained on."""
    data = Pieces(corpus)
    chosen, kept = training_split(data)
    return [data[int(i)] for i in (kept if len(kept) else chosen)[:_LISTENED]]


def _batches(model: Model, recordings: list[Recording]) -> Iterator[Batch]:
    """A few at a time, the beginning of each."""
    for start in range(0, len(recordings), 8):
        some = recordings[start : start + 8]
        stops = [min(r.signals["audio"].steps, _LONGEST) for r in some]
        given = excerpt([r.signals["audio"] for r in some], [0] * len(stops), stops, model.margin)
        device = model.device()
        known = [model.adapt(r) for r in some]
        adapted = {stream: stack([one[stream] for one in known]) for stream in model.fronts}
        yield model.batch(given.to(device), adapted, model.side_indices(some), torch.arange(len(some), device=device), None)


def _bits(counts: np.ndarray) -> float:
    p = counts[counts > 0] / max(1, counts.sum())
    return float(-(p * np.log2(p)).sum())


def _speaker_bits(table: np.ndarray) -> float:
    """I(speaker; unit) in bits of counts (speakers, units), less what chance gives a table of these margins."""
    draw, left, dealt = np.random.default_rng(0), table.sum(0), []
    for tokens in table.sum(1):
        dealt.append(draw.multivariate_hypergeometric(left, int(tokens), method="marginals"))
        left = left - dealt[-1]
    return max(0.0, _bits(np.stack(dealt).ravel()) - _bits(table.ravel()))  # the margins' entropies are the same
