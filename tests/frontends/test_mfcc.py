"""Cepstra against Kaldi's own code, stored answers, and the definition written out in float64."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from scipy.fft import dct

from untold.errors import UntoldError
from untold.frontends import adapt, excerpt, read_frames, stack

from .in_memory import RAW, Samples, build, kaldi, noise, timit, whole


def exact(samples, bins=23, cepstra=13):
    """The definition of speech.md 1.1, frame after frame, in float64."""
    x, out = np.asarray(samples, np.float64) * 32768, []
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    mel = lambda f: 1127 * np.log(1 + f / 700)
    edges = np.linspace(mel(20), mel(8000), bins + 2)
    for i in range((len(x) + 80) // 160):
        places = np.arange(160 * i - 120, 160 * i + 280)
        while ((places < 0) | (places >= len(x))).any():
            places = np.where(places < 0, -places - 1, places)
            places = np.where(places >= len(x), 2 * len(x) - 1 - places, places)
        frame = x[places] - x[places].mean()
        frame = np.append(frame[0] * 0.03, frame[1:] - 0.97 * frame[:-1]) * window
        power = np.abs(np.fft.rfft(frame, 512))[:256] ** 2
        energies = np.zeros(bins)
        for k, at in enumerate(mel(np.arange(256) * 31.25)):
            for b in range(bins):
                left, centre, right = edges[b : b + 3]
                if left < at < right:
                    energies[b] += power[k] * ((at - left) / (centre - left) if at <= centre else (right - at) / (right - centre))
        out.append(np.log(np.maximum(energies, np.finfo(np.float32).eps)))
    lifter = 1 + 11 * np.sin(np.pi * np.arange(cepstra) / 22)
    return dct(np.array(out), norm="ortho")[:, :cepstra] * lifter


def with_deltas_by_hand(statics):
    """Kaldi's rule: both filters on the statics, frame numbers clamped to the recording."""
    filters = [np.array([-2, -1, 0, 1, 2]) / 10, np.array([4, 4, 1, -4, -10, -4, 1, 4, 4]) / 100]
    parts, last = [statics], len(statics) - 1
    for taps in filters:
        reach = len(taps) // 2
        parts.append([sum(w * statics[min(max(t + k - reach, 0), last)] for k, w in enumerate(taps)) for t in range(len(statics))])
    return np.concatenate(parts, 1)


def test_equals_kaldi_on_real_speech(shared):
    front_end, off = build(**RAW), []
    for path in sorted((shared / "data/timit-sample").glob("*/s[ai]*.flac")):
        signal = timit(shared, f"{path.parent.name}/{path.stem}")
        ours, theirs = whole(front_end, signal), kaldi(signal.samples)
        assert ours.shape == theirs.shape
        off.append(np.abs(ours - theirs).ravel())
    off = np.concatenate(off)
    # Kaldi transforms in float32, which in frames that are loud below and silent above is itself off by up to 1.8e-3
    # in one value of ten thousand; ours is not (the test below)
    assert np.quantile(off, 0.9998) < 1e-3
    assert off.max() < 2.5e-3


def test_equals_the_stored_answers(shared):
    front_end, off = build(**RAW), []
    for path in sorted((shared / "reference/abx-known-answers/mfcc13").glob("*.npy"))[::5]:
        ours, theirs = whole(front_end, timit(shared, "/".join(path.stem.rsplit("_", 1)))), np.load(path)
        assert ours.shape == theirs.shape
        off.append(np.abs(ours - theirs).ravel())
    assert np.quantile(np.concatenate(off), 0.9995) < 1e-3
    assert np.concatenate(off).max() < 2.5e-3


def test_equals_the_definition_in_float64(shared):
    signal = Samples((timit(shared, "dr1-fvmh0/sa2").samples[:24000] * 32768).astype(np.int16))
    assert np.abs(whole(build(**RAW), signal) - exact(signal.samples)).max() < 2e-4


@pytest.mark.parametrize("samples", [1, 79, 80, 81, 239, 240, 399, 400, 401, 560, 5120])
def test_short_recordings_have_the_frames_that_kaldi_gives(samples):
    signal, front_end = noise(samples), build(**RAW)
    ours = whole(front_end, signal)
    assert len(ours) == front_end.steps(samples) == (samples + 80) // 160
    if samples >= 80:
        assert np.abs(ours - exact(signal.samples)).max() < 3e-4
        theirs = kaldi(signal.samples)
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() < 2e-3


