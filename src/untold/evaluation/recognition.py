"""A small recogniser of characters on frozen inputs: connectionist temporal classification, best-path decoding, edits.

    minimise  - ln sum over paths that collapse to the text of prod_t p(symbol_t | inputs)

A path has a symbol or the blank at each step; repeated symbols collapse, blanks vanish (Graves et al., ICML 2006). The
network reads what `evaluation._eyes` makes of vectors, tokens or pictures, and gives scores of symbols every 4 pixels of a
line (20 ms of sound), whatever the rate of what it reads. Everything depends on the seed and the data only.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from untold.contract import TRANSCRIPTION, Grid, Interval, Recording, Stream
from untold.evaluation._eyes import Eyes
from untold.evaluation._paths import BLANK
from untold.layers.convolution import ResidualConvolution, inside

_NONE = -1  # no symbol: a step beyond the end of its line
_POOL = 8  # batches whose lines are sorted by length together


@dataclass(frozen=True)
class Budget:
    """What a recogniser is given: `steps` of `batch` lines, the highest learning `rate`, `width` units a layer, `layers`
    convolutions over 3 steps, a two-way recurrent layer or none, `drop` of the units left out in training. In the first part
    of the steps (`guessed`) symbols have the places of a first guess; then their order alone counts."""

    steps: int
    batch: int = 8
    rate: float = 3e-3
    width: int = 128
    layers: int = 0
    recurrent: bool = True
    drop: float = 0.2
    guessed: float = 0.0


# texts -----------------------------------------------------------------------------------------------------------


def text_of(recording: Recording) -> str | None:
    """What a line says: its tier `characters` joined, else its transcription; None where nobody told."""
    for name in ("characters", TRANSCRIPTION):
        tier: Sequence[Interval] = recording.tiers.get(name, ())
        text = ("" if name == "characters" else " ").join(interval.label for interval in tier)
        if text.strip():
            return unicodedata.normalize("NFC", text)
    return None


def symbols_of(text: str) -> list[str]:
    """The characters of a text, each with the marks that combine with it."""
    out: list[str] = []
    for letter in text:
        if out and unicodedata.combining(letter):
            out[-1] += letter
        else:
            out.append(letter)
    return out


def drawn(names: Sequence[str], most: int) -> list[int]:
    """At most `most` of some names, by the order of their hashes: places in `names`, ascending."""
    order = sorted(range(len(names)), key=lambda i: hashlib.sha256(names[i].encode("utf-8", "surrogatepass")).digest())
    return sorted(order[:most])


# edits -----------------------------------------------------------------------------------------------------------


def edits(one: Sequence[Any], other: Sequence[Any]) -> int:
    """The fewest insertions, deletions and substitutions between two sequences (Levenshtein 1966)."""
    names = {symbol: i for i, symbol in enumerate({*one, *other})}
    wanted = np.array([[names[symbol] for symbol in other]], np.int64)
    row = np.arange(len(other) + 1)[None]
    for symbol in one:
        row = next_row(row, wanted, names[symbol])
    return int(row[0, -1])


def next_row(row: np.ndarray, wanted: np.ndarray, symbol: int) -> np.ndarray:
    """One more symbol read: costs (texts, length + 1) of turning what is read into each prefix of texts (texts, length)."""
    places = np.arange(row.shape[1])
    new = row + 1
    new[:, 1:] = np.minimum(new[:, 1:], row[:, :-1] + (wanted != symbol))
    return np.asarray(np.minimum.accumulate(new - places, axis=1) + places)


def best_constant(texts: Sequence[Sequence[str]], most: int = 12) -> list[str]:
    """A sequence that, said of every text, has few edits: grown by the best of the `most` commonest symbols at each step."""
    names = {symbol: i for i, symbol in enumerate(sorted({symbol for text in texts for symbol in text}))}
    lengths = np.array([len(text) for text in texts])
    wanted = np.full((len(texts), int(lengths.max(initial=0))), -1, np.int64)
    for line, text in zip(wanted, texts, strict=True):
        line[: len(text)] = [names[symbol] for symbol in text]
    counts = np.bincount(wanted[wanted >= 0], minlength=len(names))
    common = [int(i) for i in np.argsort(-counts, kind="stable")[:most]]
    row = np.tile(np.arange(wanted.shape[1] + 1), (len(texts), 1))
    at = np.arange(len(texts)), lengths
    grown: list[int] = []
    best, kept = int(row[at].sum()), 0
    for _ in range(int(lengths.mean()) if len(texts) else 0):
        rows = [next_row(row, wanted, symbol) for symbol in common]
        ends = [int(some[at].sum()) for some in rows]
        chosen = int(np.argmin(ends))
        row = rows[chosen]
        grown.append(common[chosen])
        if ends[chosen] < best:
            best, kept = ends[chosen], len(grown)
    back = list(names)
    return [back[i] for i in grown[:kept]]


# the network -----------------------------------------------------------------------------------------------------


class TwoWay(nn.Module):
    """Two recurrent layers, from the beginning and from the end of each sequence: (batch, steps, width), the same out.

    A sequence is turned round by its own length: packed sequences give the same and take ten times as long.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.forth, self.back = (nn.LSTM(width, half, batch_first=True) for half in (width - width // 2, width // 2))

    def forward(self, x: Stream) -> Stream:
        steps = torch.arange(x.values.shape[1])[None]
        turned = torch.where(inside(x.lengths, x.values.shape[1]), x.lengths[:, None] - 1 - steps, steps)[..., None]
        values = x.values.gather(1, turned.expand_as(x.values))
        (forth, _), (back, _) = self.forth(x.values), self.back(values)
        return x.with_values(torch.cat([forth, back.gather(1, turned.expand_as(back))], -1))


class Recogniser(nn.Module):
    """Inputs of lines -> log-probabilities of blank and symbols at each step."""

    def __init__(self, eyes: Eyes, symbols: Sequence[str], budget: Budget) -> None:
        super().__init__()
        self.eyes, self.symbols, self.grid = eyes, tuple(symbols), eyes.grid
        self.layers = nn.Sequential(*[ResidualConvolution(budget.width) for _ in range(budget.layers)])
        self.recurrent = TwoWay(budget.width) if budget.recurrent else None
        self.drop, self.head = nn.Dropout(budget.drop), nn.Linear(budget.width, len(symbols) + 1)

    def forward(self, x: Stream) -> Stream:
        """(batch, steps, 1 + symbols), logarithms."""
        seen: Stream = self.eyes(x)
        seen = self.layers(seen.with_values(self.drop(seen.values)))
        if self.recurrent is not None:
            seen = self.recurrent(seen)
            seen = seen.with_values(self.drop(seen.values))
        return seen.with_values(torch.log_softmax(self.head(seen.values), -1))

    @torch.no_grad()
    def read(self, lines: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Log-probabilities (steps, 1 + symbols) of each line, one after the other."""
        self.eval()
        for line in lines:
            yield self(_stream([line], self.grid)).values[0].numpy()

    def text(self, scores: np.ndarray) -> list[str]:
        """The symbols of the best path of scores (steps, 1 + symbols)."""
        best = scores.argmax(1)
        kept = best[np.r_[True, best[1:] != best[:-1]][: len(best)]]
        return [self.symbols[i - 1] for i in kept if i != BLANK]


def _stream(lines: Sequence[np.ndarray], grid: Grid) -> Stream:
    """Lines (steps, ...) of several lengths as a padded batch."""
    lengths = torch.tensor([len(line) for line in lines])
    out = np.zeros((len(lines), int(lengths.max()), *lines[0].shape[1:]), lines[0].dtype)
    for row, line in zip(out, lines, strict=True):
        row[: len(line)] = line
    return Stream(torch.from_numpy(out), lengths, inside(lengths, out.shape[1]), grid)


def fit(
    eyes: Callable[[], Eyes], lines: Sequence[np.ndarray], texts: Sequence[Sequence[str]],
    guesses: Sequence[np.ndarray], seed: int, budget: Budget, over: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Recogniser:
    """A recogniser trained on lines (steps, ...) and what they say. `over` gets the steps: a bar.

    It may begin by learning where symbols may lie: `guesses` are edges (symbols + 1,) of each text as shares of its line.
    Where there are few steps, that saves a fifth of the errors and more.
    """
    symbols = sorted({symbol for text in texts for symbol in text})
    index = {symbol: i + 1 for i, symbol in enumerate(symbols)}
    targets = [torch.tensor([index[symbol] for symbol in text]) for text in texts]
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Recogniser(eyes(), symbols, budget)
        adam = torch.optim.AdamW(net.parameters(), lr=budget.rate, betas=(0.9, 0.98))
        course = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: min((step + 1) / (0.05 * budget.steps + 1), 1.15 * (1 - step / budget.steps), 1.0))
        steps = [net.eyes.outputs(len(line)) for line in lines]
        places = [_placed(edges, text, many) for edges, text, many in zip(guesses, targets, steps, strict=True)]
        first = budget.guessed * budget.steps
        batches = _batches([len(line) for line in lines], budget, rng)
        for step in over(range(budget.steps)):
            chosen = next(batches)
            said = net(net.eyes.varied(_stream([lines[i] for i in chosen], net.grid), rng))
            loss = _at(said, [places[i] for i in chosen]) if step < first else _unplaced(said, [targets[i] for i in chosen])
            adam.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            adam.step()
            course.step()
    return net.eval()


def _unplaced(said: Stream, texts: Sequence[Tensor]) -> Tensor:
    """Nats a symbol of texts of which only the order is known."""
    lengths = torch.tensor([len(text) for text in texts])
    nats = functional.ctc_loss(
        said.values.transpose(0, 1), torch.cat(list(texts)), said.lengths, lengths, blank=BLANK, reduction="sum", zero_infinity=True
    )
    return nats / lengths.sum()


def _at(said: Stream, places: Sequence[Tensor]) -> Tensor:
    """Nats a step of symbols that have places: (steps,) each, stretched to where the line was stretched to."""
    wanted = torch.full(said.values.shape[:2], _NONE)
    for row, some, length in zip(wanted, places, said.lengths.tolist(), strict=True):
        row[:length] = some[((torch.arange(length) + 0.5) * len(some) / length).long().clamp(max=len(some) - 1)]
    return functional.nll_loss(said.values.transpose(1, 2), wanted, ignore_index=_NONE)


def _placed(edges: np.ndarray, text: Tensor, steps: int) -> Tensor:
    """The symbol at each of the output steps of a line whose symbols lie between edges, which are shares of it."""
    at = np.searchsorted(edges[1:-1], (np.arange(steps) + 0.5) / steps, side="right")
    return text[torch.from_numpy(at)]


def _batches(lengths: Sequence[int], budget: Budget, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Lines of about one length together, in random order, for ever."""
    size = min(budget.batch, len(lengths))
    many = np.array(lengths)
    while True:
        order = rng.permutation(len(many))
        found = []
        for at in range(0, len(order), _POOL * size):
            pool = order[at : at + _POOL * size]
            pool = pool[np.argsort(many[pool], kind="stable")]
            found += [pool[i : i + size] for i in range(0, len(pool), size)]
        for i in rng.permutation(len(found)):
            yield found[i]
