"""The likeliest path of a recogniser that must say a text: connectionist temporal classification, exactly (Viterbi).

A path holds the symbols of the text in order, a blank or nothing between them, a blank where two neighbours are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

BLANK = 0  # the class of the blank


def best_path(scores: np.ndarray, text: Sequence[int] | np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
    """Which symbol of the text each step says (steps,) int64: its place in it, or -1 for the blank.

    `scores` (steps, classes) are logarithms, `text` the classes of its symbols; `near` (steps, symbols) is added to those of
    each symbol at each step: where it is believed to lie. Raises `ValueError` where the text needs
    more steps than there are: one a symbol and one between two that are the same.
    """
    symbols = np.asarray(text, np.int64)
    steps, least = len(scores), needed(symbols)
    if steps < least:
        raise ValueError(f"{len(symbols)} symbols need {least} steps, there are {steps}")
    classes = np.full(2 * len(symbols) + 1, BLANK, np.int64)
    classes[1::2] = symbols
    emitted = np.ascontiguousarray(scores[:, classes], np.float64)
    if near is not None:
        emitted[:, 1::2] += near
    skips = np.zeros(len(classes), np.bool_)  # a symbol may follow the one before it without a blank unless it is the same
    skips[3::2] = symbols[1:] != symbols[:-1]
    states = _states(emitted, skips)
    return np.where(states % 2 == 1, states // 2, -1)


def needed(text: Sequence[int] | np.ndarray) -> int:
    """The fewest steps in which a text can be said."""
    symbols = np.asarray(text, np.int64)
    return max(1, len(symbols) + int((symbols[1:] == symbols[:-1]).sum()))


@numba.njit(cache=True)
def _states(emitted: np.ndarray, skips: np.ndarray) -> np.ndarray:
    steps, states = emitted.shape
    best = np.full(states, -np.inf)
    best[: min(2, states)] = emitted[0, : min(2, states)]
    came = np.zeros((steps, states), np.int8)
    for step in range(1, steps):
        for state in range(states - 1, -1, -1):  # from the right: what lies left is still that of the step before
            top, way = best[state], 0
            if state > 0 and best[state - 1] > top:
                top, way = best[state - 1], 1
            if skips[state] and best[state - 2] > top:
                top, way = best[state - 2], 2
            best[state] = top + emitted[step, state]
            came[step, state] = way
    state = states - 1
    if states > 1 and best[states - 2] > best[states - 1]:
        state = states - 2
    out = np.zeros(steps, np.int64)
    for step in range(steps - 1, -1, -1):
        out[step] = state
        state -= came[step, state]
    return out
