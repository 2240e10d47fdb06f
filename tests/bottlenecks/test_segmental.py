"""Tokens that last: the rate that is asked for, a price that evaluation leaves alone, and recordings that do not touch."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from untold.bottlenecks.segmental import SegmentalQuantiser, Settings, build
from untold.contract import Grid, Stream
from untold.errors import UntoldError
from untold.layers.convolution import inside
from untold.layers.segmentation import changes, decode, price_of

GRID = Grid("second", Fraction(50), Fraction(1, 100))


def stream(values: torch.Tensor, lengths: list[int]) -> Stream:
    counts = torch.tensor(lengths)
    return Stream(values, counts, inside(counts, values.shape[1]), GRID)


def plateaus(seed: int, rows: int = 6, steps: int = 120) -> torch.Tensor:
    """Vectors that stay for about five steps, with noise."""
    draw = np.random.default_rng(seed)
    words = np.random.default_rng(0).standard_normal((12, 4))
    which = np.repeat(draw.integers(0, 12, (rows, steps // 5)), 5, axis=1)
    return torch.from_numpy((words[which] + 0.6 * draw.standard_normal((rows, steps, 4))).astype(np.float32))


def quantiser(**changed: object) -> SegmentalQuantiser:
    torch.manual_seed(0)
    return build(Settings(size=16, dimensions=4, rate=10.0).changed(changed))


@pytest.mark.parametrize("distance", ["plain", "squared"])
def test_training_meets_the_rate_and_evaluation_moves_nothing(distance: str) -> None:
    code = quantiser(distance=distance).train()
    for step in range(60):
        code(stream(plateaus(step), [120] * 6), torch.arange(6) + 10 * step)
    assert code.report()["units_per_second"] == pytest.approx(10, rel=0.15)
    code.eval()
    price, words = float(code.price), code.codewords.clone()
    assert price > 0
    x = stream(plateaus(99), [120, 120, 120, 120, 77, 120])
    tokens = code.tokens(x)
    assert changes(tokens.numpy(), x.lengths.numpy()) / (float((x.lengths - 1).sum()) / 50) == pytest.approx(10, rel=0.3)
    assert float(code.price) == price
    assert torch.equal(code.codewords, words)


def test_a_recording_is_cut_the_same_whatever_is_beside_it() -> None:
    code = quantiser().train()
    code(stream(plateaus(0), [120] * 6), torch.arange(6))
    code.eval()
    x = stream(plateaus(5), [120, 60, 0, 1, 120, 33])
    together = code(x)
    assert together.tokens is not None
    for row, length in enumerate(x.lengths.tolist()):
        alone = code.tokens(stream(x.values[row : row + 1, :length], [length]))
        assert torch.equal(together.tokens[row, :length], alone[0])
        assert (together.tokens[row, length:] == -1).all()


def test_a_long_recording_is_cut_as_if_all_costs_were_there(monkeypatch: pytest.MonkeyPatch) -> None:
    code = quantiser().train()
    code(stream(plateaus(0), [120] * 6), torch.arange(6))
    code.eval()
    x = stream(plateaus(7, rows=1, steps=3000), [3000])
    whole = code.tokens(x)
    monkeypatch.setattr("untold.bottlenecks.segmental._HELD", 1000)
    monkeypatch.setattr("untold.bottlenecks.segmental.blocks", lambda steps, size: ((i, min(steps, i + 7)) for i in range(0, steps, 7)))
    assert torch.equal(code.tokens(x), whole)


def test_a_price_gives_the_rate_of_a_corpus() -> None:
    costs = np.random.default_rng(0).random((4, 200, 9)).astype(np.float32)
    lengths = np.array([200, 150, 200, 20])

    def rate(price: float) -> float:
        return changes(decode(costs, lengths, price)[0], lengths) / float((lengths - 1).sum())

    for wanted in (0.05, 0.2, 0.5):
        assert rate(price_of(rate, wanted)) == pytest.approx(wanted, abs=0.01)
    assert price_of(rate, 0.999) == 0  # more than there is without a price
    assert rate(price_of(rate, 0.0)) == 0


def test_on_lines_the_rate_is_that_of_64_pixels_and_more_than_there_are_latents_is_an_error() -> None:
    grid = Grid("pixel", Fraction(1, 8), Fraction(4))  # 8 latents in 64 pixels
    counts = torch.tensor([120] * 6)

    def on(grid: Grid, seed: int) -> Stream:
        return Stream(plateaus(seed), counts, inside(counts, 120), grid)

    code = quantiser(rate=2.0).train()
    for step in range(60):
        code(on(grid, step), torch.arange(6) + 10 * step)
    assert code.report()["units_per_64_pixels"] == pytest.approx(2, rel=0.15)
    tokens = code.eval().tokens(on(grid, 99))
    assert changes(tokens.numpy(), counts.numpy()) / (float((counts - 1).sum()) / 8) == pytest.approx(2, rel=0.3)
    with pytest.raises(UntoldError, match=r"bottleneck.rate = 12: units are made of latents, and of those there are 8 in 64 pixels: ask for fewer"):
        quantiser(rate=12.0).train()(on(grid, 0), torch.arange(6))
    with pytest.raises(UntoldError, match=r"bottleneck.rate = 60: .* 50 a second"):
        quantiser(rate=60.0).train()(on(GRID, 0), torch.arange(6))
