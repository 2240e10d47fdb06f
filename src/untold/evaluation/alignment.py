"""Where the characters of a transcribed line lie: the likeliest path of a recogniser that must say the text (forced alignment).

The likeliest path of connectionist temporal classification is found exactly (`evaluation._paths`), with a belief beside: a
character lies near where usual widths and the gaps between words put it (`evaluation._spread`). The better the recogniser
reads, the less that counts; where it cannot read, taught on too few lines, nothing else does. The steps of its blanks go
half to the symbol before and half to the one behind.

Boundaries then settle where there is the least ink (`evaluation._settling`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from untold.contract import Grid, Interval, Recording
from untold.corpora import Corpus, cache_folder, held_out
from untold.errors import UntoldError
from untold.evaluation._eyes import Pictures
from untold.evaluation._paths import best_path, needed
from untold.evaluation._settling import Told, settled, usual
from untold.evaluation._spread import ink_of, spread
from untold.evaluation.recognition import Budget, Recogniser, drawn, edits, fit, symbols_of, text_of
from untold.formats._writing import beside
from untold.frontends import FrontEnd, read_frames
from untold.settings import Choice

ALIGNED = "characters (aligned by ctc)"  # the name of the tier
VERSION = 2  # of the aligner: another number makes everything anew
FEWEST = 20  # transcribed lines that teach
_MOST = 2000  # lines that teach, where there are more
_JUDGED = 200  # lines that the aligner is judged on
_WORST = 0.6  # error rate above which the recogniser is not asked where characters lie: the first guess knows better
_FAR = 6.0  # steps, of 4 pixels, that a character may be from the first guess where a recogniser has everything wrong
_COLUMNS = 2  # that the recogniser reads to a step
_BUDGET = Budget(steps=1500)

Over = Callable[[Iterable[Any], int, str], Iterable[Any]]


def edges(path: np.ndarray, symbols: int) -> np.ndarray:
    """Where each of the symbols of a path begins and the last ends (symbols + 1,), in steps from the first step's start."""
    at = np.flatnonzero(path >= 0)
    first = at[np.searchsorted(path[at], np.arange(symbols))]
    last = at[np.searchsorted(path[at], np.arange(symbols), side="right") - 1] + 1
    return np.r_[0.0, (last[:-1] + first[1:]) / 2, len(path)] if symbols else np.array([0.0])


# a corpus --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Places:
    """Where the characters of each line lie: id -> columns (characters + 1,) at which they begin, and the characters.

    `about` says how the aligner was made: seconds, lines, its error rate on lines that did not teach it.
    """

    lines: Mapping[str, tuple[Sequence[int], Sequence[str]]]
    about: Mapping[str, Any]

    @property
    def aligner(self) -> str:
        """The aligner in a few words, for conventions."""
        a = self.about
        heard = "" if a["cer"] is None else f", cer {a['cer']:.2f} on {a['judged']} others"
        return f"version {VERSION}, taught on {a['taught']} lines{heard}"


class Aligned(Corpus):
    """A corpus whose recordings have one tier more: `ALIGNED`. What could not be aligned has none."""

    def __init__(self, corpus: Corpus, places: Places) -> None:
        vars(self).update(vars(corpus))
        self.places = places

    def __reduce__(self) -> tuple[Any, ...]:
        made, given = super().__reduce__()
        return _reopened, (made, given, self.places)

    def __getitem__(self, index: int) -> Recording:
        recording = super().__getitem__(index)
        found = self.places.lines.get(recording.id)
        if found is None:
            return recording
        edges_, symbols = found
        spans = zip(edges_[:-1], edges_[1:], symbols, strict=True)
        tier = [Interval(Fraction(a), Fraction(b), symbol) for a, b, symbol in spans if a < b]
        return Recording(recording.id, recording.signals, recording.sides, {**recording.tiers, ALIGNED: tier}, recording.split)

    @property
    def tiers(self) -> tuple[str, ...]:
        """Names of the tiers with places, sorted; the aligned one is one of them."""
        return tuple(sorted({*super().tiers, ALIGNED}))

    def select(self, indices: Sequence[int] | np.ndarray) -> Corpus:
        """The recordings with these numbers, in this order."""
        return Aligned(super().select(indices), self.places)


def _reopened(made: Callable[..., Corpus], given: tuple[Any, ...], places: Places) -> Aligned:
    return Aligned(made(*given), places)


def align(corpus: Corpus, over: Over, training: Over, say: Callable[[str], None], seed: int = 0) -> Aligned:
    """The corpus with a tier `ALIGNED` of its texts' characters, from the cache where it was made before.

    A recogniser is trained on columns of ink of the training lines (those that the owner declares; where nobody declares
    any for evaluation, all but those held out) and aligns every line that has a text. Only the order of the characters
    is read, also where a tier tells their places. Raises `UntoldError` for sound, and where fewer than 20 lines have a text.
    """
    whole = corpus.whole
    if whole.axis != "pixel":
        raise UntoldError("only lines of handwriting are aligned here: give sound a tier of labels (TextGrid, CTM)")
    path = cache_folder() / "alignments" / f"{_key(whole, seed)}.jsonl"
    places = _stored(path)
    if places is None:
        places = _made(whole, over, training, say, seed)
        _store(path, places)
        about = places.about
        say(f"aligned {about['aligned']} lines in {about['seconds']:.0f} s ({places.aligner}); kept in the cache")
    return Aligned(corpus, places)


def _key(whole: Corpus, seed: int) -> str:
    text = f"{VERSION} {_BUDGET} {seed} {whole.fingerprint} {whole.length}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _front() -> FrontEnd:
    front: FrontEnd = Choice.of("frontends", "columns").build()
    return front


