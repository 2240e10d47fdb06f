"""Instruments for sound that was made again: pitch, distances, codecs, and whose voice it is."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from untold import runs
from untold.cli import main
from untold.contract import Recording, Score
from untold.corpora import open_source
from untold.errors import UntoldError
from untold.evaluation import _resounding
from untold.evaluation._options import TaskOptions
from untold.evaluation._pitch import pitch
from untold.evaluation.tasks import codec, conversion

from ..commands.speech import speech
from ..sounds import SMALL, SMALL_MIXTURE, sets


def tone(hertz: float | np.ndarray, seconds: float = 1.0) -> np.ndarray:
    """A buzz with ten harmonics."""
    phase = np.cumsum(np.full(int(seconds * 16000), hertz) if np.isscalar(hertz) else hertz) / 16000
    return np.asarray(0.1 * sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, 11)), np.float32)


@pytest.mark.parametrize("hertz", [70.0, 123.4, 220.0, 401.0])
def test_the_pitch_of_a_buzz_is_its_frequency(hertz: float) -> None:
    found = pitch(tone(hertz))
    assert len(found) == 100
    inner = found[5:-5]
    assert (inner > 0).all()
    assert np.abs(1200 * np.log2(inner / hertz)).max() < 10


def test_a_glide_is_followed_and_noise_and_silence_have_no_pitch() -> None:
    glide = np.linspace(100, 300, 16000)
    found = pitch(tone(glide))[8:-8]
    assert np.abs(1200 * np.log2(found / glide[80::160][8:-8])).max() < 60
    noise = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    assert (pitch(0.1 * noise) > 0).mean() < 0.02
    assert not pitch(np.zeros(16000, np.float32)).any()
    assert len(pitch(np.zeros(0, np.float32))) == 0


def recording(samples: np.ndarray) -> Recording:
    from fractions import Fraction

    from untold.contract import Grid

    return Recording("one", {"audio": _resounding.Sounded(samples, Grid("second", Fraction(16000), Fraction(1, 32000)))})


def test_distances_are_zero_to_itself_and_those_of_what_was_changed() -> None:
    original = recording(tone(200.0))
    same = _resounding.distance(original, original)
    assert (same.distortion, same.squared_cents, same.differing) == (0, 0, 0)
    higher = _resounding.distance(original, recording(tone(200.0 * 2 ** (100 / 1200))))
    assert np.sqrt(higher.squared_cents / higher.voiced) == pytest.approx(100, abs=5)
    louder = _resounding.distance(original, recording(2 * tone(200.0)))
    assert louder.distortion / louder.frames < 0.02  # loudness is no cepstrum from the first on
    silent = _resounding.distance(original, recording(np.zeros(16000, np.float32)))
    assert silent.differing >= 95


def test_opus_costs_about_what_was_asked_for_and_comes_back_as_long() -> None:
    samples = tone(np.linspace(100, 300, 64000))
    back, bits = _resounding.opus(samples)
    assert len(_resounding.samples_of(_resounding.resounding(recording(samples), back))) == len(samples)
    assert 2000 < bits / 4 < 16000
    assert _resounding.distance(recording(samples), _resounding.resounding(recording(samples), back)).distortion > 0


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Six voices with phones, and a RUN of them."""
    place = tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setenv("UNTOLD_CACHE", str(place / "cache"))
        source = speech(place / "source")
        assert main(["train", "vq_vae", str(source), "--steps", "30", "--threads", "1", "--quiet", "--out", str(place / "run"), *sets([*SMALL, "input.warp=none", "target.warp=none"])]) == 0
        assert main(["train", "mixture", str(source), "--threads", "1", "--quiet", "--out", str(place / "mixture"), *sets(SMALL_MIXTURE)]) == 0
    return source, place / "run"


