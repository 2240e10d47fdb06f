"""The length of the vocal tract, estimated: men and women part, though nobody says who is who."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import soundfile
import torch

from untold.errors import UntoldError
from untold.frontends import WarpMixture, _mel, adapt, excerpt, fit_warp

from .in_memory import build, noise, timit


@cache
def fitted(shared):
    files = sorted((shared / "data/unlabelled-speech").glob("ls-*/*.opus"))[::8]
    return fit_warp(lambda i: soundfile.read(files[i], dtype="float32")[0], len(files), 0)


def test_women_and_men_part(shared):
    warper = fitted(shared)
    front_end = build(warp="file")
    front_end.warper.load_state_dict(warper.state_dict())
    warps = {"f": [], "m": []}
    for path in sorted((shared / "data/timit-sample").glob("*/s[ai]*.flac")):
        chosen = adapt(front_end, timit(shared, f"{path.parent.name}/{path.stem}"))["warp"][0]
        warps[path.parent.name.partition("-")[2][0]].append(WarpMixture.WARPS[chosen])
    women, men = (np.array(warps[sex]) for sex in "fm")
    assert men.mean() - women.mean() > 0.08
    assert np.mean(np.concatenate([women < 1.07, men > 1.07])) > 0.85
    assert women.std() < 0.06
    assert men.std() < 0.06


def test_what_is_chosen_is_likeliest(shared):
    """Plain arithmetic: nine front ends, each normalised over the file, scored by the mixture."""
    warper, signal = fitted(shared), noise(16000)
    front_end = build(warp="file")
    front_end.warper.load_state_dict(warper.state_dict())
    given = excerpt([signal], [0], [signal.steps], front_end.margin)
    power = _mel.power_spectra(given, front_end.window, 4)
    scores = []
    for warp in WarpMixture.WARPS:
        values = _mel.log_mel(power, _mel.mel_bank(23, warp)) @ _mel.cepstral_matrix(23, 13)
        values = _mel.with_deltas(_mel.within(given, values))[0].double()
        values = ((values - values.mean(0)) / values.std(0, correction=0)).float()
        scores.append(float(warper.mixture.log_likelihoods(values).logsumexp(1).sum()))
    assert int(adapt(front_end, signal)["warp"]) == int(np.argmax(scores))


def test_the_same_seed_gives_the_same_mixture():
    told = []
    one, two = (fit_warp(lambda i: noise(20000, i).samples, 12, 3, told.append) for _ in range(2))
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key])
    assert told[-1] == pytest.approx(1.0)
    assert told[: len(told) // 2] == sorted(told[: len(told) // 2])


def test_long_short_and_empty_recordings_are_heard():
    lengths = [0, 50, 3000, 16000 * 40]
    warper = fit_warp(lambda i: noise(lengths[i], i).samples, 4, 0)
    assert all(torch.isfinite(value).all() for value in warper.state_dict().values())


def test_too_little_is_said():
    with pytest.raises(UntoldError, match="too few to estimate warps"):
        fit_warp(lambda i: np.zeros(800, np.float32), 2, 0)
