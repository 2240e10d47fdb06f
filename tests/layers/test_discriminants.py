"""Linear discriminants against scikit-learn's, and what frames with their neighbours are."""

from __future__ import annotations

import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from untold.contract import Stream, total
from untold.frontends._frontend import sound_grid
from untold.layers.discriminants import Discriminants

GRID = sound_grid(160)


def stream(lengths: tuple[int, ...], dimensions: int = 3) -> Stream:
    values = torch.randn(len(lengths), max(lengths), dimensions, generator=torch.Generator().manual_seed(0))
    counted = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return Stream(values * counted[..., None], torch.tensor(lengths), counted, GRID)


def test_directions_are_those_of_scikit_learn() -> None:
    x = stream((2500, 2500))
    classes = (x.values[..., 0] + 0.5 * x.values.roll(1, 1)[..., 1] > 0).long() + 2 * (x.values[..., 2] > 0.3).long()
    ours = Discriminants(3, 1, 3, 4)
    beside = ours.beside(x)[x.counted]
    frames, named = beside.double(), classes[x.counted]
    parts = [{**ours.statistics(frames[half], named[half]), "second": frames[half].T @ frames[half]} for half in (slice(2000), slice(2000, None))]
    ours.update(total(parts))
    peer = LinearDiscriminantAnalysis(solver="eigen", n_components=3).fit(beside.numpy(), classes[x.counted].numpy())
    one, two = ours(x).values[x.counted], torch.from_numpy(peer.transform(beside.numpy())).float()
    one, two = one / one.std(0), (two - two.mean(0)) / two.std(0)
    assert ((one * two).mean(0).abs() > 0.999).all()
    within = torch.cat([part - part.mean(0) for part in (ours(x).values[classes == k] for k in range(4))])
    torch.testing.assert_close(within.T @ within / len(within), torch.eye(3), atol=0.01, rtol=0)


def test_neighbours_beyond_the_ends_are_zero_and_padding_does_not_show() -> None:
    x = stream((6, 4))
    layer = Discriminants(3, 2, 15, 2)
    beside = layer.beside(x)
    assert beside.shape == (2, 6, 15)
    assert torch.equal(beside[0, 2], x.values[0, :5].flatten())
    assert torch.equal(beside[1, 3], torch.cat([x.values[1, 1:4].flatten(), torch.zeros(6)]))
    alone = Stream(x.values[1:, :4], x.lengths[1:], x.counted[1:, :4], GRID)
    assert torch.equal(layer.beside(alone)[0], beside[1, :4])


def test_more_directions_than_numbers_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="10 directions of 9 dimensions"):
        Discriminants(3, 1, 10, 2)
