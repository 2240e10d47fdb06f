"""Long recordings in pieces for training, cut where it is quiet."""

from __future__ import annotations

import numpy as np

from untold.contract import Signal

_FRAME = 160  # samples: 10 ms at 16 kHz
_SMOOTHED = 11  # frames over which quiet is judged, so that a cut falls into a pause and not into a closure
_BLOCK = 6000  # frames read at once: one minute


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
