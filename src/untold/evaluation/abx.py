"""ABX discriminability: how often a stretch of speech is nearer to another of its phone than to one of another phone.

Schatz et al. (2013), as libri-light and fastabx compute it (speech.md 3.1): ON phone, BY context and speaker or ACROSS
speakers. A cell is (phone, other phone, context, speaker of a and b, speaker of x); its score is the mean over its triples of
[d(a, x) < d(b, x)] + 1/2 [d(a, x) = d(b, x)], and its error is 1 less that. Values are fractions of errors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from untold.contract import Grid
from untold.errors import UntoldError, unknown_name
from untold.evaluation import _abx_cells as compiled
from untold.evaluation._abx_frames import FRAMES, Frames, cut, prepare
from untold.evaluation._abx_jobs import run_jobs
from untold.evaluation._dtw import DISTANCES, Floats, Whole
from untold.evaluation._groups import Grouped, interval
from untold.evaluation.intervals import FEWEST_SPEAKERS, mean_of_cells
from untold.formats.item import Item

Distance = Literal["angular", "euclidean", "kl_symmetric", "identical"]
_MOST_IN_POOL = 8192  # items that one x meets in one go
_MOST_CELLS = 1 << 28
_ORDER = {
    "within": "contexts>speakers>phone_pairs",
    "across": "contexts_and_speakers_of_x>speakers>phone_pairs",
}


class NoCells(UntoldError):
    """There is nothing to compare among these items."""


@dataclass(frozen=True)
class Cells:
    """Scored cells: `group` (cells, 3) numbers of the groups of a, b and x; what a group is; `error` (cells,)."""

    error: np.ndarray
    phone: Whole
    other: Whole
    context: Whole
    speaker: Whole
    speaker_of_x: Whole
    triples: Whole
    phones: tuple[str, ...]
    contexts: tuple[tuple[str, str], ...]
    speakers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.error)


@dataclass(frozen=True)
class AbxResult:
    """The error with its 95 % interval (None: fewer than five speakers), its cells, what was scored and how."""

    value: float
    low: float | None
    high: float | None
    cells: Cells
    items: int
    items_empty: int
    conventions: Mapping[str, str]
    grouped: Grouped | None = field(default=None, compare=False, repr=False)


def abx(
    read: Callable[[str], np.ndarray],
    items: Sequence[Item],
    *,
    grid: Grid,
    speaker: Literal["within", "across"] = "across",
    context: Literal["within", "any"] = "within",
    distance: Distance = "angular",
    frames: Frames = "zerospeech",
    empty: Literal["error", "skip"] = "error",
    max_size_group: int | None = None,
    max_x_across: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    draws: int = 1000,
    progress: Callable[[float], None] | None = None,
) -> AbxResult:
    """The ABX error of features on items.

    `read(file)` gives the features of an item's recording (steps, dimensions) or tokens (steps,) on `grid`. Subsampling is
    off unless asked for: `max_size_group` items of each (context, speaker, phone) at most, `max_x_across` speakers of x for
    each group of a; both are chosen by a hash of seed and names, so that they are the same at every run and in any order
    of the items. `progress` is told shares of the work, which sum to one.

    Raises `UntoldError` for items without a frame (unless `empty` is `skip`), items beyond their recording, features of two
    sizes, values that are not finite, and when there is no cell.
    """
    for name, value, known in (
        ("speaker", speaker, ("within", "across")), ("context", context, ("within", "any")), ("distance", distance, tuple(DISTANCES)),
        ("frames", frames, FRAMES), ("empty", empty, ("error", "skip")),
    ):  # fmt: skip
        if value not in known:
            raise unknown_name(f"ABX option {name}", str(value), known)
    for name, most in (("max_size_group", max_size_group), ("max_x_across", max_x_across)):
        if most is not None and most < (2 if name == "max_size_group" and speaker == "within" else 1):
            raise UntoldError(f"{name} = {most}: too few items to compare")
    kind = DISTANCES[distance]
    taken = cut(read, items, grid, frames)
    hollow = int((taken.steps == 0).sum())
    if hollow and empty == "error":
        example = items[int(np.flatnonzero(taken.steps == 0)[0])]
        raise UntoldError(
            f"{hollow} of {len(items)} items have no frame (the first: {example.phone!r} of {example.file!r} at {float(example.onset):g} s): "
            "leave them out with --empty skip, or take features at a higher rate"
        )
    kept = np.flatnonzero(taken.steps > 0)
    if len(kept) == 0:
        raise NoCells("no cell to score: no item has a frame")
    codes, names = _codes(items, kept, context == "any")
    if max_size_group is not None:
        chosen = _subsample(items, kept, codes, max_size_group, seed)
        kept, codes = kept[chosen], codes[:, chosen]
    order = np.lexsort((kept, codes[2], codes[1], codes[0]))
    kept, codes = kept[order], codes[:, order]
    groups = compiled.group(codes[0], codes[1], codes[2])
    values, more = prepare(kind, taken.values)
    cells = _score(
        kind, speaker == "within", groups, values, more, taken.start[kept], taken.steps[kept], names,
        _keys(groups, names, seed) if max_x_across is not None and speaker == "across" else None, max_x_across or 0, threads, progress,
    )  # fmt: skip
    if len(cells) == 0:
        raise NoCells(
            f"no cell to score among {len(kept)} items ({speaker} speakers, context {context}): more speakers or items of the same "
            "context are needed, or --context any"
        )
    conventions = {
        "speaker": speaker, "context": context, "distance": distance, "frames": frames, "empty": empty, "averaging": _ORDER[speaker],
        "dtw": "path_normalised", "subsampling": _said(max_size_group, max_x_across if speaker == "across" else None, seed),
    }  # fmt: skip
    grouped = mean_of_cells(cells)
    low = high = None
    if len(grouped.groups) >= FEWEST_SPEAKERS:
        low, high = interval(grouped, draws, seed)
        conventions["resampled"] = "speakers"
    else:
        conventions["interval"] = f"none, {len(grouped.groups)} speakers are fewer than {FEWEST_SPEAKERS}"
    return AbxResult(grouped.value, low, high, cells, len(kept), hollow, conventions, grouped)


def _said(group: int | None, across: int | None, seed: int) -> str:
    said = [
        f"{name}={most}" for name, most in (("max_size_group", group), ("max_x_across", across)) if most is not None
    ]
    return ",".join([*said, f"seed={seed}"]) if said else "none"


Names = tuple[tuple[tuple[str, str], ...], tuple[str, ...], tuple[str, ...]]


def _codes(items: Sequence[Item], kept: Whole, any_context: bool) -> tuple[Whole, Names]:
    """Context, speaker and phone of items as numbers (3, items), and their names, sorted."""
    contexts = [("", "") if any_context else (items[i].previous, items[i].next) for i in kept]
    speakers, phones = [items[i].speaker for i in kept], [items[i].phone for i in kept]
    names = (tuple(sorted(set(contexts))), tuple(sorted(set(speakers))), tuple(sorted(set(phones))))
    tables = [{name: number for number, name in enumerate(some)} for some in names]
    codes = np.array(
        [[tables[0][c] for c in contexts], [tables[1][s] for s in speakers], [tables[2][p] for p in phones]], np.int64
    ).reshape(3, len(kept))
    return codes, names


def _hash(*words: object) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(map(str, words)).encode()).digest()[:8], "little")


def _subsample(items: Sequence[Item], kept: Whole, codes: Whole, most: int, seed: int) -> Whole:
    """Positions of the `most` items of each group with the lowest hash of seed and item."""
    hashes = np.array([_hash(seed, *(getattr(items[i], name) for name in Item.__slots__)) for i in kept], np.uint64)
    order = np.lexsort((kept, hashes, codes[2], codes[1], codes[0]))
    new = np.append(True, (codes[:, order[1:]] != codes[:, order[:-1]]).any(axis=0))
    rank = np.arange(len(order)) - np.flatnonzero(new)[np.cumsum(new) - 1]
    return np.sort(order[rank < most])


def _keys(groups: compiled.Groups, names: Names, seed: int) -> compiled.Keys:
    """A hash of seed, context, speaker and phone for each group (groups,)."""
    return np.array(
        [
            _hash(seed, *names[0][groups.block_context[b]], names[1][groups.block_speaker[b]], names[2][p])
            for b, p in zip(groups.block, groups.phone, strict=True)
        ],
        np.uint64,
    )


def _score(
    kind: int,
    within: bool,
    groups: compiled.Groups,
    frames: Floats,
    more: Floats,
    start: Whole,
    steps: Whole,
    names: Names,
    keys: compiled.Keys | None,
    max_x_across: int,
    threads: int | None,
    progress: Callable[[float], None] | None,
) -> Cells:
    g = groups
    g_pools = compiled.pools_of(within, _MOST_IN_POOL, g.context_block, g.block_group, g.first, g.size)
    limits = no_keys = np.zeros(0, np.uint64)
    if keys is not None:
        limits = compiled.limits_of_x(
            max_x_across, keys, g.phone, g.block, g.block_context, g.context_block, g.block_group
        )
    chosen = (
        within,
        g_pools,
        g.size,
        g.phone,
        g.block,
        g.block_group,
        g.block_context,
        g.context_block,
        no_keys if keys is None else keys,
        limits,
    )
    cells, jobs = np.empty((0, 3), np.int32), np.empty((0, 4), np.int64)
    count, made = compiled.enumerate_cells(*chosen, cells, jobs)
    if count > _MOST_CELLS:
        raise UntoldError(
            f"{count} cells are more than can be held: compare fewer speakers with --max-x-across, or split the items"
        )
    cells, jobs = np.empty((count, 3), np.int32), np.empty((made, 4), np.int64)
    wins = np.zeros(count, np.int64)
    if count:
        compiled.enumerate_cells(*chosen, cells, jobs)
        run_jobs(kind, within, g, g_pools, jobs, cells, frames, more, start, steps, wins, threads, progress)
    a, b, x = cells[:, 0], cells[:, 1], cells[:, 2]
    triples = g.size[x] * (g.size[a] - within) * g.size[b]
    return Cells(
        1 - wins / (2 * np.maximum(triples, 1)), g.phone[a], g.phone[b], g.block_context[g.block[a]], g.block_speaker[g.block[a]],
        g.block_speaker[g.block[x]], triples, names[2], names[0], names[1],
    )  # fmt: skip