def rows(task: Any, made: tuple[Path, Path]) -> dict[tuple[str, ...], Score]:
    run = runs.Run.open(made[1])
    subject: Any = SimpleNamespace(name="it", run=run, model=run.model("cpu"))
    subject.alphabet, subject.units = subject.model.alphabet, subject.model.units
    found = task.measure(subject, open_source(str(made[0])), TaskOptions())
    return {(s.metric, getattr(s, "method", ""), s.conventions.get("accounting", s.conventions.get("voice", ""))): s for s in found}


def test_a_codec_stands_beside_mulaw_and_opus(made: tuple[Path, Path]) -> None:
    found = rows(codec, made)
    assert found["codec_bits_per_second", "", "log2k"].value == pytest.approx(50 * 4)  # 16 codewords, 50 a second
    assert found["codec_bits_per_second", "mulaw", "8 bits a sample"].value == 128000
    assert found["codec_bits_per_second", "", "unigram"].value < found["codec_bits_per_second", "opus", "packets"].value < 128000
    far = {method: found["mel_cepstral_distortion", method, ""].value for method in ("", "griffin_lim", "opus", "mulaw")}
    assert far["griffin_lim"] < far[""]
    assert all(0 < value < 50 for value in far.values())
    for method in ("", "original", "opus", "griffin_lim", "mulaw"):
        assert 0 <= found["codec_abx_across", method, ""].value <= 1
    assert found["codec_abx_across", "original", ""].value <= found["codec_abx_across", "", ""].value


def test_sound_without_any_voice_has_no_pitch_error_and_says_so(made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_resounding, "made", lambda back, wanted: (np.zeros(one.samples or 0, np.float32) for one in wanted))
    said: list[str] = []
    run = runs.Run.open(made[1])
    subject: Any = SimpleNamespace(name="it", run=run, model=run.model("cpu"))
    subject.alphabet, subject.units = subject.model.alphabet, subject.model.units
    corpus = open_source(str(made[0]))
    found = [*codec.measure(subject, corpus, TaskOptions(say=said.append)), *conversion.measure(subject, corpus, TaskOptions(say=said.append))]
    assert all(np.isfinite(score.value) for score in found)
    assert "f0_error of it left out: no frame of its sound is voiced where the original is" in said
    assert "conversion_f0_error of voice=own left out: nothing of it is voiced" in said


def test_originals_are_named_and_so_are_their_copies(made: tuple[Path, Path]) -> None:
    found = {(metric, voice): score for (metric, _, voice), score in rows(conversion, made).items()}
    assert {voice for metric, voice in found if metric == "conversion_speaker_accuracy"} == {"original", "own", "target", "griffin_lim"}
    assert {getattr(score, "method", "") for (_, voice), score in found.items() if voice in ("own", "target")} == {""}
    assert getattr(found["conversion_f0_error", "original"], "method", "") == "original"
    assert found["conversion_phone_accuracy", "original"].value > 0.8
    assert found["conversion_phone_accuracy", "griffin_lim"].value > 0.6
    assert found["conversion_speaker_accuracy", "original"].conventions["targets"] == "6"
    assert found["conversion_speaker_accuracy", "original"].conventions["conversions"] == "18"
    assert found["conversion_phone_accuracy", "target"].value <= found["conversion_phone_accuracy", "original"].value


def test_what_makes_no_sound_is_said(made: tuple[Path, Path]) -> None:
    run = runs.Run.open(made[1].parent / "mixture")
    subject: Any = SimpleNamespace(name="it", run=run, model=run.model("cpu"))
    for task in (codec, conversion):
        with pytest.raises(UntoldError, match="makes no sound"):
            task.measure(subject, open_source(str(made[0])), TaskOptions())


def test_one_speaker_cannot_be_converted(made: tuple[Path, Path]) -> None:
    run = runs.Run.open(made[1])
    subject: Any = SimpleNamespace(name="it", run=run, model=run.model("cpu"))
    recordings = [replace(r, sides={**r.sides, "speaker": "nobody"}) for r in open_source(str(made[0]))]
    with pytest.raises(UntoldError, match="two speakers"):
        conversion.measure(subject, recordings, TaskOptions())
