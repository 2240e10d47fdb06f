"""The constants of the definition: windows, filters, lifter, and the rule of the warp."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from untold.frontends import _mel


def test_the_povey_window():
    window = _mel.povey_window()
    assert window[0] == 0
    assert float(window[1]) == pytest.approx(2.6515e-4, rel=1e-4)
    assert float(window[100]) == pytest.approx(0.556641, abs=1e-6)
    assert float(window.sum()) == pytest.approx(212.147, abs=1e-3)


def test_the_lifter():
    expected = [1, 2.5655, 4.0991, 5.5696, 6.9470, 8.2035, 9.3132, 10.2538, 11.0060, 11.5544, 11.8880, 12.0, 11.8880]
    plain = _mel.cepstral_matrix(23, 13)
    norms = plain.double().square().sum(0).sqrt()
    assert np.allclose(norms, expected, atol=1e-4)


def test_filters_peak_at_their_centres():
    centres = [98.8, 186.2, 283.1, 390.7, 510.0, 642.4, 789.3, 952.2, 1133.0, 1333.5, 1556.0, 1802.8, 2076.6]
    centres += [2380.4, 2717.4, 3091.3, 3506.1, 3966.3, 4476.8, 5043.2, 5671.6, 6368.7, 7142.0]
    peaks = _mel.mel_bank(23).argmax(0).double() * 31.25
    assert np.allclose(peaks, centres, atol=31.25 / 2 + 2)


@pytest.mark.parametrize("warp", [0.82, 0.84, 1.0, 1.16, 1.18])
def test_warps_keep_the_ends_and_never_fold(warp):
    hertz = torch.linspace(0, 8000, 4001, dtype=torch.float64)
    out = _mel.warped(hertz, warp)
    assert float(out[0]) == 0
    assert float(out[-1]) == pytest.approx(8000)
    assert (out.diff() > 0).all()
    below = hertz <= 7000 / max(warp, 1)
    assert torch.allclose(out[below], hertz[below] * warp)
    assert out.diff().max() < 2 * 3  # continuous at the cut


def test_a_vowel_of_a_shorter_tract_looks_like_the_long_one_warped_up():
    power = torch.zeros(256)
    power[40] = 1.0
    moved = torch.zeros(256)
    moved[44] = 1.0  # formants 1.1 times as high
    assert torch.allclose(power @ _mel.mel_bank(23, 1.1), moved @ _mel.mel_bank(23), atol=1e-5)
