"""Probes: known answers at both ends, splits that keep their promise, predictions at the right places."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from untold.contract import UNKNOWN, Grid
from untold.errors import UntoldError
from untold.evaluation import probes
from untold.evaluation._axes import AXES
from untold.evaluation._options import TaskOptions
from untold.evaluation._splits import Facts, by_speaker, within_speakers
from untold.evaluation.tasks import probes as task
from untold.subjects import open_subject

from .pretended import Subject, corpus
from .timit import recordings


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    """Enough for these corpora, and quick."""
    monkeypatch.setattr(task, "FRAMES", probes.Budget(steps=200, batch=128, hidden=128, rate=3e-3))
    monkeypatch.setattr(task, "RECORDINGS", probes.Budget(steps=60, batch=32, hidden=128))


def rows(subject, speech, **options):
    scores = task.measure(subject, speech, TaskOptions(draws=200, **options))
    return {(s.metric, s.method): s for s in scores}


def test_features_that_are_phones_are_read_and_those_that_know_nothing_are_not():
    speech = corpus()
    known, nothing = rows(Subject("phones"), speech), rows(Subject("noise"), speech)
    assert known["phone_accuracy", ""].value == 1
    chance = known["phone_accuracy", "chance"]
    assert nothing["phone_accuracy", ""].low < chance.high
    assert abs(nothing["phone_accuracy", ""].value - chance.value) < 0.06
    assert nothing["phone_accuracy", "chance"].value == chance.value
    assert chance.point == ""


def test_features_that_are_speakers_tell_speakers_and_no_phones():
    found = rows(Subject("speaker"), corpus())
    assert found["speaker_accuracy", ""].value == 1
    assert found["speaker_accuracy", "chance"].value == pytest.approx(1 / 8)
    assert found["phone_accuracy", ""].value < 0.5
    assert found["gender_accuracy", ""].conventions["test_speakers"] == "f 2, m 2"
    assert found["phone_accuracy", ""].conventions["split"] == "speakers"


def test_slower_latents_have_a_head_for_each_of_their_frames():
    """A latent that holds the phones of both its frames, one-hot each, is read without error."""

    class Two(Subject):
        def chunks(self, recording, point):
            fast = np.concatenate(list(Subject("phones").chunks(recording, point)))
            yield fast.reshape(len(fast) // 2, -1)

    found = rows(Two("phones", rate=50), corpus())
    assert found["phone_accuracy", ""].value == 1
    assert found["phone_accuracy", ""].conventions["frames"] == "10 ms, a head each"
    assert found["phone_accuracy", ""].conventions["test_frames"] == rows(Subject("noise"), corpus())["phone_accuracy", ""].conventions["test_frames"]


def test_log_mel_frames_are_read_from_what_decides_them():
    speech = corpus(sound=True, speakers=6, each=2)
    known, nothing = rows(Subject("phones"), speech), rows(Subject("noise"), speech)
    assert known["logmel_mse", "chance"].value == pytest.approx(1, abs=0.1)
    assert known["logmel_mse", ""].value < 0.8 < 0.95 < nothing["logmel_mse", ""].value
    assert known["logmel_mse", ""].better == "lower"


def test_what_cannot_be_probed_is_named_with_its_reason():
    said = []
    one_each = corpus(speakers=3, each=1)
    found = rows(Subject("phones"), one_each, say=said.append)
    assert found["phone_accuracy", ""].conventions["split"] == "recordings"
    assert {m for m, _ in found} == {"phone_accuracy"}
    assert [line.split(" left out")[0] for line in said] == ["the probe of log-mel frames", "the probe of speakers", "the probe of gender"]
    with pytest.raises(UntoldError, match="units only"):
        task.measure(Subject(points=()), one_each, TaskOptions())


def test_speakers_with_one_recording_are_left_out_and_counted():
    speech = corpus(speakers=4, each=3)
    del speech[-2:]
    found = rows(Subject("phones"), speech)["speaker_accuracy", ""]
    assert found.conventions["speakers_left_out"] == "1"
    assert found.conventions["classes"] == "3"


def test_each_point_has_the_same_split_and_seed_gives_the_same_numbers():
    twice = Subject("phones", points=("one", "two"))
    scores = task.measure(twice, corpus(), TaskOptions(draws=10, points=("one", "two")))
    by = {(s.metric, s.point): s for s in scores}
    assert by["phone_accuracy", "one"].value == by["phone_accuracy", "two"].value
    assert sum(s.metric == "phone_accuracy" and s.method == "chance" for s in scores) == 1


@given(some.sampled_from([25, 30, 50, 80, 100, 160, 200]), some.integers(-20, 40), some.integers(0, 60))
def test_each_frame_belongs_to_the_latent_that_covers_its_centre(rate, first, frames):
    grid = Grid("second", Fraction(rate), Fraction(first, 1000))
    found = probes.align(grid, frames)
    for frame in range(frames):
        latent, centre = int(found.latent[frame]), AXES["second"].frames.centre(frame)
        half = 1 / (2 * grid.rate)
        assert grid.centre(latent) - half <= centre < grid.centre(latent) + half
        assert 0 <= found.position[frame] < found.positions
    places = list(zip(found.latent.tolist(), found.position.tolist(), strict=True))
    assert len(set(places)) == len(places) or rate > 100


def facts(*pairs):
    return [Facts(f"{speaker}/{i}", speaker, sex) for i, (speaker, sex) in enumerate(pairs)]


@given(some.lists(some.tuples(some.sampled_from([UNKNOWN, *"abcdefgh"]), some.just("f")), min_size=1, max_size=40))
def test_no_speaker_is_on_both_sides(pairs):
    some_facts = facts(*pairs)
    split = by_speaker(some_facts)
    speakers = [{f.speaker for f, part in zip(some_facts, split.train, strict=True) if part is side} for side in (True, False)]
    if split.by == "speakers":
        assert not speakers[0] & speakers[1]
        assert UNKNOWN not in speakers[0] | speakers[1]
    within = within_speakers(some_facts)
    speakers = [{f.speaker for f, part in zip(some_facts, within.train, strict=True) if part is side} for side in (True, False)]
    assert speakers[0] == speakers[1]
    assert UNKNOWN not in speakers[0]
    if by_speaker(some_facts).usable:
        assert by_speaker(some_facts[::-1]).train[::-1] == split.train or split.by == "recordings"


def test_both_sexes_are_on_both_sides():
    some_facts = facts(*[(f"{sex}{i}", sex) for sex in "fm" for i in range(5)])
    split = by_speaker(some_facts)
    for side in (True, False):
        assert {f.sex for f, part in zip(some_facts, split.train, strict=True) if part is side} == {"f", "m"}
    assert sum(part is False for part in split.train) >= 4


def test_standardising_uses_the_training_part_and_survives_constants():
    x = np.array([[1.0, 5.0], [3.0, 5.0]], np.float32)
    mean, scale = probes.standardising(x)
    assert mean.tolist() == [2, 5]
    assert scale.tolist() == [1, 1]
    y = np.full((2, 1, 1), np.nan, np.float32)
    y[0] = 3
    assert np.isnan(probes.standardised(y, np.array([[[1.0]], [[2.0]]]))[1]).all()


def test_too_many_frames_are_drawn_down_evenly(monkeypatch):
    from untold.evaluation import _probed

    monkeypatch.setattr(_probed, "MOST_FRAMES", 500)
    found = rows(Subject("phones"), corpus())["phone_accuracy", ""]
    assert 450 <= int(found.conventions["train_frames"]) <= 550
    assert found.value > 0.95


def test_mfcc_of_real_speech_tell_phones_speakers_and_sound(shared):
    speech = recordings(shared / "data/timit-sample", speakers=8)
    for which in ("none", "file"):
        found = rows(open_subject(f"mfcc:normalise={which}"), speech)
        assert 0.35 < found["phone_accuracy", ""].value < 0.6
        assert found["phone_accuracy", ""].low > found["phone_accuracy", "chance"].high
        assert found["logmel_mse", ""].value < (0.15 if which == "none" else 0.4)
        spoken = found["speaker_accuracy", ""].value
        assert spoken > 0.6 if which == "none" else spoken < 0.3  # the mean over the file is what is normalised away
