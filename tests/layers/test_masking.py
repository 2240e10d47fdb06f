"""Masked spans: how much they hide, how long they are, and that batches do not change them."""

from __future__ import annotations

import torch

from untold.layers.masking import spans


def test_the_share_that_is_hidden_is_that_of_the_formula() -> None:
    hidden = spans(torch.arange(400), 500, 0.05, 10, 1)
    inner = hidden[:, 10:].float().mean()  # the first steps have fewer starts before them
    assert abs(float(inner) - (1 - 0.95**10)) < 0.01


def test_spans_are_whole_and_drawn_by_key_alone() -> None:
    keys = torch.tensor([5, 17, 3])
    hidden = spans(keys, 200, 0.02, 7, 1)
    assert torch.equal(hidden[1:2], spans(keys[1:2], 200, 0.02, 7, 1))
    assert not torch.equal(hidden, spans(keys, 200, 0.02, 7, 2))
    for row in hidden.int():
        edges = torch.diff(torch.cat([torch.zeros(1, dtype=torch.int32), row]))
        ends = torch.cat([(edges == -1).nonzero()[:, 0], torch.tensor([200])])
        for start in (edges == 1).nonzero()[:, 0].tolist():
            end = int(ends[ends > start][0])
            assert end - start >= 7 or end == 200


def test_nothing_and_everything() -> None:
    keys = torch.arange(3)
    assert not spans(keys, 50, 0.0, 10, 1).any()
    assert spans(keys, 50, 1.0, 10, 1).all()
    assert spans(keys, 0, 0.5, 10, 1).shape == (3, 0)
