"""Sound made of the units alone: bits, how far it is from the original, and what ABX finds in it

Each recording becomes units, and the units and a speaker's name (unknown to the model: none) become sound. Beside it
stand mu-law, Opus at its lowest rate, and Griffin and Lim's sound of the recording's own log-mel frames, which loses what
having no phase loses and nothing else. ABX is that of MFCC (normalised per file) of each sound on the same items, and of
the original. Bits per second of the units are those of the whole source, in four accountings; of Opus those of its packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from untold.contract import Recording, Score
from untold.errors import UntoldError
from untold.evaluation import _resounding as sound
from untold.evaluation._groups import Measured, measured, ratio, resampled
from untold.evaluation._options import TaskOptions
from untold.evaluation.tasks import abx
from untold.evaluation.tasks import bits as units_cost
from untold.frontends import mulaw

BETTER = {
    "codec_bits_per_second": "lower", "mel_cepstral_distortion": "lower", "f0_error": "lower", "voicing_error": "lower",
    "codec_abx_within": "lower", "codec_abx_across": "lower",
}  # fmt: skip
NEEDS = "model"

_MOST = 24  # recordings, drawn: making sound takes its time
_LONGEST = 15  # seconds of one


def measure(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """`codec_bits_per_second`, `mel_cepstral_distortion` (dB), `f0_error` (cents), `voicing_error`, and where there are labels ABX, of each kind of sound."""
    back = sound.resynthesis_of(subject, options.seed)
    recordings = _chosen(corpus, options)
    of = [sound.from_units(back, r, back.known(r)) for r in recordings]
    coded, bits = zip(*(sound.opus(sound.samples_of(r)) for r in recordings), strict=True)
    kinds: dict[str, list[Recording]] = {
        "": _again(recordings, options.over(sound.made(back, of), len(of), "making sound")),
        "griffin_lim": _again(recordings, (sound.griffin_lim(r) for r in recordings)),
        "opus": _again(recordings, coded),
        "mulaw": _again(recordings, (mulaw.invert(mulaw.encode(torch.from_numpy(sound.samples_of(r))).numpy()) for r in recordings)),
    }
    what, groups = resampled(recordings)
    said = {"recordings": str(len(recordings)), "speaker": "own" if all(one.speaker for one in of) else "unknown", "from": "units" if back.model.alphabet else "latents"}

    def row(metric: str, above: Sequence[float], below: Sequence[float], method: str, of: Callable[[np.ndarray], np.ndarray], **more: str) -> Measured:
        pooled = ratio(groups, np.array(above, np.float64), np.array(below, np.float64), what)
        return measured("codec", metric, "", "lower", replace(pooled, of=lambda w: of(pooled.of(w))), said | more, draws=options.draws, seed=options.seed, method=method)

    seconds = [r.signals["audio"].steps / 16000 for r in recordings]
    rows = _bits(subject, corpus, options)
    rows.append(row("codec_bits_per_second", bits, seconds, "opus", _same, accounting="packets", asked="6000 bits per second"))
    rows.append(row("codec_bits_per_second", [128000 * s for s in seconds], seconds, "mulaw", _same, accounting="8 bits a sample"))
    for method, again in kinds.items():
        found = [sound.distance(a, b) for a, b in zip(recordings, again, strict=True)]
        rows += [
            row("mel_cepstral_distortion", [d.distortion for d in found], [d.frames for d in found], method, _same, unit="dB", cepstra=f"1 to {sound.CEPSTRA}"),
            row("voicing_error", [d.differing for d in found], [d.frames for d in found], method, _same, unit="share of frames"),
        ]
        if any(d.voiced for d in found):
            rows.append(row("f0_error", [d.squared_cents for d in found], [d.voiced for d in found], method, np.sqrt, unit="cents, root mean square where both are voiced"))
        else:
            options.say(f"f0_error of {method or subject.name} left out: no frame of its sound is voiced where the original is")
    if any(r.tiers for r in recordings):
        rows += _abx({"original": recordings, **kinds}, corpus, said, options)
    return rows


def _bits(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """What the units of the whole source cost."""
    if not subject.alphabet:
        return []
    found = units_cost.measure(subject, corpus, options)
    return [replace(score, task="codec", metric="codec_bits_per_second", point="") for score in found if score.metric == "bits_per_second"]


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _again(recordings: Sequence[Recording], sounds: Iterable[np.ndarray]) -> list[Recording]:
    return [sound.resounding(r, samples) for r, samples in zip(recordings, sounds, strict=True)]


def _chosen(corpus: Any, options: TaskOptions) -> list[Recording]:
    """Some recordings, drawn, none too long, as many of one speaker as of another."""
    at: dict[str, int] = {}
    turns: list[tuple[int, Recording]] = []
    order = np.random.default_rng(options.seed).permutation(len(corpus))
    for recording in (corpus[int(i)] for i in order):
        if 1600 <= recording.signals["audio"].steps <= _LONGEST * 16000:
            at[recording.speaker] = at.get(recording.speaker, 0) + 1
            turns.append((at[recording.speaker], recording))
    if not turns:
        raise UntoldError(f"{corpus.name} has no recordings of 0.1 to {_LONGEST} seconds to make again")
    return [recording for _, recording in sorted(turns, key=lambda turn: turn[0])[:_MOST]]


class _Sounds(list[Recording]):
    """Recordings with the questions of a corpus that ABX asks."""

    def __init__(self, recordings: Sequence[Recording], corpus: Any) -> None:
        super().__init__(recordings)
        self.name, self.source, self.tiers = corpus.name, corpus.source, corpus.tiers
        self._ids = {r.id: i for i, r in enumerate(recordings)}

    def find(self, name: str) -> int | None:
        """The place of a recording that an item names."""
        return self._ids.get(name)


def _abx(kinds: dict[str, list[Recording]], corpus: Any, said: dict[str, str], options: TaskOptions) -> list[Score]:
    """ABX of MFCC of each sound: phones in any context."""
    from untold.subjects import FrontEndSubject

    rows: list[Score] = []
    for method, recordings in kinds.items():
        subject: Any = FrontEndSubject("mfcc", "mfcc", "", None, "cpu")
        told = replace(options, items=(), points=(), grids=())
        rows += [
            replace(found, task="codec", metric=f"codec_{found.metric}", point="", method=method, conventions={**found.conventions, **said, "features": "mfcc"})
            for found in abx.measure(subject, _Sounds(recordings, corpus), told)  # type: ignore[arg-type]
            if (found.conventions["kind"], found.conventions["context"]) == ("phone", "any")
        ]
    return rows
