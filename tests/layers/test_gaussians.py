"""Mixtures of diagonal Gaussians: against scikit-learn and scipy, with EM's own laws."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats
from sklearn.mixture import GaussianMixture

from untold.contract import total
from untold.layers.gaussians import DiagonalMixture


def frames(count=600, dimensions=5, seed=0):
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(4, dimensions)) * 2
    return torch.from_numpy((centres[draw.integers(0, 4, count)] + draw.normal(size=(count, dimensions))).astype(np.float32))


def begun(x, components=4):
    mixture = DiagonalMixture(components, x.shape[1])
    mixture.begin(x[:components], x)
    return mixture


def test_densities_are_those_of_scipy():
    x = frames(50)
    mixture = begun(x)
    mixture.update(mixture.statistics(x))
    expected = [
        np.log(float(w)) + stats.multivariate_normal(m.numpy(), np.diag(v.numpy())).logpdf(x.numpy())
        for w, m, v in zip(mixture.weights, mixture.means, mixture.variances)
    ]
    assert np.allclose(mixture.log_likelihoods(x), np.stack(expected, 1), atol=1e-3)


def test_em_is_that_of_scikit_learn():
    x = frames()
    mixture = begun(x)
    start = {"weights_init": mixture.weights.numpy(), "means_init": mixture.means.numpy()}
    peer = GaussianMixture(4, covariance_type="diag", max_iter=15, tol=0, reg_covar=0, precisions_init=(1 / mixture.variances).numpy(), **start)
    with pytest.warns(Warning):  # it has not converged after 15 passes, as wanted
        peer.fit(x.double().numpy())
    for _ in range(15):
        mixture.update(mixture.statistics(x))
    assert np.allclose(mixture.means, peer.means_, atol=1e-3)
    assert np.allclose(mixture.variances, peer.covariances_, atol=1e-3)
    assert np.allclose(mixture.weights, peer.weights_, atol=1e-4)
    told = mixture.statistics(x)
    assert float(-told["objective"] / told["count"]) == pytest.approx(peer.score(x.double().numpy()), abs=1e-4)


def test_one_component_is_mean_and_variance():
    x = frames()
    mixture = begun(x, 1)
    mixture.update(mixture.statistics(x))
    assert torch.allclose(mixture.means[0], x.mean(0), atol=1e-5)
    assert torch.allclose(mixture.variances[0], x.var(0, correction=0), rtol=1e-5)
    assert float(mixture.weights) == 1


@given(seed=some.integers(0, 1000), components=some.integers(1, 12))
def test_a_pass_never_makes_the_objective_rise(seed, components):
    x = frames(200, 3, seed)
    mixture, told = begun(x, components), []
    for _ in range(8):
        sums = mixture.statistics(x)
        told.append(float(sums["objective"]))
        mixture.update(sums)
    assert all(b <= a + 1e-3 for a, b in pairwise(told))


@given(cut=some.integers(0, 600))
def test_parts_sum_to_the_whole(cut):
    x = frames()
    mixture = begun(x)
    sums, parts = mixture.statistics(x), total([mixture.statistics(x[:cut]), mixture.statistics(x[cut:])])
    for key, value in sums.items():
        assert value.dtype == torch.float64
        assert torch.allclose(value, parts[key], rtol=1e-5, atol=1e-3)


def test_a_component_of_one_frame_keeps_its_variance_off_zero_and_one_of_none_stays():
    x = torch.cat([frames(), torch.full((1, 5), 50.0)])
    mixture = begun(x, 3)
    mixture.means[0], mixture.means[1] = 50.0, -1e4
    for _ in range(3):
        mixture.update(mixture.statistics(x))
    assert torch.allclose(mixture.variances[0], torch.full((5,), 0.01))
    assert torch.allclose(mixture.means[0], torch.full((5,), 50.0))
    assert (mixture.means[1] == -1e4).all()
    assert all(torch.isfinite(value).all() for value in mixture.state_dict().values())
    assert torch.isfinite(mixture.log_likelihoods(x)).all()


def test_equal_frames_stay_finite():
    x = torch.ones(100, 4)
    mixture = begun(x, 4)
    for _ in range(3):
        mixture.update(mixture.statistics(x))
    assert torch.isfinite(mixture.log_likelihoods(x)).all()
