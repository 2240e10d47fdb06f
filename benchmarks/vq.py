"""Vector quantisation, one step of training: forward, backward, codebook update, 8000 vectors of 64.

Ratios in one run against vector-quantize-pytorch (EMA codebook), where it is installed, and against the bare matrix
product of vectors and codewords, which is the floor. Usage: python benchmarks/vq.py [--times N]
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from collections.abc import Callable
from fractions import Fraction

import torch
from _turns import turns

from untold.bottlenecks.vq import Settings, build
from untold.contract import Grid, Stream

VECTORS, DIMENSIONS = 8000, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=15)
    times = parser.parse_args().times
    peer = importlib.import_module("vector_quantize_pytorch") if importlib.util.find_spec("vector_quantize_pytorch") else None
    print(f"{VECTORS} vectors of {DIMENSIONS}, {torch.get_num_threads()} threads; medians of {times}, in turns")
    for size in (512, 4096):
        torch.manual_seed(0)
        values = torch.randn(16, VECTORS // 16, DIMENSIONS, requires_grad=True)
        grid = Grid("second", Fraction(50), Fraction(1, 100))
        x = Stream(values, torch.full((16,), VECTORS // 16), torch.ones(16, VECTORS // 16, dtype=torch.bool), grid)
        ours, keys = build(Settings(size=size, dimensions=DIMENSIONS, normalise=False)).train(), torch.arange(16)
        words = torch.randn(size, DIMENSIONS)
        flat = values.detach().flatten(0, 1)

        def step(ours=ours, x=x, keys=keys) -> None:
            coded = ours(x, keys)
            (coded.stream.values.square().sum() + coded.losses["commitment"].value).backward()
            x.values.grad = None

        steps: dict[str, Callable[[], object]] = {"ours": step, "matrix product": lambda flat=flat, words=words: flat @ words.T}
        if peer is not None:
            theirs = peer.VectorQuantize(dim=DIMENSIONS, codebook_size=size, decay=0.99, commitment_weight=0.25, threshold_ema_dead_code=1).train()

            def their_step(theirs=theirs, x=x) -> None:
                quantised, _, loss = theirs(x.values)
                (quantised.square().sum() + loss.sum()).backward()
                x.values.grad = None

            steps["vector-quantize-pytorch"] = their_step
        found = turns(steps, times)
        told = ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in found.items())
        ratios = f"ours / matrix product {found['ours'] / found['matrix product']:.2f}"
        if peer is not None:
            ratios += f", vector-quantize-pytorch / ours {found['vector-quantize-pytorch'] / found['ours']:.2f}"
        print(f"K = {size}: {told}; {ratios}")


if __name__ == "__main__":
    main()