@pytest.mark.parametrize("samples", [80, 500, 900, 4000])
def test_deltas_follow_kaldis_rule_at_the_edges(samples):
    signal = noise(samples)
    ours = whole(build(normalise="none"), signal)
    assert np.allclose(ours, with_deltas_by_hand(whole(build(**RAW), signal)), atol=2e-5)


def test_the_yardstick_has_mean_zero_and_deviation_one_over_the_file():
    values = whole(build(), noise(30000))
    assert values.shape == (188, 39)
    assert np.allclose(values.mean(0), 0, atol=1e-4)
    assert np.allclose(values.std(0), 1, atol=1e-4)


KINDS = [
    ("mfcc", {}),
    ("mfcc", {"normalise": "none"}),
    ("mfcc", {"warp": "file"}),
    ("mfcc", {"warp": "file", "deltas": "no", "normalise": "none"}),
    ("mfcc", {"warp": "file", "window": 16.0, "floor": 3e-5}),
    ("mfcc", {"normalise": "none", "floor": 1e-3}),
    ("logmel", {}),
    ("logmel", {"warp": "file"}),
    ("logmel", {"window": 10.0, "floor": 1e-2}),
    ("logmel", {"mel_bins": 80, "warp": "random"}),
    ("waveform", {}),
    ("mulaw", {}),
]


def steady(front_end):
    """Gives a front end that estimates warps a mixture that is not the empty one."""
    if getattr(front_end, "warper", None) is not None:
        front_end.warper.mixture.means.copy_(torch.randn(64, 39, generator=torch.Generator().manual_seed(1)))
    return front_end


@pytest.mark.parametrize(("name", "values"), KINDS)
@given(samples=some.integers(1, 6000), cuts=some.lists(some.floats(0, 1), max_size=4))
def test_chunks_equal_the_whole(name, values, samples, cuts):
    front_end, signal = steady(build(name, **values)), noise(samples)
    adapted, steps = adapt(front_end, signal), front_end.steps(samples)
    places = sorted({0, steps, *(int(cut * steps) for cut in cuts)})
    everything = read_frames(front_end, signal, 0, steps, adapted)
    parts = [read_frames(front_end, signal, a, b, adapted) for a, b in pairwise(places)]
    assert everything.shape == (steps, front_end.dimensions)
    if parts:
        assert torch.allclose(torch.cat(parts).double(), everything.double(), atol=1e-4)


@pytest.mark.parametrize(("name", "values"), KINDS)
def test_alone_equals_in_a_padded_batch(name, values):
    front_end = steady(build(name, **values))
    signals = [noise(n, n) for n in (8000, 3333, 560, 90)]
    adapted = stack([adapt(front_end, signal) for signal in signals])
    given = excerpt(signals, [0] * 4, [signal.steps for signal in signals], front_end.margin)
    stream = front_end(given, adapted)
    for row, signal in enumerate(signals):
        steps = front_end.steps(signal.steps)
        assert stream.lengths[row] == steps == stream.counted[row].sum()
        alone = read_frames(front_end, signal, 0, steps, adapt(front_end, signal))
        assert torch.allclose(stream.values[row, :steps].double(), alone.double(), atol=1e-4)


def test_a_crop_is_a_part_of_its_recording():
    front_end, signal = build(), noise(20000)
    adapted = adapt(front_end, signal)
    stream = front_end(excerpt([signal], [1600], [1600 + 4800], front_end.margin), adapted)
    assert torch.allclose(stream.values[0], read_frames(front_end, signal, 10, 40, adapted), atol=1e-5)


def test_a_long_file_is_read_in_blocks():
    front_end, signal = build(), noise(16000 * 65)
    adapted = adapt(front_end, signal)
    read_frames(front_end, signal, 0, front_end.steps(signal.steps), adapted)
    assert signal.most < 16000 * 31
    values = whole(build(normalise="none"), signal)
    assert np.allclose(adapted["mean"][0], values.mean(0), atol=1e-3)
    assert np.allclose(adapted["std"][0], values.std(0), rtol=1e-4)


