"""Setting single characters into lines, as a hand would: with a slant, a size, a stroke and a spacing of its own.

Every place is known exactly: a character reaches from the middle of the gap before it to the middle of the gap behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

HEIGHT = 64
BASELINE = 50  # row on which characters stand
BLANK = " "


@dataclass(frozen=True)
class Sort:
    """A character to be set: its label and its ink (height, width) in [0, 1], without paper around it."""

    label: str
    ink: np.ndarray


@dataclass(frozen=True)
class Hand:
    """How a hand writes: `slant` columns a row, `size` rows of a character, `wide` over high, `stroke` pixels that strokes
    gain (or lose), `gap` and `blank` pixels between characters and words, `wander` rows that the baseline moves."""

    slant: float
    size: float
    wide: float
    stroke: float
    gap: float
    blank: float
    wander: float

    @staticmethod
    def of(key: tuple[int, ...]) -> Hand:
        """The hand of a key, always the same."""
        draw = np.random.default_rng((0x4A, *key))
        return Hand(
            float(draw.uniform(-0.15, 0.45)), float(draw.uniform(30, 42)), float(draw.uniform(0.8, 1.2)), float(draw.uniform(-0.6, 1.2)),
            float(draw.uniform(1, 5)), float(draw.uniform(14, 26)), float(draw.uniform(0, 1.5)),
        )


def in_words(draw: np.random.Generator, pick: Callable[[], Sort], words: tuple[int, int], letters: tuple[int, int]) -> list[Sort | None]:
    """Words of characters with blanks (None) between them; numbers are at least the first and below the second of a pair."""
    sorts: list[Sort | None] = []
    for _ in range(int(draw.integers(*words))):
        sorts += [pick() for _ in range(int(draw.integers(*letters)))]
        sorts.append(None)
    return sorts[:-1]


def inked(ink: np.ndarray, least: float = 0.1) -> np.ndarray:
    """The box of a character (height, width) that holds ink of at least `least`; one pixel where there is none."""
    rows, columns = np.flatnonzero(ink.max(1) > least), np.flatnonzero(ink.max(0) > least)
    if not len(rows):
        return np.zeros((1, 1), ink.dtype)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def set_line(sorts: Sequence[Sort | None], hand: Hand, draw: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int, str]]]:
    """Ink (64, width) float32 and (start, end, label) of each character; None is a blank between words."""
    pieces = [None if sort is None else _written(sort.ink, hand, draw) for sort in sorts]
    places, at = [], 4.0
    for sort, piece in zip(sorts, pieces, strict=True):
        if piece is None:
            at += hand.blank * draw.uniform(0.8, 1.25)
            continue
        places.append((sort.label if sort else "", round(at), piece))
        at += piece.shape[1] + hand.gap * draw.uniform(0.5, 1.6)
    out = np.zeros((HEIGHT, round(at) + 6), np.float32)
    wander = 0.0
    for _, left, piece in places:
        wander = 0.7 * wander + hand.wander * draw.normal()
        top = int(np.clip(round(BASELINE + wander) - len(piece), 0, HEIGHT - len(piece)))
        part = out[top : top + len(piece), left : left + piece.shape[1]]
        np.maximum(part, piece[:, : part.shape[1]], out=part)
    return out, _tier(sorts, places, out.shape[1])


def _written(ink: np.ndarray, hand: Hand, draw: np.random.Generator) -> np.ndarray:
    """A character in a hand."""
    size = hand.size * draw.uniform(0.93, 1.07)
    scale = size / max(len(ink), 1)
    out = ndimage.zoom(ink, (scale, scale * hand.wide * draw.uniform(0.92, 1.08)), order=1)
    slant = hand.slant + draw.normal() * 0.04
    lean = abs(slant) * len(out)
    out = np.pad(out, ((2, 2), (round(lean) + 2, round(lean) + 2)))
    rows, columns = np.mgrid[0 : out.shape[0], 0 : out.shape[1]]
    out = ndimage.map_coordinates(out, [rows, columns + slant * (rows - len(out) / 2)], order=1)
    near = ndimage.gaussian_filter(out, 1.0)
    out = np.clip((near - (0.45 - 0.22 * hand.stroke)) * 3, 0, 1) if hand.stroke else out
    rows, columns = np.flatnonzero(out.max(1) > 0.15), np.flatnonzero(out.max(0) > 0.15)
    if not len(rows):
        return np.ones((4, 2), np.float32)
    out = out[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return out[-(HEIGHT - 2) :].astype(np.float32)


def _tier(sorts: Sequence[Sort | None], places: Sequence[tuple[str, int, np.ndarray]], width: int) -> list[tuple[int, int, str]]:
    """Characters and blanks from edge to edge: neighbours meet in the middle of their gap, a blank has its gap for itself."""
    out: list[tuple[int, int, str]] = []
    number, before, wide = 0, 0, False
    for sort in sorts:
        if sort is None:
            wide = True
            continue
        label, left, piece = places[number]
        if not number:
            start = 0
        elif wide:
            start = left
            out[-1] = (out[-1][0], before, out[-1][2])
            out.append((before, left, BLANK))
        else:
            start = (before + left) // 2
            out[-1] = (out[-1][0], start, out[-1][2])
        out.append((start, left + piece.shape[1], label))
        before, wide, number = left + piece.shape[1], False, number + 1
    if out:
        out[-1] = (out[-1][0], width, out[-1][2])
    return [row for row in out if row[0] < row[1]]
