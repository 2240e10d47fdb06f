"""The column decoder: a distribution for each pixel, told by latents and scribe, and nothing of what lies beyond the end."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch

from untold.contract import Conditions, Grid, Stream
from untold.decoders.column import ColumnDecoder, LevelDensity, Settings, build
from untold.errors import UntoldError
from untold.layers.convolution import inside

GRID = Grid("pixel", Fraction(1, 2), Fraction(1))
PIXELS = SimpleNamespace(grid=GRID, dimensions=32, classes=4)


def stream(values: torch.Tensor, lengths: list[int] | None = None) -> Stream:
    counts = torch.tensor(lengths or [values.shape[1]] * len(values))
    return Stream(values, counts, inside(counts, values.shape[1]), GRID)


def decoder() -> ColumnDecoder:
    torch.manual_seed(0)
    return build(Settings(width=16, layers=1, channels=4, side_dimensions=4), 6, PIXELS, 4, {"speaker": 3})


def told(latents: torch.Tensor, speakers: list[int], lengths: list[int] | None = None) -> Conditions:
    return Conditions({"latents": stream(latents, lengths)}, {"speaker": torch.tensor(speakers)})


def test_the_levels_of_a_pixel_add_up_to_one_and_nats_are_of_whole_columns() -> None:
    density = decoder()(told(torch.randn(1, 5, 6), [1]))
    assert density.scores.shape == (1, 20, 32, 4)
    column = torch.randint(0, 4, (32,))
    nats = []
    for level in range(4):
        column = column.clone()
        column[7] = level
        nats.append(density.log_prob(stream(column.expand(1, 20, 32)))[0])
    rest = torch.log_softmax(density.scores, -1)[0].gather(-1, column.expand(20, 32)[..., None])[..., 0]
    rest = rest.sum(1) - rest[:, 7]
    torch.testing.assert_close(torch.logsumexp(torch.stack(nats), 0), rest, atol=1e-4, rtol=1e-4)


def test_scribes_write_differently_and_padding_scores_nothing() -> None:
    net, latents = decoder(), torch.randn(1, 5, 6)
    one, other = (net(told(latents, [who])).mean.detach() for who in (0, 1))
    assert one.shape == (1, 20, 32)
    assert float((one - other).abs().max()) > 1e-3
    assert 0 <= float(one.min()) <= float(one.max()) <= 1
    x = stream(torch.randint(0, 4, (1, 18, 32)), [15])
    nats = net(told(latents, [0])).log_prob(x)
    assert nats.shape == (1, 18)  # the last latent may stand for fewer columns than it could
    assert bool((nats[0, :15] < 0).all())
    assert not nats[0, 15:].any()


def test_lines_in_a_padded_batch_are_what_they_are_alone() -> None:
    net, latents = decoder(), torch.randn(2, 9, 6)
    with torch.no_grad():
        together = net(told(latents, [1, 2], [5, 9])).scores
        alone = net(told(latents[:1, :5], [1])).scores
    torch.testing.assert_close(together[:1, :20], alone, atol=1e-5, rtol=1e-5)


def test_samples_follow_the_distribution_and_their_keys() -> None:
    scores = torch.randn(1, 1, 1, 4).expand(400, 5, 8, 4)
    density = LevelDensity(scores)
    ink = density.sample(torch.arange(400))
    assert torch.equal(ink, density.sample(torch.arange(400)))
    found = torch.stack([(ink * 3).round().eq(level).float().mean() for level in range(4)])
    torch.testing.assert_close(found, torch.softmax(scores[0, 0, 0], 0), atol=0.02, rtol=0)
    cold = density.sample(torch.arange(400), temperature=1e-6)
    assert bool((cold == int(scores[0, 0, 0].argmax()) / 3).all())


@pytest.mark.parametrize("name", ["column", "pixelcnn"])
def test_a_target_without_levels_is_an_error_that_names_one(name: str) -> None:
    from untold.settings import Choice

    with pytest.raises(UntoldError, match=rf"decoder = '{name}' predicts levels of ink: take target = 'pixels'"):
        Choice.of("decoders", name).build(6, SimpleNamespace(grid=Grid("second", Fraction(100), Fraction(1, 200)), dimensions=80), 2, {})
