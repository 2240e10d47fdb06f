"""Negatives: where they are from, that a step is never its own, and that no padding is among them."""

from __future__ import annotations

import pytest
import torch

from untold.contract import Stream
from untold.frontends._frontend import sound_grid
from untold.layers import negatives


def steps(lengths=(9, 6, 9, 4), dimensions=3):
    """Vectors that say whose they are: (example, step, 1), and -7 beyond the lengths."""
    counted = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    example = torch.arange(len(lengths))[:, None].expand(-1, max(lengths))
    values = torch.stack([example, torch.arange(max(lengths)).expand_as(example), torch.ones_like(example)], -1).float()
    return Stream(torch.where(counted[..., None], values, -7.0), torch.tensor(lengths), counted, sound_grid(160))


KEYS = torch.arange(4) + 50


@pytest.mark.parametrize(("where", "speakers", "kin"), [
    ("same_recording", [1, 1, 2, 0], [{0}, {1}, {2}, {3}]),
    ("same_speaker", [1, 1, 2, 0], [{0, 1}, {0, 1}, {2}, {3}]),
    ("same_speaker", [1, 1, 1, 1], [{0, 1, 2, 3}] * 4),
    ("same_speaker", [0, 0, 0, 0], [{0}, {1}, {2}, {3}]),
    ("same_speaker", None, [{0}, {1}, {2}, {3}]),
    ("anywhere", [1, 1, 2, 0], [{0, 1, 2, 3}] * 4),
])  # fmt: skip
def test_negatives_are_from_where_they_should_be_and_all_can_be(where, speakers, kin):
    z = steps()
    drawn = negatives.draw(z, KEYS, None if speakers is None else torch.tensor(speakers), where, 1000)
    for example, allowed in enumerate(kin):
        vectors = drawn.vectors[example][drawn.there[example]]
        assert {tuple(v) for v in vectors[:, :2].int().tolist()} == {(e, s) for e in allowed for s in range(int(z.lengths[e]))}
        assert len(vectors) == sum(int(z.lengths[e]) for e in allowed)  # none twice, no padding
        own = vectors[:, 0] == example
        assert torch.equal(drawn.places[example][drawn.there[example]], torch.where(own, vectors[:, 1].long(), -1))


def test_a_step_is_never_its_own_negative():
    z = steps()
    for where in negatives.WHERE:
        drawn = negatives.draw(z, KEYS, torch.tensor([1, 1, 1, 1]), where, 1000)
        usable = drawn.usable(torch.arange(9))
        for example in range(4):
            for step in range(9):
                vectors = drawn.vectors[example][usable[example, step]]
                assert not bool(((vectors[:, 0] == example) & (vectors[:, 1] == step)).any())
                assert len(vectors) == int(drawn.there[example].sum()) - (step < int(z.lengths[example]))


def test_negatives_are_those_of_the_key_in_any_company():
    z, speakers = steps((9, 9, 9, 9)), torch.tensor([1, 2, 1, 2])
    one, two = (negatives.draw(z, keys, speakers, "same_recording", 4) for keys in (KEYS, KEYS))
    assert torch.equal(one.places, two.places)
    assert not torch.equal(one.places[0], one.places[1])
    alone = negatives.draw(z.of(torch.tensor([2])), KEYS[2:3], speakers[2:3], "same_recording", 4)
    assert torch.equal(alone.places[0], one.places[2])
    seen = torch.stack([negatives.draw(z, KEYS + 100 * n, speakers, "same_recording", 4).places for n in range(200)])
    assert torch.bincount(seen.flatten(), minlength=9).float().std() / seen.numel() * 9 < 0.05  # each step as often as another
