"""k-means on a CPU: a token for each frame of features as a layer of HuBERT gives them (768 dimensions).

Ratios in one run: assignment against scikit-learn's and faiss' (where it is installed), and against the bare matrix product
of frames and codewords, which is the floor. All give the same tokens but at ties, which is checked.
Usage: python benchmarks/kmeans.py [--times N] [--frames N] [--threads N]
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch
from _turns import turns
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from untold.contract import Grid
from untold.formats.codebook import Codebook

DIMENSIONS = 768


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--frames", type=int, default=6000, help="as many as are handed on at once")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    faiss = importlib.import_module("faiss") if importlib.util.find_spec("faiss") else None
    print(f"{given.frames} frames of {DIMENSIONS} dimensions, {given.threads} threads; medians of {given.times}, in turns")
    if faiss is None:
        print("faiss is not installed (pip install faiss-cpu): left out")
    else:
        faiss.omp_set_num_threads(given.threads)
    torch.set_num_threads(given.threads)
    with threadpool_limits(given.threads):
        for size in (100, 500, 2000):
            one(size, given.frames, given.times, faiss)


def one(size: int, frames: int, times: int, faiss: object) -> None:
    draw = np.random.default_rng(0)
    words = draw.standard_normal((size, DIMENSIONS)).astype(np.float32)
    x = draw.standard_normal((frames, DIMENSIONS)).astype(np.float32)
    book = Codebook(words, "a layer", "layer6", Grid("second", Fraction(50), Fraction(1, 80)))
    theirs = KMeans(size, init=words, n_init=1, max_iter=1)
    theirs.cluster_centers_, theirs._n_threads = words, 1
    theirs.fit(words)  # of themselves: the codewords stay what they are
    turned = np.ascontiguousarray(words.T)
    steps: dict[str, Callable[[], object]] = {"ours": lambda: book.nearest(x), "matrix product": lambda: x @ turned, "scikit-learn": lambda: theirs.predict(x)}
    tokens = {"ours": book.nearest(x), "scikit-learn": theirs.predict(x)}
    if faiss is not None:
        index = faiss.IndexFlatL2(DIMENSIONS)
        index.add(words)
        steps["faiss"] = lambda: index.search(x, 1)
        tokens["faiss"] = index.search(x, 1)[1][:, 0]
    for name, found in tokens.items():
        assert np.mean(found == tokens["ours"]) > 0.999, f"{name} gives other tokens"
    found = turns(steps, times)
    told = ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in found.items())
    ratios = ", ".join(f"{name} / ours {found[name] / found['ours']:.2f}" for name in found if name not in ("ours", "matrix product"))
    print(f"K = {size}: {told}; ours / matrix product {found['ours'] / found['matrix product']:.2f}, {ratios}")


if __name__ == "__main__":
    main()
