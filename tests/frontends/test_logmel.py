"""Log mel energies against Kaldi's, and the way back to sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from untold.frontends import _mel, adapt, excerpt
from untold.frontends.logmel import _spread, invert

from .in_memory import Samples, build, kaldi, timit, whole


@pytest.mark.parametrize("bins", [40, 80])
def test_equals_kaldi_on_real_speech(shared, bins):
    signal = timit(shared, "dr1-fvmh0/sa1")
    ours = whole(build("logmel", mel_bins=bins, normalise="none"), signal)
    off = np.abs(ours - kaldi(signal.samples, cepstra=False, bins=bins))
    assert np.quantile(off, 0.9999) < 1e-3
    assert off.max() < 4e-3  # rounding of Kaldi's float32 transform, see test_mfcc.py


def test_restoring_undoes_the_normalisation(shared):
    front_end, signal = build("logmel"), timit(shared, "dr1-fvmh0/sa1")
    adapted = adapt(front_end, signal)
    values = front_end(excerpt([signal], [0], [signal.steps], front_end.margin), adapted).values
    raw = whole(build("logmel", normalise="none"), signal)
    assert np.allclose(front_end.restore(values, adapted)[0], raw, atol=1e-3)


@pytest.mark.parametrize("bins", [40, 80])
def test_sound_made_of_frames_has_those_frames(shared, bins):
    signal = timit(shared, "dr1-fvmh0/sa1")
    front_end = build("logmel", mel_bins=bins, normalise="none")
    frames = whole(front_end, signal)
    samples = invert(frames)
    assert samples.dtype == np.float32
    assert len(samples) == 160 * len(frames)
    again = whole(front_end, Samples(samples))
    loud = frames > frames.max() - 12  # what can be heard: within 52 dB of the loudest
    off = np.abs(again - frames)[loud]
    assert off.mean() < 0.35  # nats of power: 1.5 dB
    # an hour of noise with the same average spectrum is three times as far
    noise = np.broadcast_to(frames.mean(0), frames.shape)
    assert off.mean() < np.abs(noise - frames)[loud].mean() / 3


def test_spread_energies_fall_back_into_their_filters():
    bank = _mel.mel_bank(40)
    energies = torch.exp(torch.randn(20, 40, generator=torch.Generator().manual_seed(0)))
    smooth = torch.nn.functional.avg_pool1d(energies[None], 5, 1, 2)[0]
    power = _spread(smooth, bank)
    assert (power >= 0).all()
    assert ((power @ bank - smooth).abs() / smooth).median() < 0.05


def test_nothing_and_silence_are_sound_too():
    assert len(invert(np.zeros((0, 40), np.float32))) == 0
    silence = invert(np.full((30, 40), np.log(1.2e-7), np.float32))
    assert np.abs(silence).max() < 1e-4
    assert np.isfinite(invert(np.full((30, 40), 60.0, np.float32))).all()
    assert np.isfinite(invert(np.zeros((1, 40), np.float32))).all()
