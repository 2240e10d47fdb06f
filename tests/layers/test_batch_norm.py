"""Batch normalisation over what counts."""

from __future__ import annotations

import torch

from untold.layers.batch_norm import MaskedBatchNorm


def test_counted_steps_are_normalised_and_padding_says_nothing() -> None:
    torch.manual_seed(0)
    values, counted = 3 * torch.randn(4, 9, 5) + 2, torch.rand(4, 9) > 0.4
    norm = MaskedBatchNorm(5)
    out = norm(values, counted)[counted]
    torch.testing.assert_close(out.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(0, correction=0), torch.ones(5), atol=1e-3, rtol=0)
    other = torch.where(counted[..., None], values, torch.full_like(values, 1e4))
    torch.testing.assert_close(MaskedBatchNorm(5)(other, counted)[counted], out)


def test_it_equals_torch_without_padding() -> None:
    torch.manual_seed(0)
    values = torch.randn(6, 8, 3)
    ours, theirs = MaskedBatchNorm(3), torch.nn.BatchNorm1d(3)
    torch.testing.assert_close(ours(values, torch.ones(6, 8, dtype=torch.bool)), theirs(values.flatten(0, 1)).view_as(values))


def test_use_is_one_step_at_a_time_and_remembers_the_mean_of_training() -> None:
    torch.manual_seed(0)
    norm = MaskedBatchNorm(2)
    for _ in range(300):
        norm(torch.randn(4, 25, 2) * 2 + 5, torch.ones(4, 25, dtype=torch.bool))
    norm.eval()
    torch.testing.assert_close(norm.mean, torch.full((2,), 5.0), atol=0.15, rtol=0)
    x = torch.randn(1, 6, 2)
    counted = torch.ones(1, 6, dtype=torch.bool)
    torch.testing.assert_close(norm(x, counted)[:, 2:3], norm(x[:, 2:3], counted[:, 2:3]))
