"""A training step of a recipe: its share of the machine's measured matrix-product rate.

The operations of the step are counted by PyTorch (forward and backward); the rate is that of a float32 product of
2048 x 2048 matrices, measured between the steps. Usage: python benchmarks/training_step.py [RECIPE[:setting=value,...]] [--times N]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from untold import runs
from untold.corpora import open_source
from untold.training.loader import Loader
from untold.training.preparation import adapted_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="vq_vae", help="a recipe or method that learns by gradient, with settings or without")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--precision", default="no", choices=["no", "bf16"])
    given = parser.parse_args()
    corpus = open_source("espeak", limit=60)
    method, settings = runs.resolve(*runs.wished(given.recipe))
    model = runs.build(method, settings, {"speaker": corpus.sides("speaker")}, 0).train()
    with tempfile.TemporaryDirectory() as folder:
        table = adapted_table(model, corpus, Path(folder) / "adapted.safetensors")
    number, phase = next((number, phase) for number, phase in enumerate(model.method.phases()) if phase.players)
    loader = Loader(corpus, model, phase, 0, number, table)
    optimiser = torch.optim.AdamW(phase.players[0].parameters, fused=True)

    def learn(step: int) -> tuple[float, float]:
        """Seconds of the batch, and of the rest of a step."""
        start = time.perf_counter()
        batch = loader.batch(step, step + 1)
        middle = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=given.precision == "bf16"):
            losses = model.method.losses(batch, phase.players[0].name)
        torch.stack([loss.value / loss.count for loss in losses.values()]).sum().backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return middle - start, time.perf_counter() - middle

    with FlopCounterMode(display=False) as counter:
        learn(0)
    operations = counter.get_total_flops()
    left, right = torch.randn(2048, 2048), torch.randn(2048, 2048)
    rates, steps = [], []
    for step in range(given.times + 2):
        start = time.perf_counter()
        for _ in range(4):
            left @ right
        rates.append(4 * 2 * 2048**3 / (time.perf_counter() - start))
        steps.append(learn(step + 1))
    rate = statistics.median(rates[2:])
    batch, rest = (statistics.median(column) for column in zip(*steps[2:], strict=True))
    print(f"{given.recipe}, {phase.batch} x {float(phase.crop)} s, {torch.get_num_threads()} threads, precision {given.precision}: {operations / 1e9:.0f} GFLOP a step")
    print(f"front ends and reading {1000 * batch:.0f} ms, learning {1000 * rest:.0f} ms; matrix products {rate / 1e9:.0f} GFLOP/s")
    print(f"share of the matrix-product rate: learning {operations / rest / rate:.2f}, whole step {operations / (batch + rest) / rate:.2f}")


if __name__ == "__main__":
    main()
