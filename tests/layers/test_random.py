"""Random numbers from keys: uniform, independent of each other, of the batch and of the use."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from untold.layers import random

GOLDEN = 0x9E3779B97F4A7C15


def _mixed(bits):
    bits %= 1 << 64
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 % (1 << 64)
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB % (1 << 64)
    return bits ^ (bits >> 31)


def _folded(key, number):
    return _mixed(_mixed(key + GOLDEN) + _mixed((number + 1) * GOLDEN))


KEYS = torch.arange(1000) * 7 - 300


def test_uniform_numbers_are_uniform():
    drawn = random.uniform(KEYS, (20, 10), 1)
    assert drawn.shape == (1000, 20, 10)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn.flatten().numpy(), "uniform").pvalue > 1e-3


def test_normal_numbers_are_normal():
    drawn = random.normal(KEYS, (200,), 1)
    assert torch.isfinite(drawn).all()
    assert stats.kstest(drawn.flatten().numpy(), "norm").pvalue > 1e-3


def test_neighbouring_keys_counters_and_salts_do_not_know_each_other():
    one, salted = random.uniform(KEYS, (200,), 1).numpy(), random.uniform(KEYS, (200,), 2).numpy()
    pairs = [(one[:-1], one[1:]), (one[:, :-1], one[:, 1:]), (one, salted)]
    pairs.append((one, random.uniform(random.fold(KEYS, 1), (200,), 1).numpy()))
    for a, b in pairs:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.01
        assert not np.isin(a[0], b[0]).all()


def test_an_example_draws_the_same_in_every_batch():
    drawn, folded = random.normal(KEYS, (5,), 3), random.fold(KEYS, 9)
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(random.normal(KEYS[order], (5,), 3), drawn[order])
    assert torch.equal(random.normal(KEYS[3:4], (5,), 3), drawn[3:4])
    assert torch.equal(random.fold(KEYS[order], 9), folded[order])
    assert torch.equal(random.uniform(KEYS, (7,), 3)[:, :5], random.uniform(KEYS, (5,), 3))


def test_folding_by_a_tensor_is_folding_by_its_numbers():
    key = torch.tensor([5])
    folded = random.fold(key, torch.arange(10))
    assert torch.equal(folded, torch.cat([random.fold(key, number) for number in range(10)]))
    assert len(set(random.fold(KEYS, 1).tolist()) | set(random.fold(KEYS, 2).tolist())) == 2000


def test_the_numbers_stay_what_they_are():
    """A run that is resumed by a later version draws what it would have drawn; and so does plain integer arithmetic."""
    assert random.fold(torch.tensor([42]), 7).tolist() == [2754311254846115625] == [_folded(42, 7)]
    expected = [(_mixed(_folded(42, 0) + (k + 1) * GOLDEN) >> 40) / 2**24 for k in range(3)]
    assert random.uniform(torch.tensor([42]), (3,), 0)[0].tolist() == expected == [0.6894993782043457, 0.22943460941314697, 0.6242706179618835]


def test_scalars_and_empty_batches():
    assert random.uniform(KEYS[:4], (), 1).shape == (4,)
    assert random.uniform(KEYS[:0], (3,), 1).shape == (0, 3)

