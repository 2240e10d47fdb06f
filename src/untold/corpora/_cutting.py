"""Long recordings in pieces for training, cut where it is quiet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from untold.contract import Grid, Recording, Signal
from untold.corpora._corpus import Corpus
from untold.corpora._media import Medium

_FRAME = 160  # samples: 10 ms at 16 kHz
_SMOOTHED = 11  # frames over which quiet is judged, so that a cut falls into a pause and not into a closure
_BLOCK = 6000  # frames read at once: one minute
LONG = 60.0  # seconds from which on a recording is cut for training
PIECE = 30.0  # seconds of a piece, at most


def quiet_cuts(signal: Signal, longest_seconds: float) -> list[tuple[int, int]]:
    """Pieces [start, end) in samples that follow each other over the whole recording, none longer than `longest_seconds`.

    Energy is summed over 10 ms, smoothed over 110 ms, and each piece ends at the quietest place in the second half of
    what it may span (the latest of equals). The signal is streamed: memory grows by four bytes for 10 ms.
    """
    longest = int(longest_seconds * float(signal.grid.rate))
    if longest < 2 * _FRAME:
        raise ValueError(f"pieces of {longest_seconds} s are too short to cut")
    if signal.steps <= longest:
        return [(0, signal.steps)]
    quiet = np.convolve(_energy(signal), np.ones(_SMOOTHED, np.float32) / _SMOOTHED, "same")
    pieces, start = [], 0
    while signal.steps - start > longest:
        first, last = start // _FRAME + longest // _FRAME // 2, (start + longest) // _FRAME
        window = quiet[first:last][::-1]
        cut = (last - 1 - int(np.argmin(window))) * _FRAME + _FRAME // 2
        pieces.append((start, cut))
        start = cut
    pieces.append((start, signal.steps))
    return pieces


def _energy(signal: Signal) -> np.ndarray:
    """Mean square of each 10 ms (frames,) float32, the last frame as far as it goes."""
    frames = -(-signal.steps // _FRAME)
    out = np.empty(frames, np.float32)
    for first in range(0, frames, _BLOCK):
        block = signal.read(first * _FRAME, min((first + _BLOCK) * _FRAME, signal.steps))
        edges = np.arange(0, len(block), _FRAME)
        out[first : first + len(edges)] = np.add.reduceat(block * block, edges) / np.diff(np.append(edges, len(block)))
    return out


@dataclass(frozen=True)
class Part:
    """Steps `start` to `stop` of a signal, as a signal."""

    whole: Signal
    start: int
    stop: int

    @property
    def grid(self) -> Grid:
        """The grid of the whole, beginning anew."""
        return self.whole.grid

    @property
    def steps(self) -> int:
        """How many there are."""
        return self.stop - self.start

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one step."""
        return self.whole.shape

    def read(self, start: int, stop: int) -> np.ndarray:
        """Steps counted from the part's beginning."""
        if not 0 <= start <= stop <= self.steps:
            raise IndexError(f"steps {start} to {stop} of {self.steps}")
        return self.whole.read(self.start + start, self.start + stop)


class Pieces:
    """A corpus as training sees it: recordings of more than a minute are cut at quiet places, the others stay whole.

    So a tenth of an hour-long file can be held out, and what a front end adapts to is near. Ids are the recording's,
    with `_0001` and so on for a piece; labels are left behind, since training has no use for them.
    """

    def __init__(self, corpus: Corpus, places: np.ndarray | None = None) -> None:
        self.corpus, self.source = corpus, corpus.source
        if places is None:
            found = []
            for number, steps in enumerate(corpus.steps().tolist()):
                long = corpus.axis == "second" and steps > LONG * corpus.medium.rate
                cuts = quiet_cuts(corpus[number].signal, PIECE) if long else [(0, steps)]
                found += [(number, start, stop, k if long else 0) for k, (start, stop) in enumerate(cuts, 1)]
            places = np.array(found, np.int64).reshape(-1, 4)
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Recording:
        number, start, stop, piece = self._places[index].tolist()
        whole = self.corpus[number]
        if not piece:
            return whole
        name, signal = next(iter(whole.signals.items()))
        return Recording(f"{whole.id}_{piece:04d}", {name: Part(signal, start, stop)}, whole.sides, {}, whole.split)

    def __iter__(self) -> Iterator[Recording]:
        return (self[i] for i in range(len(self)))

    def ids(self) -> Iterator[str]:
        """One a piece."""
        return (recording.id for recording in self)

    def sides(self, name: str) -> list[str]:
        """One value a piece."""
        whole = self.corpus.sides(name)
        return [whole[number] for number in self._places[:, 0]]

    def declared(self) -> list[str]:
        """The owner's split, one a piece."""
        whole = list(self.corpus.declared())
        return [whole[number] for number in self._places[:, 0]]

    @property
    def medium(self) -> Medium:
        """What the recordings are made of."""
        return self.corpus.medium

    @property
    def length(self) -> float:
        """How much there is, in units of the axis."""
        return float((self._places[:, 2] - self._places[:, 1]).sum()) / self.medium.rate

    def steps(self) -> np.ndarray:
        """Steps of each piece."""
        return self._places[:, 2] - self._places[:, 1]

    def select(self, indices: Sequence[int] | np.ndarray) -> Pieces:
        """Some of the pieces."""
        return Pieces(self.corpus, self._places[np.asarray(indices, np.int64)])