def test_speakers_are_normalised_over_all_their_recordings():
    front_end, signals = build(normalise="speaker"), [noise(9000, 1), noise(5000, 2)]
    adapted = adapt(front_end, signals)
    values = np.concatenate([read_frames(front_end, s, 0, front_end.steps(s.steps), adapted).numpy() for s in signals])
    assert front_end.adapts == "speaker"
    assert np.allclose(values.mean(0), 0, atol=1e-4)
    assert np.allclose(values.std(0), 1, atol=1e-4)


@pytest.mark.parametrize(("name", "values"), KINDS)
def test_pure_silence_and_nothing_at_all_are_finite(name, values):
    front_end = build(name, **values)
    for samples in (0, 50, 4000):
        signal = Samples(np.zeros(samples, np.int16))
        assert np.isfinite(whole(front_end, signal)).all()


def test_random_warps_belong_to_training_and_follow_keys():
    front_end, signal = build(warp="random", normalise="none"), noise(8000)
    given = excerpt([signal] * 40, [0] * 40, [8000] * 40, front_end.margin)
    keys = torch.arange(40)
    plain = whole(build(normalise="none"), signal)
    heard = front_end(given, {}, keys).values
    assert torch.equal(heard, front_end(given, {}, keys).values)
    assert np.allclose(front_end(given, {}).values[0], plain, atol=1e-5)
    unwarped = [np.allclose(row, plain, atol=1e-3) for row in heard]
    assert 1 <= sum(unwarped) <= 12  # one in ten
    one = front_end(excerpt([signal], [0], [8000], front_end.margin), {}, keys[7:8]).values[0]
    assert torch.allclose(one, heard[7], atol=1e-4)


def test_a_shorter_window_is_kaldis_too(shared):
    signal = timit(shared, "dr1-fvmh0/sa1")
    assert np.abs(whole(build(**RAW, window=20.0), signal) - kaldi(signal.samples, window=20.0)).max() < 2e-3


def test_a_window_is_all_that_a_frame_hears():
    for milliseconds, reach in ((25.0, 200), (16.0, 128), (5.0, 40)):
        front_end, signal = build(**RAW, window=milliseconds), noise(4000)
        before, at = whole(front_end, signal), 160 * 10 + 80  # the middle of frame 10
        changed = [place for place in (at - reach - 2, at - reach + reach // 3, at + reach - reach // 3, at + reach + 2) if _heard(front_end, signal, place, before[10])]
        assert changed == [at - reach + reach // 3, at + reach - reach // 3]


def _heard(front_end, signal, place, before):
    samples = signal.samples.copy()
    samples[place] += 0.5
    return not np.allclose(whole(front_end, Samples(samples))[10], before, atol=1e-4)


@pytest.mark.parametrize("warp", ["none", "file"])
def test_a_floor_is_a_share_of_each_frequencys_mean_power(shared, warp):
    signal = timit(shared, "dr1-fvmh0/sa1")
    plain = build(**RAW, cepstra=23, warp=warp)
    floored = build(**RAW, cepstra=23, warp=warp, floor=0.01)
    undo = torch.linalg.inv(plain.matrix.double())
    energies = (torch.from_numpy(whole(plain, signal)).double() @ undo).exp()
    wanted = ((energies + 0.01 * energies.mean(0)).log() @ plain.matrix.double()).numpy()
    assert np.allclose(whole(floored, signal), wanted, atol=5e-3)


def test_faint_noise_counts_less_with_a_floor(shared):
    signal, draw = timit(shared, "dr1-fvmh0/sa1"), np.random.default_rng(0)
    loud = np.sqrt(np.mean(signal.samples**2))
    hissing = Samples((signal.samples + 1e-3 * loud * draw.normal(size=signal.steps)).astype(np.float32))
    plain, floored = (np.mean(np.abs(whole(front, hissing) - whole(front, signal))) for front in (build(), build(floor=1e-3)))
    assert floored < 0.5 * plain


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(UntoldError, match="cepstra = 30: at most as many as mel_bins = 23"):
        build(cepstra=30)
    with pytest.raises(UntoldError, match="warp per file"):
        build(normalise="speaker", warp="file")
    with pytest.raises(UntoldError, match="window = 30"):
        build(window=30.0)
    with pytest.raises(UntoldError, match="normalise = 'utterance': one of none, file, speaker"):
        build(normalise="utterance")
