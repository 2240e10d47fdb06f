"""The cells of an ABX task and their scores: who is compared with whom, and the compiled loop that counts.

A *group* is the items of one (context, speaker, phone); a *block* the groups of one (context, speaker); a *pool* the blocks
whose items an x is compared with in one go. A *job* is one group of x against one pool: every distance of x to an
item is computed once and serves all its cells. No matrix of all pairs is ever held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from untold.evaluation._dtw import LANES, STEP, Floats, Whole, against_bundle

Keys = NDArray[np.uint64]
TILE = 16  # items of x that meet a bundle while it is in the cache

_compiled = njit(nogil=True, cache=True, error_model="numpy")


@dataclass(frozen=True)
class Groups:
    """Items sorted by (context, speaker, phone): groups, their blocks, and contexts as ranges of blocks."""

    first: Whole  # (groups,) first item
    size: Whole
    phone: Whole
    block: Whole
    block_group: Whole  # (blocks + 1,) first group of each block
    block_speaker: Whole
    block_context: Whole
    context_block: Whole  # (contexts + 1,) first block of each context


def group(context: Whole, speaker: Whole, phone: Whole) -> Groups:
    """Groups of items that are sorted by context, speaker, phone (items,)."""
    new_block = _changes(context) | _changes(speaker)
    new_group = new_block | _changes(phone)
    first = np.flatnonzero(new_group)
    block_item = np.flatnonzero(new_block)
    new_context = _changes(context[block_item])
    return Groups(
        first,
        np.diff(np.append(first, len(phone))),
        phone[first],
        (np.cumsum(new_block) - 1)[first],
        np.append(np.flatnonzero(new_block[first]), len(first)),
        speaker[block_item],
        context[block_item],
        np.append(np.flatnonzero(new_context), len(block_item)),
    )


def _changes(values: Whole) -> NDArray[np.bool_]:
    return np.append(True, values[1:] != values[:-1])[: len(values)]


@_compiled
def pools_of(within: bool, most: int, context_block: Whole, block_group: Whole, first: Whole, size: Whole) -> Whole:
    """First block of each pool, and the end: a block each within speakers, else blocks of a context up to `most` items."""
    blocks = len(block_group) - 1
    starts = np.empty(blocks + 1, np.int64)
    count = 0
    for c in range(len(context_block) - 1):
        held = 0
        for b in range(context_block[c], context_block[c + 1]):
            last = block_group[b + 1] - 1
            items = first[last] + size[last] - first[block_group[b]]
            if b == context_block[c] or within or held + items > most:
                starts[count] = b
                count += 1
                held = 0
            held += items
    starts[count] = blocks
    return starts[: count + 1]


@_compiled
def _mixed(a: np.uint64, b: np.uint64) -> np.uint64:
    """A hash of two keys (the finaliser of splitmix64)."""
    z = a ^ (b * np.uint64(0x9E3779B97F4A7C15))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@_compiled
def limits_of_x(
    most: int, keys: Keys, phone: Whole, block: Whole, block_context: Whole, context_block: Whole, block_group: Whole
) -> Keys:
    """For each group of a, the largest hash of the `most` groups of x (other speakers) that it meets."""
    limits = np.empty(len(phone), np.uint64)
    for a in range(len(phone)):
        c = block_context[block[a]]
        lowest = np.full(context_block[c + 1] - context_block[c], np.uint64(0xFFFFFFFFFFFFFFFF))
        count = 0
        for x in range(block_group[context_block[c]], block_group[context_block[c + 1]]):
            if phone[x] == phone[a] and block[x] != block[a]:
                lowest[count] = _mixed(keys[a], keys[x])
                count += 1
        lowest.sort()
        limits[a] = lowest[most - 1] if most <= count else np.uint64(0xFFFFFFFFFFFFFFFF)
    return limits


@_compiled
def enumerate_cells(
    within: bool,
    pools: Whole,
    size: Whole,
    phone: Whole,
    block: Whole,
    block_group: Whole,
    block_context: Whole,
    context_block: Whole,
    keys: Keys,
    limits: Keys,
    cells: NDArray[np.int32],
    jobs: Whole,
) -> tuple[int, int]:
    """Fills cells (cells, 3: groups of a, b, x) and jobs (jobs, 4: group of x, pool, first cell, end); gives both counts.

    With empty arrays it only counts. `limits` is empty where x is not subsampled.
    """
    count, made = 0, 0
    filling = len(cells) > 0
    for pool in range(len(pools) - 1):
        c = block_context[pools[pool]]
        low, high = (pools[pool], pools[pool + 1]) if within else (context_block[c], context_block[c + 1])
        for x in range(block_group[low], block_group[high]):
            if within and size[x] < 2:
                continue
            begun = count
            for b in range(pools[pool], pools[pool + 1]):
                if (b == block[x]) != within or block_group[b + 1] - block_group[b] < 2:
                    continue
                a = block_group[b] + np.searchsorted(phone[block_group[b] : block_group[b + 1]], phone[x])
                if a == block_group[b + 1] or phone[a] != phone[x]:
                    continue
                if len(limits) and _mixed(keys[a], keys[x]) > limits[a]:
                    continue
                for other in range(block_group[b], block_group[b + 1]):
                    if other != a:
                        if filling:
                            cells[count, 0], cells[count, 1], cells[count, 2] = a, other, x
                        count += 1
            if count > begun:
                if filling:
                    jobs[made, 0], jobs[made, 1], jobs[made, 2], jobs[made, 3] = x, pool, begun, count
                made += 1
    return count, made


@dataclass(frozen=True)
class Bundles:
    """Items of pools in bundles of similar length; arrays as `score_jobs` reads them."""

    first_lane: Whole  # (bundles + 1,)
    lanes: Whole  # padded
    longest: Whole
    item: Whole  # (lanes before padding,) the item of each
    pool_bundle: Whole  # (pools + 1,) first bundle of each pool


def bundle(item: Whole, pool: Whole, speaker: Whole, steps: Whole, pools: int, dimensions: int) -> Bundles:
    """Bundles of the items (numbers) of pools 0 ... `pools` - 1; few speakers are kept apart, since some are then not wanted."""
    most = LANES if dimensions <= 64 else LANES // 2 if dimensions <= 256 else STEP
    few = np.zeros(pools, bool)
    kinds = np.unique(np.stack([pool, speaker]), axis=1)[0]
    few[:] = np.bincount(kinds, minlength=pools) < 4
    order = np.lexsort((steps[item], np.where(few[pool], speaker, 0), pool))
    item, pool = item[order], pool[order]
    rank = np.arange(len(item)) - np.searchsorted(pool, pool)
    first = np.flatnonzero(rank % most == 0)
    ends = np.append(first[1:], len(item))
    return Bundles(
        np.append(first, len(item)),
        -(-(ends - first) // STEP) * STEP,
        np.maximum.reduceat(steps[item], first),
        item,
        np.searchsorted(pool[first], np.arange(pools + 1)),
    )


@_compiled
def fill_lanes(
    frames: Floats,
    start: Whole,
    steps: Whole,
    first_lane: Whole,
    lanes: Whole,
    longest: Whole,
    item: Whole,
    offset: Whole,
) -> Floats:
    """Frames of bundles, each (dimensions, longest * lanes) step-major, one after the other from `offset`; zeros elsewhere."""
    dimensions = frames.shape[1]
    out = np.zeros(offset[-1], np.float32)
    for b in range(len(lanes)):
        width = longest[b] * lanes[b]
        for lane in range(first_lane[b + 1] - first_lane[b]):
            i = item[first_lane[b] + lane]
            for j in range(steps[i]):
                for k in range(dimensions):
                    out[offset[b] + k * width + j * lanes[b] + lane] = frames[start[i] + j, k]
    return out


@_compiled
def score_jobs(
    kind: int,
    within: bool,
    cells: NDArray[np.int32],
    group_first: Whole,
    group_size: Whole,
    pool_item: Whole,
    frames: Floats,
    more_frames: Floats,
    start: Whole,
    steps: Whole,
    first_lane: Whole,
    lanes: Whole,
    longest: Whole,
    lane_item: Whole,
    pool_bundle: Whole,
    offset: Whole,
    y: Floats,
    more_y: Floats,
    wins: Whole,
    jobs: Whole,
) -> None:
    """Twice the number of triples with d(a, x) < d(b, x), ties counting one, into wins (cells,) for the cells of these jobs.

    x comes first in every distance. Within speakers x itself is left out of a.
    """
    dimensions = frames.shape[1]
    width, columns = 0, 0
    for job in range(len(jobs)):
        pool = jobs[job, 1]
        width = max(width, pool_item[pool + 1] - pool_item[pool])
        for b in range(pool_bundle[pool], pool_bundle[pool + 1]):
            columns = max(columns, longest[b] * lanes[b])
    room = np.empty((6, columns), np.float32)
    rows = np.empty((TILE, width), np.float32)
    wanted = np.empty(width, np.bool_)
    out, ends = np.empty(LANES, np.float32), np.zeros(LANES, np.int64)
    for job in range(len(jobs)):
        x_group, pool, begin, end = jobs[job]
        base = pool_item[pool]
        wanted[:] = False
        for cell in range(begin, end):
            for role in range(2):
                g = cells[cell, role]
                if role == 1 or cell == begin or cells[cell - 1, 0] != g:
                    low = group_first[g] - base
                    wanted[low : low + group_size[g]] = True
        for tile in range(group_first[x_group], group_first[x_group] + group_size[x_group], TILE):
            stop = min(tile + TILE, group_first[x_group] + group_size[x_group])
            for b in range(pool_bundle[pool], pool_bundle[pool + 1]):
                low, used = first_lane[b], first_lane[b + 1] - first_lane[b]
                needed = False
                ends[:] = 0
                for lane in range(used):
                    i = lane_item[low + lane]
                    ends[lane] = steps[i] - 1
                    needed |= wanted[i - base]
                if not needed:
                    continue
                here = y[offset[b] : offset[b + 1]].reshape(dimensions, longest[b] * lanes[b])
                more_here = (
                    more_y[offset[b] : offset[b + 1]].reshape(dimensions, longest[b] * lanes[b])
                    if len(more_y)
                    else here
                )
                for i in range(tile, stop):
                    x = frames[start[i] : start[i] + steps[i] + 1]
                    more_x = more_frames[start[i] : start[i] + steps[i] + 1] if len(more_frames) else x
                    against_bundle(kind, x, more_x, steps[i], here, more_here, lanes[b], ends, room, out)
                    for lane in range(used):
                        rows[i - tile, lane_item[low + lane] - base] = out[lane]
            for i in range(tile, stop):
                row = rows[i - tile]
                for cell in range(begin, end):
                    a, other = cells[cell, 0], cells[cell, 1]
                    far = row[group_first[other] - base : group_first[other] - base + group_size[other]]
                    won = 0
                    for item in range(group_first[a], group_first[a] + group_size[a]):
                        if within and item == i:
                            continue
                        near = row[item - base]
                        for q in range(len(far)):
                            won += (near < far[q]) + (near <= far[q])
                    wins[cell] += won
