"""Noise and rooms that training examples are heard in: how loud, where, whose, and never at use."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from untold.frontends import adapt, excerpt, stack
from untold.frontends._disturbance import DECAYS, DIRECT, RATIOS, TAIL, disturbed

from .in_memory import build, noise, timit, whole

KEYS = torch.arange(60)


def test_noise_is_as_loud_as_it_says_and_of_many_colours():
    speech = torch.randn(60, 16000, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.01, 0.5, 60)[:, None]
    heard, touched = disturbed(speech, torch.full((60,), 16000), KEYS, 1.0, 0.0)
    assert touched.all()
    added = heard - speech
    ratios = 10 * (speech.square().mean(1) / added.square().mean(1)).log10()
    assert RATIOS[0] - 0.5 < ratios.min() < 5 and 25 < ratios.max() < RATIOS[1] + 0.5
    follows = (added[:, 1:] * added[:, :-1]).sum(1) / added.square().sum(1)  # what a sample takes over of the one before
    assert follows.min() < 0.1 and 0.85 < follows.max() < 0.97


def test_a_room_answers_after_the_sound_and_dies_away():
    click = torch.zeros(60, 16000)
    click[:, 1000] = 1.0
    heard, _ = disturbed(click, torch.full((60,), 16000), KEYS, 0.0, 1.0)
    answer = heard - click
    assert float(answer[:, :1001].abs().max()) < 1e-6 and float(answer[:, 1001 + TAIL :].abs().max()) < 1e-6
    direct = -10 * answer.square().sum(1).log10()
    assert DIRECT[0] - 0.1 < direct.min() < 2 and 13 < direct.max() < DIRECT[1] + 0.1
    parts = answer[:, 1001 : 1001 + TAIL].square().unfold(1, 800, 800).sum(-1).log10() * 10  # dB of each 50 ms
    fall = 60 / ((parts[:, 0] - parts[:, 1]) / 0.05)  # seconds until it is 60 dB down
    assert DECAYS[0] * 0.8 < fall.min() < 0.2 and 0.4 < fall.quantile(0.8) < DECAYS[1] * 1.5


def test_a_row_depends_on_its_key_alone():
    speech, lengths = torch.randn(60, 9000, generator=torch.Generator().manual_seed(1)), torch.full((60,), 9000)
    heard, touched = disturbed(speech, lengths, KEYS, 0.5, 0.3)
    assert 25 < touched.sum() < 53  # 39 expected
    assert torch.equal(heard[~touched], speech[~touched])
    longer = torch.nn.functional.pad(speech, (0, 4000))
    for row in (3, 17, 44):
        alone, _ = disturbed(longer[row : row + 1], lengths[:1], KEYS[row : row + 1], 0.5, 0.3)
        assert torch.allclose(alone[0, :9000], heard[row], atol=1e-4)


@pytest.mark.parametrize("values", [{}, {"floor": 1e-3, "window": 16.0}, {"warp": "file"}])
def test_only_training_is_disturbed_and_frames_stay_normalised(values):
    front_end, signals = build(noise=0.5, reverberation=0.3, **values), [noise(12000, seed) for seed in range(40)]
    if front_end.warper is not None:
        front_end.warper.mixture.means.normal_(generator=torch.Generator().manual_seed(2))
    plain = build(**values)
    plain.load_state_dict(front_end.state_dict())
    adapted = stack([adapt(front_end, signal) for signal in signals])
    given = excerpt(signals, [0] * 40, [12000] * 40, front_end.margin)
    at_use = front_end(given, adapted).values
    assert np.allclose(at_use[5], whole(plain, signals[5]), atol=1e-4)
    heard = front_end(given, adapted, torch.arange(40)).values
    assert torch.equal(heard, front_end(given, adapted, torch.arange(40)).values)
    same = torch.tensor([torch.allclose(a, b, atol=1e-4) for a, b in zip(heard, at_use, strict=True)])
    assert 4 <= same.sum() <= 26
    assert torch.allclose(heard[~same].mean(1), torch.zeros(()), atol=1e-4)
    assert torch.allclose(heard[~same].std(1, correction=0), torch.ones(()), atol=1e-3)


def test_the_frames_of_real_speech_keep_their_places(shared):
    signal = timit(shared, "dr1-fvmh0/sa1")
    front_end = build(deltas="no", noise=0.5, reverberation=0.5)
    given = excerpt([signal] * 12, [0] * 12, [signal.steps] * 12, front_end.margin)
    heard = front_end(given, stack([adapt(front_end, signal)] * 12), torch.arange(12)).values[:, :, 0]
    plain = torch.from_numpy(whole(front_end, signal))[:, 0]
    for row in heard:
        shifts = [float((row[8:-8] * plain[8 + k : len(plain) - 8 + k]).mean()) for k in range(-8, 9)]
        assert abs(int(np.argmax(shifts)) - 8) <= 1
