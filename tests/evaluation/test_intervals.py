"""Intervals of means over cells against resampling cell by cell."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from untold.evaluation import intervals
from untold.evaluation.intervals import interval, mean_of_cells, weights


def cells(across, people=6, seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        (p, q, s, t, c, rng.random())
        for p in range(3) for q in range(3) for s in range(people) for t in range(people) for c in range(2)
        if p != q and (s != t) == across and rng.random() < 0.7
    ]  # fmt: skip
    p, q, s, t, _, e = (np.array(column) for column in zip(*rows, strict=True))
    return SimpleNamespace(
        error=e, phone=p, other=q, speaker=s, speaker_of_x=t, speakers=tuple(f"s{i}" for i in range(people))
    )


def by_hand(c, drawn, across):
    """The nested mean of cells that are counted as often as their speakers were drawn."""
    pairs = []
    for p, q in sorted(set(zip(c.phone.tolist(), c.other.tolist(), strict=True))):
        speakers = []
        for s in drawn:
            inner = [
                e
                for t in (drawn if across else [s])
                for e in c.error[(c.phone == p) & (c.other == q) & (c.speaker == s) & (c.speaker_of_x == t)]
            ]
            if inner:
                speakers.append(np.mean(inner))
        if speakers:
            pairs.append(np.mean(speakers))
    return np.mean(pairs)


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("dense", [False, True])
def test_draws_equal_resampling_cell_by_cell(across, dense, monkeypatch):
    if not dense:
        monkeypatch.setattr(intervals, "_MOST_DENSE", 0)
    c = cells(across)
    grouped = mean_of_cells(c)
    assert grouped.value == pytest.approx(by_hand(c, list(range(6)), across))
    drawn = weights(6, 20, seed=3)
    expected = [by_hand(c, [s for s in range(6) for _ in range(int(w[s]))], across) for w in drawn]
    assert grouped.of(drawn) == pytest.approx(expected)


def test_interval_is_repeatable_and_covers():
    rng, covered = np.random.default_rng(1), 0
    for _ in range(60):  # speakers differ in truth: the mean over all is 0.3
        means = rng.normal(0.3, 0.05, 20)
        c = SimpleNamespace(
            error=means, phone=np.zeros(20, int), other=np.ones(20, int), speaker=np.arange(20), speaker_of_x=np.arange(20),
            speakers=tuple(map(str, range(20))),
        )  # fmt: skip
        low, high = interval(mean_of_cells(c), 400, seed=0)
        assert (low, high) == interval(mean_of_cells(c), 400, seed=0)
        covered += low < 0.3 < high
    assert 50 <= covered <= 60
