"""Time jitter: each step is itself or a neighbour, at the rate that was asked for."""

from __future__ import annotations

import torch

from untold.layers.jitter import jitter


def places(p: float, steps: int = 400, batch: int = 50, lengths: list[int] | None = None) -> torch.Tensor:
    values = torch.arange(steps, dtype=torch.float32)[None, :, None].expand(batch, -1, 1)
    counts = torch.tensor(lengths or [steps] * batch)
    return jitter(values, counts, torch.arange(batch) * 7919 + 1, p)[..., 0]


def test_each_side_has_the_probability_that_is_asked_for() -> None:
    shift = (places(0.12) - torch.arange(400))[:, 1:-1]
    assert set(shift.unique().tolist()) == {-1.0, 0.0, 1.0}
    for side in (-1.0, 1.0):
        assert abs(float((shift == side).float().mean()) - 0.12) < 0.008  # 19 900 draws: more than three deviations


def test_drawn_anew_for_each_item_and_clamped_at_the_ends() -> None:
    moved = places(0.3, steps=30, batch=40, lengths=[30] * 20 + [11] * 20)
    assert len({tuple(row.tolist()) for row in moved[:20]}) == 20
    assert moved[20:, :11].max() <= 10
    assert moved.min() >= 0


def test_an_item_is_jittered_alike_in_any_batch() -> None:
    values, keys = torch.randn(3, 20, 4), torch.tensor([5, 6, 7])
    whole = jitter(values, torch.tensor([20] * 3), keys, 0.2)
    torch.testing.assert_close(jitter(values[1:2], torch.tensor([20]), keys[1:2], 0.2)[0], whole[1])


def test_none_leaves_all_in_place() -> None:
    assert torch.equal(places(0.0, batch=2), torch.arange(400.0).expand(2, -1))
