"""Periods: those of what repeats itself, by brute force, and from the past alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from untold.layers.periods import HOP, SHORTEST, WINDOW, earlier, periods


@pytest.mark.parametrize("period", [40, 57, 160, 311])
def test_what_repeats_itself_has_its_period(period: int) -> None:
    pulses = torch.zeros(1, 3200)
    pulses[0, ::period] = 1
    lags, strengths = periods(pulses, 320)
    later = lags[0, WINDOW + 320 + HOP :]
    assert (later % period == 0).all()
    assert (strengths[0, WINDOW + 320 + HOP :] > 0.99).all()
    assert float((earlier(pulses, lags) - pulses)[0, WINDOW + 320 + HOP :].abs().max()) == 0


def test_it_is_the_best_of_all_lags_and_hears_only_what_is_past() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 1000, dtype=torch.float64)
    lags, strengths = periods(x, 90)
    padded = np.pad(x.numpy(), ((0, 0), (WINDOW + 90, 0)))
    for row, t in ((0, 0), (0, 79), (0, 399), (1, 400), (1, 999)):
        start = t // HOP * HOP + WINDOW + 90
        last = padded[row, start - WINDOW : start]
        found = {}
        for lag in range(SHORTEST, 91):
            other = padded[row, start - WINDOW - lag : start - lag]
            found[lag] = (last @ other) / np.sqrt((last @ last) * (other @ other) + 1e-9)
        assert found[int(lags[row, t])] == pytest.approx(max(found.values()), abs=1e-9)
        assert float(strengths[row, t]) == pytest.approx(max(0, *found.values()), abs=1e-9)
    changed = x.clone()
    changed[:, 480:] += 1
    again, _ = periods(changed, 90)
    assert torch.equal(again[:, : 480 + HOP], lags[:, : 480 + HOP])


def test_silence_has_none() -> None:
    lags, strengths = periods(torch.zeros(1, 200), 90)
    assert (lags == SHORTEST).all()
    assert (strengths == 0).all()
