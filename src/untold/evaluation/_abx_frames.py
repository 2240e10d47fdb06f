"""Which frames an item holds, exactly, and the frames of all items in one array (speech.md 3.1.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from untold.contract import Grid
from untold.errors import UntoldError
from untold.evaluation._dtw import ANGULAR, IDENTICAL, KL_SYMMETRIC, Floats, Whole
from untold.formats.item import Item

Frames = Literal["zerospeech", "librilight", "stated"]
FRAMES: tuple[Frames, ...] = ("zerospeech", "librilight", "stated")
_KL_FLOOR = 1e-6


def span(onset: Fraction, offset: Fraction, grid: Grid, rule: Frames) -> tuple[int, int]:
    """First frame of an item and the one after its last; equal or falling where it has none.

    `zerospeech`: centres (i + 1/2)/rate from onset to offset, both included (ABXpy, fastabx). `librilight`: the same less
    the last. `stated`: centres first + i/rate.
    """
    first = grid.first if rule == "stated" else 1 / (2 * grid.rate)
    # (onset - first) * rate in whole numbers: fractions would spend most of the time on common divisors
    rate_up, rate_down = grid.rate.numerator, grid.rate.denominator
    down = first.denominator
    begin_up = (onset.numerator * down - first.numerator * onset.denominator) * rate_up
    end_up = (offset.numerator * down - first.numerator * offset.denominator) * rate_up
    begin = -(-begin_up // (onset.denominator * down * rate_down))
    end = end_up // (offset.denominator * down * rate_down) + 1
    return max(0, begin), end - 1 if rule == "librilight" else end


@dataclass(frozen=True)
class Cut:
    """Frames of items: `values` (frames, dimensions); item i holds rows start[i] ... start[i] + steps[i] - 1."""

    values: np.ndarray
    start: Whole
    steps: Whole


def cut(
    read: Callable[[str], np.ndarray],
    items: Sequence[Item],
    grid: Grid,
    rule: Frames,
    progress: Callable[[str], None] | None = None,
) -> Cut:
    """Reads each recording once and keeps the frames that some item holds.

    Raises `UntoldError` for an item that ends more than a step beyond its recording, and for features of two sizes.
    Items without a frame have steps 0.
    """
    per_file: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        per_file.setdefault(item.file, []).append(number)
    start, steps = np.zeros(len(items), np.int64), np.zeros(len(items), np.int64)
    kept: list[np.ndarray] = []
    held = 0
    before: tuple[str, int] | None = None
    for file, numbers in per_file.items():
        values = read(file)
        values = values[:, None] if values.ndim == 1 else values
        if before is not None and values.shape[1] != before[1]:
            raise UntoldError(
                f"features of two sizes: {before[0]!r} has {before[1]} dimensions, {file!r} has {values.shape[1]}: make them alike"
            )
        before = (file, values.shape[1])
        wanted = np.zeros(len(values), bool)
        for number in numbers:
            item = items[number]
            first, last = span(item.onset, item.offset, grid, rule)
            if last > len(values) + 1:
                raise UntoldError(
                    f"the item of {item.phone!r} at {float(item.onset):g} to {float(item.offset):g} s ends beyond {file!r}, which has "
                    f"{len(values)} steps at {grid.rate} per {grid.unit}: check the rate and the recording"
                )
            last = min(last, len(values))
            start[number], steps[number] = first, max(0, last - first)
            wanted[first:last] = True
        rows = np.flatnonzero(wanted)
        place = np.cumsum(wanted) - wanted + held
        for number in numbers:
            if steps[number]:
                start[number] = place[start[number]]
        chosen = np.asarray(values[rows])
        if not np.isfinite(chosen).all():
            raise UntoldError(f"the features of {file!r} hold values that are not finite: make them again")
        kept.append(chosen)
        held += len(rows)
        if progress is not None:
            progress(file)
    return Cut(np.concatenate(kept) if kept else np.zeros((0, 1), np.float32), start, steps)


def prepare(kind: int, values: np.ndarray) -> tuple[Floats, Floats]:
    """Frames (frames, dimensions) as the compiled distances take them, a row of zeros added; logarithms for KL, else empty.

    angular: unit length. Null vectors lie at distance 1 from all others and 0 from each other: one more column is
    -2e12 for them and 1e-12 for the rest, whose product, -2, is beyond every cosine, while 1e-24 is lost in a float32.
    Raises `UntoldError` for values that the distance is not defined on.
    """
    frames, dimensions = values.shape
    nothing = np.zeros((0, dimensions), np.float32)
    if kind == IDENTICAL:
        if dimensions != 1:
            raise UntoldError(
                f"the distance identical compares tokens, one a step; these features have {dimensions} dimensions: take angular or euclidean"
            )
        names, tokens = np.unique(values[:, 0], return_inverse=True)
        if len(names) > 1 << 24:
            raise UntoldError(f"{len(names)} different tokens: too many for the distance identical")
        return np.append(tokens, 0).astype(np.float32)[:, None], nothing
    out = np.zeros((frames + 1, dimensions), np.float32)
    if kind != ANGULAR:
        out[:-1] = values
        if kind != KL_SYMMETRIC:
            return out, nothing
        _refuse_no_distributions(out[:-1])
        return out, np.log(out.astype(np.float64) + _KL_FLOOR).astype(np.float32)
    null = np.zeros(frames + 1, bool)
    for at in range(0, frames, 1 << 16):  # in double precision, a piece at a time
        piece = values[at : at + (1 << 16)].astype(np.float64)
        piece /= np.maximum(np.abs(piece).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        norm = np.sqrt((piece * piece).sum(axis=1, keepdims=True))
        null[at : at + len(piece)] = norm[:, 0] == 0
        out[at : at + len(piece)] = piece / np.where(norm == 0, 1, norm)
    if null.any():
        out = np.append(out, np.where(null, -2e12, 1e-12).astype(np.float32)[:, None], axis=1)
    return out, nothing


def _refuse_no_distributions(values: Floats) -> None:
    total = values.sum(axis=1, dtype=np.float64)
    if (values < 0).any() or (np.abs(total - 1) > 0.01).any():
        raise UntoldError(
            "the distance kl_symmetric compares distributions, and not all rows of these features are (not negative, sum 1): "
            "take posteriors, or angular"
        )
