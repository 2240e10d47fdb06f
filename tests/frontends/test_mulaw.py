"""Mu-law: known classes, and the way back."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as some

from untold.frontends import mulaw, waveform

from .in_memory import Samples, build, whole


def test_known_classes():
    samples = torch.tensor([0.0, 0.5, -0.5, 0.001, 1.0, -1.0])
    assert mulaw.encode(samples).tolist() == [128, 239, 16, 133, 255, 0]


def test_every_class_stands_for_itself():
    for bits in (4, 8, 10):
        classes = torch.arange(2**bits)
        assert torch.equal(mulaw.encode(mulaw.decode(classes, bits), bits), classes)


@given(some.floats(-1, 1, width=32))
def test_decoding_is_near(x):
    back = float(mulaw.decode(mulaw.encode(torch.tensor([x])))[0])
    assert abs(back - x) <= 0.011 * (abs(x) + 1 / 255) * 2


def test_steps_are_samples():
    signal = Samples((np.sin(np.arange(1000) / 20) * 20000).astype(np.int16))
    sound, classes = whole(build("waveform"), signal), whole(build("mulaw"), signal)
    assert np.array_equal(sound[:, 0], signal.samples)
    assert np.array_equal(waveform.invert(sound), signal.samples)
    assert classes.dtype == np.int64
    assert np.abs(mulaw.invert(classes) - signal.samples).max() < 0.02
