"""The PixelCNN: what a pixel may see, a density that adds up to one, and drawing that is the full network's."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from untold.contract import Conditions, Grid, Stream
from untold.decoders import pixelcnn
from untold.decoders.pixelcnn import Pen, PixelCNN, Settings, build
from untold.layers.convolution import inside

GRID = Grid("pixel", Fraction(1, 2), Fraction(1))
SMALL = Settings(width=16, layers=1, channels=8, pixel_layers=2, head=16, side_dimensions=4)


def stream(values: torch.Tensor, lengths: list[int] | None = None) -> Stream:
    counts = torch.tensor(lengths or [values.shape[1]] * len(values))
    return Stream(values, counts, inside(counts, values.shape[1]), GRID)


def decoder(height: int = 16, levels: int = 4, **changed: object) -> PixelCNN:
    torch.manual_seed(0)
    net = build(SMALL.changed(changed), 6, SimpleNamespace(grid=GRID, dimensions=height, classes=levels), 4, {"speaker": 3})
    with torch.no_grad():  # far from the small weights that training begins with, so that pixels matter
        for parameter in net.parameters():
            parameter.mul_(2)
    return net


def told(latents: torch.Tensor, speakers: list[int], lengths: list[int] | None = None) -> Conditions:
    return Conditions({"latents": stream(latents, lengths)}, {"speaker": torch.tensor(speakers)})


def lines(rows: int, steps: int, height: int = 16, levels: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, levels, (rows, steps, height)))


def test_a_pixel_sees_all_that_came_before_it_nearby_and_nothing_else() -> None:
    net = decoder().forth
    ink = torch.rand(1, 24, 16).requires_grad_()
    t, h = 20, 9
    net(ink, torch.rand(1, 24, 16, 8))[0, t, h].square().sum().backward()
    assert ink.grad is not None
    seen = ink.grad[0] != 0
    assert not seen[t, h:].any()
    assert not seen[t + 1 :].any()
    assert seen[t, :h].all()  # every pixel above it in its column
    before = seen[:t].nonzero()
    assert before[:, 0].max() == t - 1
    assert before[:, 0].min() == t - pixelcnn._BEFORE - SMALL.pixel_layers
    for back in (1, 2):  # no blind spot: above and below in the columns before
        assert seen[t - back, h - 4 : h + 5].all()


def test_the_density_of_a_small_line_adds_up_to_one() -> None:
    net = decoder(height=4, levels=2, backward=False)
    every = torch.tensor(list(product((0, 1), repeat=8))).view(256, 2, 4)
    density = net(told(torch.randn(1, 1, 6).expand(256, -1, -1), [1] * 256))
    nats = density.log_prob(stream(every)).sum(1)
    assert float(nats.exp().sum().detach()) == pytest.approx(1.0, abs=1e-4)
    assert float(nats.exp().std().detach()) > 1e-4


def test_nats_are_the_mean_of_a_network_from_each_end() -> None:
    net, latents, x = decoder(), torch.randn(1, 5, 6), lines(1, 20)
    with torch.no_grad():
        both = net(told(latents, [1]))
        nats = both.log_prob(stream(x))
        forth = both._nats(net.forth, x, both.told)
        assert net.back is not None
        back = both._nats(net.back, x.flip(1), both.told.flip(1)).flip(1)
    torch.testing.assert_close(nats, (forth + back) / 2)
    assert float((forth - back).abs().max()) > 0.1


def test_lines_in_a_padded_batch_are_what_they_are_alone() -> None:
    net, latents, x = decoder(), torch.randn(3, 9, 6), lines(3, 36)
    with torch.no_grad():
        together = net(told(latents, [1, 2, 0], [5, 9, 7])).log_prob(stream(x, [18, 36, 26]))
        for row, (latent, steps) in enumerate([(5, 18), (9, 36), (7, 26)]):
            alone = net(told(latents[row : row + 1, :latent], [[1, 2, 0][row]])).log_prob(stream(x[row : row + 1, :steps]))
            torch.testing.assert_close(together[row, :steps], alone[0], atol=1e-4, rtol=1e-5)
            assert not together[row, steps:].any()


def test_a_long_line_is_scored_in_pieces_as_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    net, latents, x = decoder(), torch.randn(2, 30, 6), lines(2, 120)
    with torch.no_grad():
        whole = net(told(latents, [1, 2])).log_prob(stream(x))
        monkeypatch.setattr(pixelcnn, "_AT_ONCE", 2 * 16 * 11)
        torch.testing.assert_close(net(told(latents, [1, 2])).log_prob(stream(x)), whole, atol=1e-4, rtol=1e-5)


def test_drawing_says_of_each_pixel_what_the_full_network_says() -> None:
    net = decoder()
    with torch.no_grad():
        given = net.told(told(torch.randn(1, 6, 6), [2]))
        lots = torch.rand(24, 16).numpy()
        levels, said = Pen(net.forth).draw(given[0].numpy(), lots)
        wanted = net.forth(torch.from_numpy(levels)[None] / 3, given)[0].numpy()
    np.testing.assert_allclose(said, wanted, atol=2e-5)
    assert len(np.unique(levels)) == 4
    assert wanted.std(0).max() > 0.1
    chance = np.exp(said) / np.exp(said).sum(-1, keepdims=True)
    expected = (lots[..., None] >= chance.cumsum(-1)[..., :-1]).sum(-1)
    assert (levels == expected).mean() > 0.999  # each is where its lot fell


def test_forced_levels_are_taken() -> None:
    net, x = decoder(), lines(1, 24)
    with torch.no_grad():
        given = net.told(told(torch.randn(1, 6, 6), [2]))
        levels, said = Pen(net.forth).draw(given[0].numpy(), np.zeros((24, 16), np.float32), forced=x[0].numpy())
        wanted = net.forth(x / 3, given)[0].numpy()
    assert np.array_equal(levels, x[0].numpy())
    np.testing.assert_allclose(said, wanted, atol=2e-5)


def test_a_line_is_drawn_the_same_whatever_is_drawn_beside_it() -> None:
    net, latents, keys = decoder(), torch.randn(3, 5, 6), torch.tensor([4, 5, 6])
    density = net(told(latents, [0, 1, 2], [5, 3, 5]))
    ink = density.sample(keys)
    assert ink.shape == (3, 20, 16)
    assert not ink[1, 12:].any()  # paper beyond the end
    alone = net(told(latents[1:2, :3], [1])).sample(keys[1:2])
    assert torch.equal(alone[0], ink[1, :12])
    assert not torch.equal(net(told(latents[1:2, :3], [1])).sample(keys[:1])[0], ink[1, :12])
    assert set((ink * 3).round().long().unique().tolist()) == {0, 1, 2, 3}


def test_what_is_shown_without_a_key_is_one_picture() -> None:
    density = decoder()(told(torch.randn(2, 3, 6), [0, 1]))
    assert density.mean.shape == (2, 12, 16)
    assert torch.equal(density.mean, density.sample(torch.zeros(2, dtype=torch.int64)))


def test_it_learns_what_only_the_past_tells() -> None:
    """Stripes whose phase no latent knows: the level of a pixel is that of the column before, moved down by one."""
    torch.manual_seed(0)
    net = build(SMALL.changed({"backward": False}), 6, SimpleNamespace(grid=GRID, dimensions=16, classes=2), 4, {})
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    draw = np.random.default_rng(0)

    def batch() -> torch.Tensor:
        first = draw.integers(0, 2, (8, 16 + 16))
        return torch.from_numpy(np.stack([first[:, 16 - t : 32 - t] for t in range(16)], 1))

    given = Conditions({"latents": stream(torch.zeros(8, 4, 6))}, {})
    for _ in range(80):
        loss = -net(given).log_prob(stream(batch())).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        nats = -net(given).log_prob(stream(batch())).mean(0)
    assert float(nats[2:].mean()) < 0.25 * 16 * np.log(2)  # one pixel of sixteen is new
    assert float(nats[0]) > 0.9 * 16 * np.log(2)
