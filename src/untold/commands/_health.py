"""The collapse check of a trained method: units over a set, what they tell of the speaker, whether the decoder uses them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from untold.contract import UNKNOWN, Reconstructs, Recording, Score, Units
from untold.corpora import Corpus, Pieces
from untold.evaluation._options import TaskOptions
from untold.evaluation.tasks import nats
from untold.subjects import RunSubject
from untold.training.monitors import Finding, findings
from untold.training.preparation import training_split

_LISTENED = 64  # held-out recordings for the loss with true, shuffled and zero latents


def of_units(units: Iterable[Units], speakers: Sequence[str] = (), nats: Mapping[str, float] | None = None, *, who: str = "speaker") -> list[Finding]:
    """What is found of the units of recordings, of what they tell of their speakers, and of nats with each kind of latents."""
    counts: np.ndarray | None = None
    table: dict[str, np.ndarray] = {}
    for number, found in enumerate(units):
        tokens = np.bincount(found.tokens, found.ends - found.starts, found.alphabet).astype(np.int64)
        counts = tokens if counts is None else counts + tokens
        if speakers and speakers[number] != UNKNOWN:
            table[speakers[number]] = table.get(speakers[number], 0) + tokens
    told = _speaker_bits(np.stack(list(table.values()))) if len(table) > 1 else None
    return findings(counts, nats or {}, speaker_bits=told, unit_bits=None if counts is None else _bits(counts), who=who)


def of_held_out(subject: RunSubject, corpus: Corpus) -> list[Finding]:
    """The same of held-out recordings alone, where nothing else was tokenised."""
    recordings = held_out(corpus)
    scores = nats.measure(subject, recordings, TaskOptions(draws=0)) if isinstance(subject.model.method, Reconstructs) else []
    return of_units((subject.units(r) for r in recordings) if subject.alphabet else (), nats=by_latents(scores), who=corpus.medium.who)


def by_latents(scores: Iterable[Score]) -> dict[str, float]:
    """Nats by kind of latents."""
    return {s.conventions["latents"]: s.value for s in scores if s.metric == "nats" and "latents" in s.conventions}


def held_out(corpus: Corpus) -> list[Recording]:
    """Held-out recordings (pieces of long ones), or where none is held out those trained on."""
    data = Pieces(corpus)
    chosen, kept = training_split(data)
    return [data[int(i)] for i in (kept if len(kept) else chosen)[:_LISTENED]]


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
