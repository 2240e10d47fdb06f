"""Monotonic alignment against every alignment, one by one."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from untold.layers.alignment import monotonic


@pytest.mark.parametrize(("steps", "count"), [(1, 1), (4, 1), (4, 4), (6, 3), (7, 5)])
def test_it_is_the_sum_over_all_alignments(steps, count):
    torch.manual_seed(0)
    scores = torch.randn(2, 3, steps, count, dtype=torch.float64, requires_grad=True)
    ways = []
    for ends in combinations(range(1, steps), count - 1):  # where each prediction gives way to the next
        edges = [0, *ends, steps]
        ways.append(sum(scores[..., m, k] for k in range(count) for m in range(edges[k], edges[k + 1])))
    brute = torch.stack(ways).logsumexp(0)
    found = monotonic(scores)
    torch.testing.assert_close(found, brute)
    (ours,), (theirs,) = torch.autograd.grad(found.sum(), scores), torch.autograd.grad(brute.sum(), scores)
    torch.testing.assert_close(ours, theirs)


def test_fewer_steps_than_predictions_cannot_be_shared_out():
    with pytest.raises(ValueError, match="2 steps cannot be shared out among 3 predictions"):
        monotonic(torch.zeros(2, 3))
