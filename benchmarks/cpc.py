"""A step of contrastive prediction: forward, loss and backward of `cpc`, against plainer ways to the same numbers.

`steps in a loop` gathers each example's negatives for every prediction and scores step after step; `steps and negatives
in a loop` scores every negative by itself. Both give the loss and the gradient of ours (checked before timing). Ratios
in one run. Usage: python benchmarks/cpc.py [--times N] [--set K=V]...
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from _turns import turns
from torch import Tensor

from untold import runs
from untold.contract import Batch, Stream
from untold.frontends._frontend import sound_grid
from untold.layers import negatives
from untold.settings import parse_assignments


def plain(method: torch.nn.Module, batch: Batch, each: bool) -> Tensor:
    """The mean loss; `each` scores every negative by itself."""
    given = method.settings
    z = method.encoder(batch.streams["input"])
    p = method.predictor(method.context(z).values)
    drawn = negatives.draw(z, batch.keys, None, given.negatives, given.drawn)
    begins = z.values.shape[1] - given.first_step - given.steps + 1
    total = torch.zeros(())
    for k in range(given.steps):
        at = torch.arange(begins) + given.first_step + k
        said = p[:, k, :begins]
        right = (said * z.values[:, at]).mean(-1) / given.temperature
        if each:
            scores = torch.stack([(said * drawn.vectors[:, n, None]).mean(-1) / given.temperature for n in range(drawn.vectors.shape[1])], -1)
        else:
            scores = (said[:, :, None] * drawn.vectors[:, None].expand(-1, begins, -1, -1)).mean(-1) / given.temperature
        scores = scores.masked_fill(~drawn.usable(at), negatives.NEVER)
        total = total + (torch.cat([right[..., None], scores], -1).logsumexp(-1) - right).sum()
    return total / (len(z.lengths) * begins * given.steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="K=V")
    asked = parser.parse_args()
    name, settings = runs.resolve("cpc", parse_assignments(["predicted=heard", *asked.set]))
    torch.manual_seed(0)
    model = runs.build(name, settings, {}, 0)
    method, front = model.method.train(), model.fronts["input"]
    (phase,) = method.phases()
    steps = round(float(phase.crop * front.grid.rate))
    x = Stream(torch.randn(phase.batch, steps, front.dimensions), torch.full((phase.batch,), steps), torch.ones(phase.batch, steps, dtype=torch.bool), sound_grid(front.hop))
    batch = Batch({"input": x}, {}, torch.arange(phase.batch), torch.arange(phase.batch))

    def ours() -> Tensor:
        loss = method.losses(batch)["contrast"]
        return loss.value / loss.count

    ways: dict[str, Callable[[], Tensor]] = {
        "ours": ours,
        "steps in a loop": lambda: plain(method, batch, False),
        "steps and negatives in a loop": lambda: plain(method, batch, True),
    }
    weights = list(method.parameters())
    found = {way: (loss := run(), torch.autograd.grad(loss, weights)) for way, run in ways.items()}
    for way, (loss, gradients) in found.items():
        torch.testing.assert_close(loss, found["ours"][0], msg=lambda text, way=way: f"{way}: {text}")
        for one, other in zip(gradients, found["ours"][1], strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)
    timed = turns({way: (lambda run=run: torch.autograd.grad(run(), weights)) for way, run in ways.items()}, asked.times)
    print(f"{phase.batch} examples of {steps} frames, {settings.steps} steps ahead, {settings.drawn} negatives, {torch.get_num_threads()} threads; medians of {asked.times}, in turns")
    print(", ".join(f"{way} {1000 * seconds:.0f} ms" for way, seconds in timed.items()))
    print("; ".join(f"{way} / ours {timed[way] / timed['ours']:.1f}" for way in list(ways)[1:]))


if __name__ == "__main__":
    main()
