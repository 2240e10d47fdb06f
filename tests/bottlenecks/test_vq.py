"""Vector quantisation: nearest codewords, three paths of gradient, codewords that follow, and those that are dead."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from untold.bottlenecks._reservoir import Reservoir
from untold.bottlenecks.vq import Settings, VectorQuantiser, build
from untold.contract import Grid, Stream
from untold.layers.convolution import inside

GRID = Grid("second", Fraction(50), Fraction(1, 100))


def stream(values: torch.Tensor, lengths: list[int] | None = None) -> Stream:
    counts = torch.tensor(lengths or [values.shape[1]] * len(values))
    return Stream(values, counts, inside(counts, values.shape[1]), GRID)


def quantiser(**changes: object) -> VectorQuantiser:
    return build(Settings(size=8, dimensions=4, normalise=False).changed(changes))


KEYS = torch.tensor([11, 12])


@given(st.integers(1, 40), st.integers(2, 12), st.integers(0, 1000))
def test_the_nearest_codeword_is_nearest_by_brute_force(count: int, size: int, seed: int) -> None:
    torch.manual_seed(seed)
    vq = build(Settings(size=size, dimensions=3, normalise=False)).eval()
    vq.codewords.copy_(torch.randn(size, 3))
    latents = torch.randn(count, 3)
    distances = ((latents[:, None] - vq.codewords[None]) ** 2).sum(-1)
    chosen = distances.gather(1, vq.nearest(latents)[:, None])[:, 0]
    torch.testing.assert_close(chosen, distances.min(1).values, atol=1e-5, rtol=1e-4)


def test_gradients_go_straight_through_and_commitment_stops_at_the_codewords() -> None:
    vq = quantiser(codebook="gradient", commitment=0.5).eval()
    vq.codewords.data.copy_(torch.randn(8, 4))
    values = torch.randn(2, 5, 4, requires_grad=True)
    coded = vq(stream(values))
    weights = torch.randn(2, 5, 4)
    (coded.stream.values * weights).sum().backward(retain_graph=True)
    torch.testing.assert_close(values.grad, weights)  # the way of the decoder: as if nothing had been quantised
    assert vq.codewords.grad is None
    values.grad = None
    coded.losses["commitment"].value.backward(retain_graph=True)
    chosen = vq.codewords.detach()[coded.tokens]
    torch.testing.assert_close(values.grad, 0.5 * 2 * (values.detach() - chosen))
    assert vq.codewords.grad is None
    values.grad = None
    coded.losses["codebook"].value.backward()
    assert values.grad is None
    assert vq.codewords.grad is not None


def clusters(steps: int, vq: VectorQuantiser) -> torch.Tensor:
    """Trains on eight clusters and gives their centres."""
    torch.manual_seed(1)
    centres = torch.randn(8, 4) * 6
    for step in range(steps):
        vq(stream(centres[torch.randint(8, (2, 40))] + 0.1 * torch.randn(2, 40, 4)), KEYS + step)
    return centres


def test_codewords_settle_on_the_means_of_those_that_choose_them() -> None:
    vq = quantiser(decay=0.9).train()
    torch.manual_seed(1)
    vq.begun.fill_(True)
    vq.codewords.copy_(torch.randn(8, 4) * 6 + 0.5)  # near the centres, but not on them
    vq.sums.copy_(vq.codewords)
    centres = clusters(200, vq)
    assert float((centres - vq.codewords).abs().max()) < 0.1


def test_codewords_that_nobody_chooses_are_placed_on_the_data() -> None:
    vq = quantiser(decay=0.9).train()
    vq.begun.fill_(True)
    vq.codewords.copy_(torch.full((8, 4), 1e3) + torch.arange(8)[:, None])
    vq.sums.copy_(vq.codewords)
    centres = clusters(200, vq)
    assert float(torch.cdist(vq.codewords, centres).min(1).values.max()) < 12  # all of them came back to where data are
    latents = stream(centres[torch.arange(400) % 8][None] + 0.1 * torch.randn(1, 400, 4))
    assert len(vq.eval().tokens(latents).unique()) == 8


def test_padding_is_not_learnt_from() -> None:
    torch.manual_seed(2)
    values = torch.randn(2, 6, 4)
    garbage = values.clone()
    garbage[1, 3:] = 1e3
    one, two = quantiser().train(), quantiser().train()
    first, second = one(stream(values, [6, 3]), KEYS), two(stream(garbage, [6, 3]), KEYS)
    torch.testing.assert_close(one.codewords, two.codewords)
    assert first.tokens is not None
    assert second.tokens is not None
    assert torch.equal(first.tokens, second.tokens)
    assert (first.tokens[1, 3:] == -1).all()


def test_bits_are_those_that_are_counted() -> None:
    vq = quantiser().eval()
    coded = vq(stream(torch.randn(2, 5, 4), [5, 2]))
    assert float(coded.bits.sum()) == pytest.approx(7 * 3.0)


def test_lookup_gives_back_what_was_passed_on() -> None:
    vq = quantiser().eval()
    vq.codewords.copy_(torch.randn(8, 4))
    x = stream(torch.randn(1, 7, 4))
    torch.testing.assert_close(vq.lookup(vq.tokens(x)), vq.central(x).values)
    assert torch.equal(vq.lookup(torch.tensor([[-1]])), torch.zeros(1, 1, 4))


def test_nothing_is_quantised_while_warming_up_and_then_k_means_finds_the_clusters() -> None:
    torch.manual_seed(3)
    centres = torch.randn(8, 4) * 6
    vq = quantiser(warm_up=5, estimations=2, reservoir=400, revive_below=0.0, decay=0.99999).train()

    def step(number: int) -> float:
        values = centres[torch.randint(8, (2, 40))] + 0.1 * torch.randn(2, 40, 4)
        coded = vq(stream(values), KEYS + number)
        assert all(loss.weight == (0.0 if number < 5 else 1.0) for loss in coded.losses.values())
        return float((coded.stream.values - values).abs().max())

    assert [step(number) for number in range(5)] == [0.0] * 5
    assert vq.when == {5, 8}
    assert step(5) > 0
    assert float(torch.cdist(centres, vq.codewords).min(1).values.max()) < 0.1
    assert sorted(torch.cdist(centres, vq.codewords).argmin(1).tolist()) == list(range(8))
    assert torch.allclose(vq.counts / vq.counts.sum(), torch.full((8,), 1 / 8), atol=0.08)


def test_a_reservoir_keeps_each_of_what_it_saw_with_the_same_chance() -> None:
    kept = torch.zeros(1000)
    for seed in range(60):
        reservoir = Reservoir(50, 1)
        for start in range(0, 1000, 125):
            reservoir.take(torch.arange(start, start + 125.0)[:, None], torch.tensor([seed * 1000 + start]))
        assert len(reservoir.vectors.unique()) == 50
        kept[reservoir.vectors[:, 0].long()] += 1
    parts = kept.view(10, 100).sum(1)  # 300 each are expected, give or take 17
    assert parts.min() > 240
    assert parts.max() < 360
    assert Reservoir(50, 1).clusters(4, 0) is None


def test_codewords_that_are_put_elsewhere_lose_moments_and_averages() -> None:
    from untold.training.averaging import Average
    from untold.training.loop import _restart

    vq = quantiser(codebook="gradient", revive_below=1.0).train()
    adam = torch.optim.AdamW([vq.codewords], lr=0.1)
    state = type("State", (), {"model": vq, "average": Average(vq)})()
    for number in range(3):
        coded = vq(stream(torch.randn(2, 30, 4)), KEYS + number)
        moved = vq.restarted()
        _restart(moved, {"all": adam}, state)
        rows = torch.stack([rows for _, rows in moved]).any(0) if moved else torch.zeros(8, dtype=torch.bool)
        if number:
            assert rows.any()
            assert not adam.state[vq.codewords]["exp_avg"][rows].any()
        assert torch.equal(state.average.values["codewords"][rows], vq.codewords.detach()[rows])
        adam.zero_grad()
        coded.losses["codebook"].value.backward()
        adam.step()
    assert vq.restarted() == []
