"""Samples in frames that overlap."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from untold.errors import UntoldError
from untold.frontends import adapt, excerpt, read_frames

from .in_memory import Samples, build, noise, whole


@pytest.mark.parametrize("samples", [400, 719, 720, 721, 5000, 16001])
def test_frames_are_the_samples_and_lie_at_the_centre_of_what_they_hold(samples: int) -> None:
    front, signal = build("frames"), noise(samples)
    frames = whole(front, signal)
    assert len(frames) == (samples - 400) // 320 + 1
    for number, frame in enumerate(frames):
        assert np.array_equal(frame, signal.samples[320 * number : 320 * number + 400])
        assert front.grid.centre(number) == Fraction(320 * number + 200, 16000)
    assert np.array_equal(front.joined(torch.from_numpy(frames)).numpy(), signal.samples[: 320 * len(frames) + 80])


@pytest.mark.parametrize("samples", [400, 719, 720, 5000, 16001])
def test_with_the_rest_no_sample_is_left_out(samples: int) -> None:
    front, signal = build("frames", rest="yes"), noise(samples)
    frames = torch.from_numpy(whole(front, signal))
    assert frames.shape == ((samples - 400) // 320 + 1, 719)
    assert np.array_equal(front.joined(frames).numpy(), signal.samples)
    assert np.array_equal(front.joined(frames[:1]).numpy(), signal.samples[:719])
    assert not frames[:-1].isnan().any()


def test_what_is_shorter_than_a_frame_has_none() -> None:
    assert whole(build("frames", normalise="file"), noise(399)).shape == (0, 400)


@pytest.mark.parametrize("samples", [400, 719, 16321, 30 * 16000 + 399, 61 * 16000 + 77])
def test_normalised_over_every_sample_of_the_recording_in_any_blocks(samples: int) -> None:
    """Also those behind the last whole frame, and beyond a block of 30 seconds."""
    front, signal = build("frames", normalise="file"), noise(samples)
    signal.samples += np.float32(0.25)
    signal.samples[-1] = 3.0
    adapted = adapt(front, signal)
    x = signal.samples.astype(np.float64)
    assert float(adapted["mean"]) == pytest.approx(x.mean(), abs=1e-9)
    assert float(adapted["scale"]) == pytest.approx(np.sqrt(x.var() + 1e-7), rel=1e-9)
    first, last = read_frames(front, signal, 0, 1, adapted), read_frames(front, signal, front.steps(samples) - 1, front.steps(samples), adapted)
    wanted = ((x - x.mean()) / np.sqrt(x.var() + 1e-7)).astype(np.float32)
    np.testing.assert_allclose(first[0].numpy(), wanted[:400], atol=1e-6)
    begins = 320 * (front.steps(samples) - 1)
    np.testing.assert_allclose(last[0].numpy(), wanted[begins : begins + 400], atol=1e-6)


def test_a_padded_batch_has_the_frames_of_each_recording_alone() -> None:
    front = build("frames")
    signals = [noise(n, n) for n in (700, 5000, 2320)]
    given = excerpt(signals, [0] * 3, [s.steps for s in signals], front.margin)
    found = front(given, {})
    assert found.lengths.tolist() == [1, 15, 7]
    for row, counted, signal in zip(found.values.numpy(), found.counted.numpy(), signals, strict=True):
        alone = whole(front, signal)
        assert np.array_equal(row[: len(alone)], alone)
        assert not row[len(alone) :].any()
        assert counted.sum() == len(alone)


def test_silence_stays_silent() -> None:
    assert not whole(build("frames", normalise="file"), Samples(np.zeros(4000, np.float32))).any()


def test_frames_that_leave_samples_out_are_refused() -> None:
    with pytest.raises(UntoldError, match="no sample is left out"):
        build("frames", length=100, hop=160)
