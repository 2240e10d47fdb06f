"""Segmentation of 32 recordings of 2048 steps, K = 64 and 2048: ratios in one run, on one thread.

Against the Viterbi pass that looks at all pairs of states (on one recording, scaled up), greedy merging with a heap in
Python (likewise), and the time to read the costs once. Usage: python benchmarks/segmentation.py [--times N]
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from _turns import turns

from untold.layers.segmentation import decode, merge_greedily

BATCH, STEPS, PENALTY = 32, 2048, 0.5


def pairs(costs: np.ndarray, penalty: float) -> np.ndarray:
    """The path of one recording by the table of all transitions."""
    steps, size = costs.shape
    change = np.full((size, size), penalty)
    np.fill_diagonal(change, 0.0)
    best, came = costs[0].astype(np.float64), np.zeros((steps, size), np.int64)
    for step in range(1, steps):
        through = best[:, None] + change
        came[step] = through.argmin(0)
        best = through[came[step], np.arange(size)] + costs[step]
    path = np.empty(steps, np.int64)
    path[-1] = best.argmin()
    for step in range(steps - 1, 0, -1):
        path[step - 1] = came[step, path[step]]
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    torch.set_num_threads(1)
    for size in (64, 2048):
        costs = np.random.default_rng(0).random((BATCH, STEPS, size), dtype=np.float32)
        lengths = np.full(BATCH, STEPS)
        few = 2048 if size == 64 else 32  # steps of what takes long: its time grows with them
        found = turns({"ours": lambda c=costs, n=lengths: decode(c, n, PENALTY), "read": lambda c=costs: c.reshape(-1).sum()}, times)
        slow = turns({"pairs": lambda c=costs, n=few: pairs(c[0, :n], PENALTY), "greedy": lambda c=costs: merge_greedily(c[0, :256], 64)}, 2)
        all_pairs, heap = slow["pairs"] * BATCH * STEPS / few, slow["greedy"] * BATCH * STEPS / 256
        print(
            f"K = {size}: ours {1000 * found['ours']:.1f} ms ({costs.nbytes / 1e6:.0f} MB); reading once / ours: ours takes {found['ours'] / found['read']:.1f} times as long; "
            f"all pairs / ours {all_pairs / found['ours']:.0f}, greedy / ours {heap / found['ours']:.0f}"
        )


if __name__ == "__main__":
    main()
