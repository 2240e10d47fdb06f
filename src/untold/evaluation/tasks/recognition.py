"""How well a small recogniser reads frozen codes of lines: its character error rate on lines that did not teach it

The recogniser (connectionist temporal classification, best path) is the same for all that is measured: same lines, same
budget, same seed, an output every 4 pixels. At most 200 labelled lines teach it; the lines that the owner declares for
evaluation test it (where nobody declares any, a third of the lines). `input=features` are read at the points, `input=units`
are tokens through a table that is learnt. `chance` is one text said of every line, the best that was found. The rate is
pooled: edits over characters. Rules in `evaluation.recognition`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from untold.contract import Grid, Recording, Score
from untold.errors import UntoldError
from untold.evaluation._eyes import Tokens, vectors
from untold.evaluation._groups import Measured, measured, ratio, resampled
from untold.evaluation._options import TaskOptions
from untold.evaluation._spread import ink_of, spread
from untold.evaluation._tables import frames_of
from untold.evaluation.probes import train_part
from untold.evaluation.recognition import (
    Budget,
    Recogniser,
    best_constant,
    drawn,
    edits,
    fit,
    symbols_of,
    text_of,
)

BETTER = {"cer": "lower"}
NEEDS = "features"

TAUGHT = 200  # labelled lines
BUDGET = Budget(steps=600, rate=4e-3, layers=1, guessed=0.2)
_FEWEST = 10  # lines that teach
_MOST_NUMBERS = 1 << 27  # of the features that teach (512 MiB)


@dataclass(frozen=True)
class _Lines:
    """Who teaches and who tests, and what they say."""

    taught: Sequence[Recording]
    tests: Sequence[Recording]
    by: str
    texts: dict[str, list[str]]  # id -> letters, as Unicode counts them


def measure(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """`cer` of the features at each point and of the units, and `chance` once."""
    lines = _lines(list(corpus))
    rows: list[Score] = []
    for point in options.points or subject.points[:1]:
        def features(recording: Recording, point: str = point) -> np.ndarray:
            return np.asarray(subject.features(recording, point).values, np.float32)

        def seen(x: Sequence[np.ndarray], point: str = point) -> Callable[[], Any]:
            return vectors(x, subject.grid(point), BUDGET.width)

        rows.append(_row(lines, options, point, _read(lines, features, seen, options, point), input="features"))
    if subject.alphabet is not None:
        alphabet: int = subject.alphabet
        grid: Grid = subject.units(lines.taught[0]).grid

        def tokens(recording: Recording) -> np.ndarray:
            return frames_of(subject.units(recording))

        rows.append(_row(lines, options, "units", _read(lines, tokens, lambda x: lambda: Tokens(grid, alphabet, BUDGET.width), options, "units"), input="units"))
    if not rows:
        raise UntoldError(f"{subject.name} has neither features nor units to read")
    constant = best_constant([lines.texts[r.id] for r in lines.taught])
    return [*rows, _row(lines, options, "", [constant] * len(lines.tests), "chance", reference="one text for all", said="".join(constant) or "nothing")]


def _lines(recordings: Sequence[Recording]) -> _Lines:
    """Raises `UntoldError` where there is too little to learn from, or nothing to be tested on."""
    found = {r.id: text for r in recordings if (text := text_of(r)) is not None}
    known = [r for r in recordings if r.id in found]
    if not known:
        raise UntoldError("these recordings have no texts: a recogniser needs some lines with transcriptions (NAME.txt beside NAME.png)")
    taught, tests = ([r for r in known if (r.split == "evaluation") is part] for part in (False, True))
    by = "declared"
    if not taught or not tests:
        part = train_part([r.id for r in known])
        taught, tests = ([r for r, mine in zip(known, part, strict=True) if mine is side] for side in (True, False))
        by = "recordings"
    if len(taught) < _FEWEST or not tests:
        raise UntoldError(f"{len(taught)} lines with texts to learn from and {len(tests)} to be tested on are too few ({_FEWEST} and 1 are needed)")
    taught = [taught[i] for i in drawn([r.id for r in taught], TAUGHT)]
    return _Lines(taught, tests, by, {name: list(text) for name, text in found.items()})


def _read(
    lines: _Lines, read: Callable[[Recording], np.ndarray], eyes: Callable[[Sequence[np.ndarray]], Callable[[], Any]], options: TaskOptions, what: str
) -> list[list[str]]:
    """What a recogniser, taught on what `read` gives, reads of each line that tests it."""
    x, numbers = [], 0
    for recording in options.over(lines.taught, len(lines.taught), f"reading {what}"):
        x.append(read(recording))
        numbers += x[-1].size
        if numbers > _MOST_NUMBERS:
            raise UntoldError(f"{what} of {len(lines.taught)} lines takes more than {_MOST_NUMBERS >> 18} MiB: name a point of fewer dimensions")
    there = [i for i, line in enumerate(x) if len(line)]
    if not there:
        raise UntoldError(f"{what} has no step in these lines")
    texts = [symbols_of("".join(lines.texts[lines.taught[i].id])) for i in there]
    guesses = spread(texts, [ink_of(lines.taught[i], len(x[i])) for i in there])
    x = [x[i] for i in there]
    net: Recogniser = fit(eyes(x), x, texts, guesses, options.seed, BUDGET, lambda steps: options.training(steps, BUDGET.steps, f"a recogniser of {what}"))
    return [
        list("".join(net.text(next(net.read([one]))))) if len(one := read(recording)) else []
        for recording in options.over(lines.tests, len(lines.tests), f"testing {what}")
    ]


def _row(lines: _Lines, options: TaskOptions, point: str, told: Sequence[Sequence[str]], method: str = "", **said: str) -> Measured:
    wrong = np.array([edits(lines.texts[r.id], some) for r, some in zip(lines.tests, told, strict=True)])
    lengths = np.array([len(lines.texts[r.id]) for r in lines.tests])
    what, groups = resampled(lines.tests)
    letters = {letter for r in lines.taught for letter in lines.texts[r.id]}
    unseen = sum(letter not in letters for r in lines.tests for letter in lines.texts[r.id])
    conventions = {
        **said, "decoding": "best path", "pooled": "edits", "train": f"{len(lines.taught)} lines", "test": f"{len(lines.tests)} lines",
        "split": lines.by, "characters": str(int(lengths.sum())), "unseen": f"{unseen} characters", "form": f"NFC {unicodedata.unidata_version}",
    }
    if not method:
        conventions |= {"recogniser": f"{BUDGET.layers} convolution and recurrent, {BUDGET.width}", "steps": str(BUDGET.steps)}
    return measured(
        "recognition", "cer", point, "lower", ratio(groups, wrong, lengths, what), conventions, draws=options.draws, seed=options.seed, method=method
    )
