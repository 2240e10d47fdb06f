"""How far the characters that forced alignment finds are from their places, on lines whose places are exact

The aligner behind the tier `characters (aligned by ctc)` is taught the order of the characters alone and aligns these lines;
each boundary between two characters is compared with the labelled one of the same number, in pixels of a line 64 high.
`uniform` spaces the characters evenly; `widths` places them by usual widths and the gaps between words, which is where the
aligner begins: what it has learnt is what it is better by. It is a measure of the instrument, and reads columns of ink: it is done where
`columns` is what is measured. See `evaluation.alignment`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from untold.contract import Score
from untold.errors import UntoldError
from untold.evaluation._axes import AXES
from untold.evaluation._groups import Measured, measured, ratio, resampled
from untold.evaluation._options import TaskOptions
from untold.evaluation._spread import ink_of, spread
from untold.evaluation.alignment import ALIGNED, align

BETTER = {"alignment_error": "lower", "alignment_hits": "higher"}
NEEDS = "features"


def measure(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """`alignment_error`, the mean absolute distance in pixels, and `alignment_hits`, the share within 8 pixels; and two rivals."""
    if subject.points != ("columns",):
        raise UntoldError("the aligner reads columns of ink, nothing of what is measured here (untold evaluate columns digit-lines --tasks alignment)")
    tier = options.tier or "characters"
    if tier not in corpus.tiers or corpus.axis != "pixel":
        raise UntoldError(f"the aligner is compared with exact places, and these recordings have no tier {tier!r} (digit-lines has)")
    done = align(corpus, options.over, options.training, options.note, options.seed)
    far, kept = [], []
    lines = [r for r in done if r.tiers.get(tier)]
    guesses = spread([[i.label for i in r.tiers[tier]] for r in lines], [ink_of(r, 1) for r in lines])
    for recording, guess in zip(lines, guesses, strict=True):
        exact, found = recording.tiers.get(tier, ()), recording.tiers.get(ALIGNED, ())
        if len(exact) < 2 or len(exact) != len(found) or [i.label for i in exact] != [i.label for i in found]:
            continue
        there = np.array([float(i.start) for i in exact[1:]])
        long = float(recording.length)
        even, wide = long * np.arange(1, len(exact)) / len(exact), long * guess[1:-1]
        far.append([np.abs(places - there) for places in (np.array([float(i.start) for i in found[1:]]), even, wide)])
        kept.append(recording)
    if not kept:
        raise UntoldError(f"no line has a tier {tier!r} of single characters")
    tolerance = AXES["pixel"].tolerance
    what, groups = resampled(kept)
    counts = np.array([len(ours) for ours, *_ in far])
    said = {
        "tier": tier, "aligner": done.places.aligner, "boundaries": str(int(counts.sum())), "edges": "dropped", "pooled": "boundaries",
        "left_out": f"{len(corpus) - len(kept)} lines",
    }
    rows: list[Score] = []
    for number, method in enumerate(("", "uniform", "widths")):
        sums = np.array([line[number].sum() for line in far])
        hits = np.array([(line[number] <= tolerance).sum() for line in far])
        rows.append(_row("alignment_error", ratio(groups, sums, counts, what), said | {"unit": "pixels"}, options, method))
        rows.append(_row("alignment_hits", ratio(groups, hits, counts, what), said | {"tolerance": AXES["pixel"].tolerated}, options, method))
    return rows


def _row(metric: str, grouped: Any, said: dict[str, str], options: TaskOptions, method: str) -> Measured:
    return measured(
        "alignment", metric, "", BETTER[metric], grouped, said, draws=options.draws, seed=options.seed, method=method  # type: ignore[arg-type]
    )