def _read(front: FrontEnd, recording: Recording) -> np.ndarray:
    return read_frames(front, recording.signal, 0, front.steps(recording.signal.steps), {}).numpy()


def _made(whole: Corpus, over: Over, training: Over, say: Callable[[str], None], seed: int) -> Places:
    begun, front = time.monotonic(), _front()
    texts = {i: text for i, recording in enumerate(whole) if (text := text_of(recording)) is not None}
    numbers = list(texts)
    judges = _judges(whole, numbers)
    pupils = [i for i in numbers if i not in judges]
    if len(pupils) < FEWEST:
        raise UntoldError(f"{len(pupils)} lines with a text cannot teach where characters lie: {FEWEST} are needed")
    ids = list(whole.ids())
    pupils = [pupils[i] for i in drawn([ids[i] for i in pupils], _MOST)]
    say(f"{len(texts)} lines have texts without places: a recogniser is trained on {len(pupils)} of them, to align all (some minutes, once)")
    every = {i: symbols_of(texts[i]) for i in numbers}
    guesses = dict(zip(numbers, spread(list(every.values()), [ink_of(whole[i], 1) for i in numbers]), strict=True))
    lines, said = [_read(front, whole[i]) for i in pupils], [every[i] for i in pupils]

    reader = fit(
        partial(Pictures, front.grid, front.dimensions, _BUDGET.width), lines, said, [guesses[i] for i in pupils], seed, _BUDGET,
        lambda steps: training(steps, _BUDGET.steps, "training the aligner"),
    )

    judged = [sorted(judges)[i] for i in drawn([ids[i] for i in sorted(judges)], _JUDGED)]
    heard = [(every[i], reader.text(scores)) for i, scores in zip(judged, reader.read(_read(front, whole[i]) for i in judged), strict=True)]
    length = sum(len(symbols) for symbols, _ in heard)
    cer = sum(edits(*pair) for pair in heard) / length if length else None

    def told(number: int, line: np.ndarray) -> Told | None:
        (scores,) = reader.read([line])
        found = _edges(reader, scores, every[number], guesses[number], 1.0 if cer is None else cer)
        if found is not None and cer is not None and cer > _WORST:
            found = guesses[number] * len(scores)
        return None if found is None else (np.minimum(found * _COLUMNS, len(line)), every[number], line.sum(1))

    shift = usual(one for i, line in zip(pupils, lines, strict=True) if (one := told(i, line)) is not None)
    found = {}
    for number in over(numbers, len(numbers), "aligning"):
        recording = whole[number]
        one = told(number, _read(front, recording))
        if one is not None:
            found[recording.id] = in_columns(settled(one, shift), front.grid, recording.signal.steps), every[number]
    left = len(numbers) - len(found)
    if left:
        say(f"{left} lines are too narrow for their texts and stay without places")
    about = {
        "seconds": round(time.monotonic() - begun, 1), "taught": len(pupils), "judged": len(judged), "aligned": len(found),
        "too_narrow": left, "cer": cer,
    }
    return Places(found, about)


def _judges(whole: Corpus, numbers: Sequence[int]) -> set[int]:
    """The lines with texts that do not teach."""
    declared, ids, speakers = whole.declared(), list(whole.ids()), whole.sides("speaker")
    found = {i for i in numbers if declared[i] == "evaluation"}
    if found:
        return found
    out = held_out([ids[i] for i in numbers], [speakers[i] for i in numbers])
    return {i for i, held in zip(numbers, out, strict=True) if held}


def _edges(net: Recogniser, scores: np.ndarray, symbols: Sequence[str], guess: np.ndarray, cer: float) -> np.ndarray | None:
    """Edges (symbols + 1,) of symbols in steps, near those of a guess: the nearer, the worse the recogniser reads. None where
    there are too few steps. What the recogniser never saw is any symbol."""
    index = {symbol: i + 1 for i, symbol in enumerate(net.symbols)}
    other: int = scores.shape[1]
    text: list[int] = [index.get(symbol, other) for symbol in symbols]
    if needed(text) > len(scores):
        return None
    wide = np.c_[scores, np.logaddexp.reduce(scores[:, 1:], axis=1)]
    centres = (guess[:-1] + guess[1:]) / 2 * len(scores)
    near = -0.5 * ((np.arange(len(scores))[:, None] + 0.5 - centres) * cer / _FAR) ** 2
    return edges(best_path(wide, text, near=near), len(text))


def in_columns(places: np.ndarray, grid: Grid, width: int) -> list[int]:
    """Places in steps of a grid as columns, from 0 to the width."""
    found = np.rint(places / float(grid.rate) + float(grid.first - Fraction(1, 2) / grid.rate)).astype(np.int64)
    return [0, *(int(min(place, width)) for place in found[1:-1]), width]


def _stored(path: Path) -> Places | None:
    """What an earlier run left; None where there is nothing, or something else."""
    try:
        with path.open(encoding="utf-8") as file:
            about = json.loads(file.readline())
            lines = {line["id"]: (line["at"], line["symbols"]) for line in map(json.loads, file)}
        if len(lines) != about["aligned"] or any(len(at) != len(symbols) + 1 for at, symbols in lines.values()):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Places(lines, about)


def _store(path: Path, places: Places) -> None:
    def rows() -> Iterator[Any]:
        yield places.about
        for name, (at, symbols) in places.lines.items():
            yield {"id": name, "at": at, "symbols": symbols}

    with beside(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows():
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
