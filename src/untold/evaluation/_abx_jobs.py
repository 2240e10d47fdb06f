"""The jobs of an ABX task on threads: bundles are made of as many pools at a time as memory allows."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from untold.evaluation import _abx_cells as compiled
from untold.evaluation._dtw import Floats, Whole

_MOST_IN_LANES = 32 << 20  # numbers held in bundles at a time


def run_jobs(
    kind: int,
    within: bool,
    groups: compiled.Groups,
    pools: Whole,
    jobs: Whole,
    cells: np.ndarray,
    frames: Floats,
    more: Floats,
    start: Whole,
    steps: Whole,
    wins: Whole,
    threads: int | None,
    progress: Callable[[float], None] | None,
) -> None:
    """Twice the wins of all cells into wins (cells,); `progress` is told shares that sum to one. No number depends on threads."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = threads or cores
    frames, more = np.ascontiguousarray(frames), np.ascontiguousarray(more)
    dimensions = frames.shape[1]
    block_item = np.append(groups.first[groups.block_group[:-1]], len(steps))
    pool_item = block_item[pools]
    speaker = np.repeat(np.repeat(groups.block_speaker, np.diff(groups.block_group)), groups.size)
    # cost of a job: frames of x times frames of the pool
    ahead = np.append(0, np.cumsum(steps))
    x_first = groups.first[jobs[:, 0]]
    cost = (ahead[x_first + groups.size[jobs[:, 0]]] - ahead[x_first]) * (
        ahead[pool_item[jobs[:, 1] + 1]] - ahead[pool_item[jobs[:, 1]]]
    )
    whole = float(cost.sum())
    weight = (ahead[pool_item[1:]] - ahead[pool_item[:-1]]) * dimensions * (2 if len(more) else 1)
    batch = np.cumsum(weight) // _MOST_IN_LANES
    with ThreadPoolExecutor(workers) as crew:
        for number in np.unique(batch):
            low, high = (int(p) for p in np.searchsorted(batch, [number, number + 1]))
            first, last = (int(j) for j in np.searchsorted(jobs[:, 1], [low, high]))
            if first == last:
                continue
            item = np.arange(pool_item[low], pool_item[high])
            of_pool = np.repeat(np.arange(high - low), np.diff(pool_item[low : high + 1]))
            b = compiled.bundle(item, of_pool, speaker[item], steps, high - low, dimensions)
            offset = np.append(0, np.cumsum(b.lanes * b.longest * dimensions))
            y = compiled.fill_lanes(frames, start, steps, b.first_lane, b.lanes, b.longest, b.item, offset)
            more_y = (
                compiled.fill_lanes(more, start, steps, b.first_lane, b.lanes, b.longest, b.item, offset)
                if len(more)
                else y[:0]
            )
            these = jobs[first:last].copy()
            these[:, 1] -= low
            parts = np.cumsum(cost[first:last])
            pieces = np.unique(np.searchsorted(parts, np.linspace(0, parts[-1], 16 * workers + 1)[1:-1]))

            # the arguments of `score_jobs` in its order, without the jobs
            work = partial(
                compiled.score_jobs, kind, within, cells, groups.first, groups.size, pool_item[low : high + 1], frames, more, start,
                steps, b.first_lane, b.lanes, b.longest, b.item, b.pool_bundle, offset, y, more_y, wins,
            )  # fmt: skip
            shares = [part.sum() / whole for part in np.split(cost[first:last], pieces)]
            for share, _ in zip(shares, crew.map(work, np.split(these, pieces)), strict=True):
                if progress is not None:
                    progress(float(share))
