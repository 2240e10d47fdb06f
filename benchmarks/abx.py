"""ABX against a straightforward NumPy version and a batched torch one, in turns in one run: python benchmarks/abx.py FEATURES ITEM.

Angular distance, across speakers, any context. NumPy is given few items, since it is slow; torch more, since it gains from large batches
(`--all`: all, minutes). Each error must be ours.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from untold.evaluation._abx_frames import cut
from untold.evaluation._dtw import warm
from untold.evaluation.abx import abx
from untold.formats.features import FeatureFolder
from untold.formats.item import Names, read_items

Distances = Callable[[list[np.ndarray]], np.ndarray]


def score(distance: np.ndarray, phones: list[str], speakers: list[str]) -> float:
    """The error from a matrix of all distances (x, item)."""
    phone, speaker = np.array(phones), np.array(speakers)
    by_pair: dict[tuple[str, str], list[float]] = {}
    for p, q in itertools.permutations(sorted(set(phones)), 2):
        for s in sorted(set(speakers)):
            a, b = np.flatnonzero((phone == p) & (speaker == s)), np.flatnonzero((phone == q) & (speaker == s))
            cells = []
            for t in sorted(set(speakers) - {s}):
                x = np.flatnonzero((phone == p) & (speaker == t))
                if len(a) and len(b) and len(x):
                    near, far = distance[np.ix_(x, a)][:, :, None], distance[np.ix_(x, b)][:, None]
                    cells.append(1 - ((near < far) + 0.5 * (near == far)).mean())
            if cells:
                by_pair.setdefault((p, q), []).append(float(np.mean(cells)))
    return float(np.mean([np.mean(v) for v in by_pair.values()]))


def plain(stretches: list[np.ndarray]) -> np.ndarray:
    """A pair at a time: NumPy for the frames, loops for the warping."""
    unit = [s / np.linalg.norm(s, axis=1, keepdims=True) for s in stretches]
    out = np.zeros((len(unit), len(unit)))
    for i, x in enumerate(unit):
        for j, y in enumerate(unit):
            if i != j:
                d = np.arccos(np.clip(x @ y.T, -1, 1)) / np.pi
                rows, columns = d.shape
                cost = np.full((rows + 1, columns + 1), np.inf)
                length = np.zeros((rows + 1, columns + 1))
                cost[0, 0] = 0
                for r in range(rows):
                    for c in range(columns):
                        corner, left, up = cost[r, c], cost[r + 1, c], cost[r, c + 1]
                        if corner <= left and corner <= up:
                            best, before = corner, length[r, c]
                        elif left <= up:
                            best, before = left, length[r + 1, c]
                        else:
                            best, before = up, length[r, c + 1]
                        cost[r + 1, c + 1], length[r + 1, c + 1] = d[r, c] + best, before + 1
                out[i, j] = cost[rows, columns] / length[rows, columns]
    return out


def batched(stretches: list[np.ndarray]) -> np.ndarray:
    """All pairs of two lengths at a time: one matrix product for the frames, the warping a tensor operation a cell."""
    unit = [torch.nn.functional.normalize(torch.from_numpy(s), dim=1) for s in stretches]
    by_length: dict[int, list[int]] = {}
    for i, s in enumerate(unit):
        by_length.setdefault(len(s), []).append(i)
    groups = {n: (torch.tensor(members), torch.cat([unit[i] for i in members])) for n, members in by_length.items()}
    out = torch.zeros(len(unit), len(unit))
    for n, (x_index, x_frames) in groups.items():
        step = max(1, (1 << 22) // (n * sum(len(s) for s in unit) + 1))
        for m, (y_index, y_frames) in groups.items():
            for at in range(0, len(x_index), max(1, step)):
                x = x_frames[at * n : (at + step) * n]
                d = torch.arccos((x @ y_frames.T).clip(-1, 1)) / torch.pi
                d = d.reshape(-1, n, len(y_index), m).permute(1, 3, 0, 2).contiguous()
                cost = [[d[0, 0]] * m for _ in range(n)]
                length = [[torch.ones_like(d[0, 0])] * m for _ in range(n)]
                for r, c in itertools.product(range(n), range(m)):
                    if r == c == 0:
                        continue
                    if r == 0 or c == 0:
                        best, before = (
                            (cost[r][c - 1], length[r][c - 1]) if r == 0 else (cost[r - 1][c], length[r - 1][c])
                        )
                    else:
                        left_wins = cost[r][c - 1] <= cost[r - 1][c]
                        best = torch.where(left_wins, cost[r][c - 1], cost[r - 1][c])
                        before = torch.where(left_wins, length[r][c - 1], length[r - 1][c])
                        corner_wins = cost[r - 1][c - 1] <= best
                        best = torch.where(corner_wins, cost[r - 1][c - 1], best)
                        before = torch.where(corner_wins, length[r - 1][c - 1], before)
                    cost[r][c], length[r][c] = d[r, c] + best, before + 1
                out[x_index[at : at + step, None], y_index[None]] = cost[-1][-1] / length[-1][-1]
    return out.numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("item", type=Path)
    parser.add_argument("--numpy", type=int, default=240, help="items for the version in NumPy (240)")
    parser.add_argument("--torch", type=int, default=1000, help="items for the version in torch (1000)")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="torch on all items")
    chosen = parser.parse_args()
    folder, every = FeatureFolder(chosen.features), read_items(chosen.item)
    names = Names(folder.ids())

    def read(file: str) -> np.ndarray:
        return folder.read(names.find(file) or file)

    people = sorted({i.speaker for i in every})

    def first(count: int) -> list:
        """So many items, as many of each of up to ten speakers."""
        some = people[:10] if count < len(every) else people
        return [i for s in some for i in [i for i in every if i.speaker == s][: -(-count // len(some))]]

    warm()

    def ours(items: list) -> float:
        return abx(read, items, grid=folder.grid, context="any", draws=0).value

    def theirs(items: list, distances: Distances) -> float:
        taken = cut(read, items, folder.grid, "zerospeech")
        stretches = [np.asarray(taken.values[a : a + n]) for a, n in zip(taken.start, taken.steps, strict=True)]
        return score(distances(stretches), [i.phone for i in items], [i.speaker for i in items])

    cases = [
        (first(chosen.numpy), {"NumPy": plain}),
        (every if chosen.all else first(chosen.torch), {"torch": batched}),
    ]
    for items, rivals in cases:
        works = {"ours": partial(ours, items), **{name: partial(theirs, items, d) for name, d in rivals.items()}}
        seconds: dict[str, list[float]] = {name: [] for name in works}
        errors: dict[str, float] = {}
        for _ in range(chosen.times):
            for name, work in works.items():
                begun = time.perf_counter()
                errors[name] = work()
                seconds[name].append(time.perf_counter() - begun)
        best = {name: min(some) for name, some in seconds.items()}
        for name in rivals:
            assert abs(errors[name] - errors["ours"]) < 1e-5, errors
            ratio = best[name] / best["ours"]
            print(
                f"{len(items)} items, error {errors['ours']:.5f}: {name} {best[name]:.2f} s, ours {best['ours']:.3f} s, ratio {ratio:.1f}"
            )


if __name__ == "__main__":
    main()
