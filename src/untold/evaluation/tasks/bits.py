"""What units cost and how they are used: bits per second (or pixel) in four accountings, units per second (or line), perplexity

`log2k`, `unigram` and `bigram` count every step, `run_length` counts runs and how long they are. Entropies are corrected
for the sample's size (Miller and Madow). Formulas in `evaluation.bitrate`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np

from untold.contract import Score
from untold.errors import UntoldError
from untold.evaluation._axes import AXES
from untold.evaluation._groups import Measured
from untold.evaluation._measuring import reading
from untold.evaluation._options import TaskOptions
from untold.evaluation.bitrate import (
    ACCOUNTINGS,
    Usage,
    bits_per_second,
    codewords_in_use,
    perplexity,
    units_per_recording,
    units_per_second,
    usage,
)

BETTER = {
    "bits_per_second": "lower", "units_per_second": "lower", "bits_per_pixel": "lower", "units_per_line": "lower",
    "codewords_in_use": "higher", "perplexity": "higher",
}
NEEDS = "units"


def measure(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """`bits_per_second` by each accounting, `units_per_second`, `codewords_in_use`, `perplexity`.

    Of handwriting `bits_per_pixel` (of the width of lines 64 pixels high) and `units_per_line`.
    """
    read = reading("bits", subject, corpus, options)
    use = usage((group, units) for group, _, units in read)
    if not len(use.tokens.kinds):
        raise UntoldError(f"{subject.name} gives no steps here: are the recordings shorter than one?")
    read.said.update(alphabet=str(use.alphabet), rate=str(use.rate), gaps="a symbol" if use.gaps else "none")

    def row(
        metric: str, better: Literal["lower", "higher"], of: Callable[[Usage, np.ndarray], np.ndarray], **said: str
    ) -> Measured:
        centred = said.get("correction") is not None  # entropies fall when fewer different groups are drawn
        return read.row(metric, better, use.groups, partial(of, use), said, centred=centred)

    rows: list[Score] = []
    axis = AXES[use.axis]
    for accounting in ACCOUNTINGS:
        said = {"accounting": accounting} | ({} if accounting == "log2k" else {"correction": "miller_madow"})
        rows.append(row(axis.bits, "lower", partial(_bits, accounting), **said))
    rows.append(row(axis.units, "lower", units_per_recording if axis.whole else units_per_second, runs="merged"))
    rows.append(
        Measured(
            "bits", "codewords_in_use", "units", float(codewords_in_use(use)), None, None, len(use.groups), "higher",
            {**read.said, "interval": "none"},
        )
    )
    rows.append(row("perplexity", "higher", perplexity, correction="miller_madow"))
    return rows


def _bits(accounting: str, use: Usage, weight: np.ndarray) -> np.ndarray:
    return bits_per_second(use, accounting, weight)
