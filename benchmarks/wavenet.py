"""A WaveNet of 20 layers of 64 channels: a step of training, and sampling. Ratios in one run.

Training, 8 x 5120 samples: share of the measured matrix-product rate, beside the same network of PyTorch's convolutions.
Sampling on one core: against a plain PyTorch loop that keeps its activations too, one utterance and 16 at once; and the
share of two floors: operations over the matrix-product rate of one core, and bytes of weights over the rate at which one
core reads from its cache. Usage: python benchmarks/wavenet.py [--times N]
"""

from __future__ import annotations

import argparse
from fractions import Fraction

import numpy as np
import torch
from _turns import turns
from torch import Tensor, nn
from torch.nn import functional

from untold.contract import Conditions, Grid, Stream
from untold.decoders.wavenet import Settings, WaveNet

BATCH, SAMPLES, CLASSES = 8, 5120, 256


class Convolutions(nn.Module):
    """The same network as many write it: Conv1d, padded on the left."""

    def __init__(self, given: Settings, dilations: tuple[int, ...]) -> None:
        super().__init__()
        c = given.channels
        self.embedding = nn.Embedding(CLASSES, c)
        self.gates = nn.ModuleList(nn.Conv1d(c, 2 * c, 2, dilation=d) for d in dilations)
        self.residual = nn.ModuleList(nn.Conv1d(c, c, 1) for _ in dilations)
        self.skip = nn.ModuleList(nn.Conv1d(c, given.skips, 1) for _ in dilations)
        self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(given.skips, given.head, 1), nn.ReLU(), nn.Conv1d(given.head, CLASSES, 1))
        self.dilations = dilations

    def forward(self, before: Tensor) -> Tensor:
        x, total = self.embedding(before).transpose(1, 2), 0
        for dilation, gates, residual, skip in zip(self.dilations, self.gates, self.residual, self.skip, strict=True):
            a, b = gates(functional.pad(x, (dilation, 0))).chunk(2, 1)
            g = torch.tanh(a) * torch.sigmoid(b)
            total = total + skip(g)
            x = x + residual(g)
        return self.head(total)

    @torch.no_grad()
    def loop(self, rows: int, samples: int) -> None:
        """Sampling with cached activations, in plain PyTorch."""
        rings = [torch.zeros(d, rows, self.residual[0].in_channels) for d in self.dilations]
        taps = [(g.weight[:, :, 0].T.contiguous(), g.weight[:, :, 1].T.contiguous()) for g in self.gates]
        ones = [(r.weight[:, :, 0].T.contiguous(), s.weight[:, :, 0].T.contiguous()) for r, s in zip(self.residual, self.skip, strict=True)]
        first, last = self.head[1], self.head[3]
        value = torch.full((rows,), CLASSES // 2)
        for n in range(samples):
            x, total = self.embedding(value), torch.zeros(rows, ones[0][1].shape[1])
            for layer, dilation in enumerate(self.dilations):
                older = rings[layer][n % dilation].clone()
                rings[layer][n % dilation] = x
                a, b = torch.addmm(torch.addmm(self.gates[layer].bias, older, taps[layer][0]), x, taps[layer][1]).chunk(2, 1)
                g = torch.tanh(a) * torch.sigmoid(b)
                total = torch.addmm(total, g, ones[layer][1])
                x = torch.addmm(x, g, ones[layer][0])
            scores = functional.linear(torch.relu(functional.linear(torch.relu(total), first.weight[:, :, 0], first.bias)), last.weight[:, :, 0], last.bias)
            value = torch.multinomial(torch.softmax(scores, 1), 1)[:, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    torch.manual_seed(0)
    given = Settings()
    ours = WaveNet(given, 0, CLASSES, 1, {})
    plain = Convolutions(given, ours.dilations)
    c, skips, layers = given.channels, given.skips, len(ours.dilations)
    operations = 2 * (layers * (2 * c * 2 * c + c * c + c * skips) + skips * given.head + given.head * CLASSES)  # a sample, forward
    left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)
    product = 2 * 1024**3

    x = torch.randint(CLASSES, (BATCH, SAMPLES, 1))
    stream = Stream(x, torch.full((BATCH,), SAMPLES), torch.ones(BATCH, SAMPLES, dtype=torch.bool), Grid("second", Fraction(16000), Fraction(1, 32000)))
    before = functional.pad(x[:, :-1, 0], (1, 0), value=CLASSES // 2)

    def learn(low: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            nats = -ours(Conditions({}, {})).log_prob(stream).mean()
        nats.backward()
        ours.zero_grad(set_to_none=True)

    def learn_plain() -> None:
        functional.cross_entropy(plain(before), x[..., 0]).backward()
        plain.zero_grad(set_to_none=True)

    low, right_low = left.bfloat16(), right.bfloat16()
    found = turns(
        {"ours": lambda: learn(False), "ours, bf16": lambda: learn(True), "Conv1d": learn_plain,
         "product": lambda: [left @ right for _ in range(20)], "product, bf16": lambda: [low @ right_low for _ in range(20)]}, times,
    )
    rate, step = 20 * product / found["product"], 3 * operations * BATCH * SAMPLES
    rate_low = 20 * product / found["product, bf16"]
    print(f"training, {BATCH} x {SAMPLES} samples, {torch.get_num_threads()} threads, {step / 1e9:.0f} GFLOP a step; matrix products {rate / 1e9:.0f} GFLOP/s, bf16 {rate_low / 1e9:.0f}")
    for name, of in (("ours", rate), ("ours, bf16", rate_low), ("Conv1d", rate)):
        print(f"  {name}: {1000 * found[name]:.0f} ms, share of the matrix-product rate {step / found[name] / of:.2f}")

    torch.set_num_threads(1)
    ours.eval()
    weights = 4 * sum(p.numel() for p in ours.parameters())
    halves = np.ones((2, weights // 8), np.float32)  # as many bytes, in the cache that the weights lie in
    for rows, samples in ((1, 2000), (16, 500)):
        keys = torch.arange(rows)

        def sample(samples: int = samples, keys: Tensor = keys) -> None:
            with torch.no_grad():
                for _ in ours(Conditions({}, {})).pieces(keys, 1.0, samples):
                    pass

        long = 16000 if rows == 1 else 4000  # what is fast is timed for longer
        found = turns(
            {"ours": lambda long=long, keys=keys: sample(long, keys), "loop": lambda rows=rows, samples=samples: plain.loop(rows, samples),
             "product": lambda: [left @ right for _ in range(4)], "read": lambda: [halves[0] @ halves[1] for _ in range(50)]}, times,
        )
        speed, theirs = rows * long / found["ours"], rows * samples / found["loop"]
        rate, bandwidth = 4 * product / found["product"], 50 * weights / found["read"]
        print(
            f"sampling, {rows} at once, 1 thread: ours {speed:.0f} samples/s ({speed / 16000:.2f} x real time), PyTorch loop {theirs:.0f}; ratio {speed / theirs:.1f}\n"
            f"  share of the floor of operations {speed * operations / rate:.2f} ({rate / 1e9:.0f} GFLOP/s), of weights read {speed / rows * weights / bandwidth:.2f} ({bandwidth / 1e9:.0f} GB/s)"
        )


if __name__ == "__main__":
    main()
