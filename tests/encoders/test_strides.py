"""The encoders of contrastive methods: sizes of the papers, and what they hear."""

from __future__ import annotations

import pytest
import torch

from untold import registry
from untold.contract import Stream
from untold.frontends._frontend import sound_grid


def built(name, dimensions, **values):
    module = registry.load("encoders", name)
    return module.build(module.Settings().changed(values), dimensions)


def heard(encoder, steps, dimensions, at):
    """The output steps that a change of one input step reaches."""
    x = torch.zeros(1, steps, dimensions)
    y = x.clone()
    y[:, at] = torch.randn(dimensions)
    one, two = (encoder(Stream(v, torch.tensor([steps]), torch.ones(1, steps, dtype=torch.bool), sound_grid(1))).values[0] for v in (x, y))
    return (one != two).any(-1).nonzero()[:, 0].tolist()


@pytest.mark.parametrize(("samples", "steps"), [(20480, 128), (20479, 128), (20320, 127), (1, 1)])
def test_a_step_of_waveform_is_160_samples(samples, steps):
    encoder = built("strides", 1, width=8)
    out = encoder(Stream(torch.randn(1, samples, 1), torch.tensor([samples]), torch.ones(1, samples, dtype=torch.bool), sound_grid(1)))
    assert out.values.shape == (1, steps, 8)
    assert out.lengths.tolist() == [steps]
    assert out.grid == sound_grid(160)


def test_a_step_of_waveform_sees_465_samples():
    torch.manual_seed(1)
    encoder = built("strides", 1, width=16)
    seen = [at for at in range(1640, 2440, 20) if 12 in heard(encoder, 4000, 1, at)]
    assert 425 <= seen[-1] - seen[0] <= 465
    assert 12 * 160 - seen[0] <= encoder.reach
    assert seen[-1] - 13 * 160 < encoder.reach


def test_frames_that_come_are_not_heard():
    torch.manual_seed(0)
    encoder = built("causal", 3, width=8, stack=2, layers=2, kernel=3)
    assert heard(encoder, 40, 3, 20) == [10, 11, 12, 13, 14]  # a step is two frames, and hears 2 x (3 - 1) steps before
    assert heard(encoder, 40, 3, 21) == [10, 11, 12, 13, 14]
    assert encoder.reach == 8
