"""Recurrent layers: pieces hand their state on, and nothing is kept from one recording to the next."""

from __future__ import annotations

import pytest
import torch

from untold.contract import Stream
from untold.frontends._frontend import sound_grid
from untold.layers import recurrent


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_pieces_equal_the_whole_and_nothing_is_kept(kind, monkeypatch):
    torch.manual_seed(0)
    layers = recurrent.Recurrent(kind, 5, 7, 2)
    one, two = (Stream(torch.randn(1, n, 5), torch.tensor([n]), torch.ones(1, n, dtype=torch.bool), sound_grid(160)) for n in (23, 11))
    whole = layers(one).values.detach()
    monkeypatch.setattr(recurrent, "_PIECE", 4)
    with torch.no_grad():
        layers(two)
        torch.testing.assert_close(layers(one).values, whole)
        assert layers(Stream(torch.zeros(1, 0, 5), torch.tensor([0]), torch.ones(1, 0, dtype=torch.bool), sound_grid(160))).values.shape == (1, 0, 7)
