"""A density of sound by itself: it sums to one, is measured beside linear prediction, and makes sound."""

from __future__ import annotations

import contextlib
import io
import itertools
import math
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from untold import runs
from untold.cli import main
from untold.contract import Batch, Grid, Stream
from untold.evaluation._options import TaskOptions
from untold.evaluation._samples import linear_prediction
from untold.evaluation.tasks import nats
from untold.frontends import mulaw, waveform
from untold.methods import wavenet

from ..sounds import sets, write_sounds

TINY = ["decoder.channels=16", "decoder.skips=16", "decoder.layers=4", "decoder.cycles=1", "decoder.head=16", "batch=4", "crop=0.1"]


def test_likelihoods_of_all_sequences_sum_to_one() -> None:
    torch.manual_seed(0)
    small = {"target": {"bits": 2}, "decoder": {"channels": 16, "skips": 16, "layers": 2, "cycles": 1, "head": 16}}
    method = wavenet.build(wavenet.Settings().changed(small), {"target": mulaw.build(mulaw.Settings(bits=2))}, {})
    every = torch.tensor(list(itertools.product(range(4), repeat=4)))
    ones = torch.ones(every.shape, dtype=torch.bool)
    x = Stream(every[..., None], torch.full((len(every),), 4), ones, Grid("second", Fraction(16000), Fraction(1, 32000)))
    with torch.no_grad():
        nats = method.log_prob(Batch({"target": x}, {}, torch.arange(len(every)), torch.zeros(len(every), dtype=torch.int64)))
    assert float(nats.sum(1).exp().sum()) == pytest.approx(1, abs=1e-5)
    assert float(nats.sum(1).std()) > 0


def test_linear_prediction_costs_what_the_entropy_of_its_process_is() -> None:
    draw = np.random.default_rng(0)
    x = np.zeros(20000)
    for n in range(2, len(x)):
        x[n] = 1.6 * x[n - 1] - 0.8 * x[n - 2] + 0.01 * draw.standard_normal()
    step = 2.0**-9
    steps = np.round(x / step)
    bits = linear_prediction(steps * step, (steps - 0.5) * step, (steps + 0.5) * step)[2000:].mean()
    entropy = math.log2(0.01 * math.sqrt(2 * math.pi * math.e) / step)
    assert entropy < bits < entropy + 0.1


@pytest.mark.parametrize("front", [mulaw.build(mulaw.Settings()), waveform.build(waveform.Settings())])
def test_a_value_lies_within_its_own_interval_and_no_gap_is_between_two(front: Any) -> None:
    if isinstance(front, mulaw.MuLaw):
        values = np.arange(256)
        low, high = front.between(values)
        assert np.array_equal(mulaw.encode(torch.from_numpy(front.heard(values))).numpy(), values)
    else:
        values = np.linspace(-1, 1, 65536)
        low, high = front.between(values)
        assert np.array_equal(front.numbered(values), np.arange(65536))
    assert (low <= front.heard(values)).all()
    assert (front.heard(values) <= high).all()
    assert np.allclose(low[1:], high[:-1])
    assert low[0] == -np.inf
    assert high[-1] == np.inf


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A source and a RUN of it."""
    place = tmp_path_factory.mktemp("wavenet")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setenv("UNTOLD_CACHE", str(place / "cache"))
        source = write_sounds(place / "sounds")
        assert main(["train", "wavenet", str(source), "--steps", "200", "--quiet", "--out", str(place / "run"), *sets(TINY), "--set", "sides=speaker"]) == 0
    return source, place / "run"


def test_bits_stand_beside_codes_without_a_network_and_samples_cost_like_the_data(made: tuple[Path, Path]) -> None:
    from untold.corpora import open_source

    model = runs.Run.open(made[1]).model("cpu")
    subject: Any = SimpleNamespace(name="it", model=model)
    corpus = open_source(str(made[0]))
    rows = {score.method: score.value for score in nats.measure(subject, corpus, TaskOptions()) if score.metric == "bits_per_dim"}
    assert rows["uniform"] == 8
    assert rows["linear_prediction"] < rows["unigram"] < rows["uniform"]
    assert rows[""] < rows["unigram"]
    sides = {"speaker": torch.ones(4, dtype=torch.int64)}
    drawn = torch.from_numpy(np.concatenate(list(model.method.draw(8000, sides, torch.arange(4))), 1)).long()
    x = Stream(drawn[..., None], torch.full((4,), 8000), torch.ones(drawn.shape, dtype=torch.bool), model.fronts["target"].grid)  # type: ignore[arg-type]
    with torch.no_grad():
        bits = -model.method.log_prob(Batch({"target": x}, sides, torch.arange(4), torch.arange(4))).mean() / math.log(2)
    assert float(bits) == pytest.approx(rows[""], abs=0.7)


def test_sounds_are_drawn_and_the_same_however_many(made: tuple[Path, Path], tmp_path: Path) -> None:
    words = ["sample", str(made[1]), "--seconds", "0.3", "--speaker", "s1", "--quiet"]
    assert main([*words, "-n", "3", "--out", str(tmp_path / "three")]) == 0
    assert main([*words, "-n", "1", "--out", str(tmp_path / "one")]) == 0
    assert main([*words, "-n", "1", "--seed", "1", "--out", str(tmp_path / "other")]) == 0
    three = [soundfile.read(tmp_path / "three" / f"sample-{i}.wav")[0] for i in (1, 2, 3)]
    assert {len(x) for x in three} == {4800}
    assert np.array_equal(soundfile.read(tmp_path / "one" / "sample-1.wav")[0], three[0])
    assert not np.array_equal(soundfile.read(tmp_path / "other" / "sample-1.wav")[0], three[0])
    assert not np.array_equal(three[0], three[1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--temperature", "0"], "--temperature 0.0: above 0"),
        (["--seconds", "7200"], "--seconds 7200: above 0 and up to 3600 expected (draw more of them with -n)"),
        (["-n", "0"], "-n 0: at least 1"),
        (["--speaker", "nobody"], "nobody"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_line(made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(["sample", str(made[1]), "--out", str(tmp_path / "out"), *words]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_has_no_density_of_its_own_makes_nothing_out_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], made: tuple[Path, Path]) -> None:
    from ..sounds import SMALL_MIXTURE

    assert main(["train", "mixture", str(made[0]), "--quiet", "--out", str(tmp_path / "run"), *sets(SMALL_MIXTURE)]) == 0
    assert main(["sample", str(tmp_path / "run"), "--out", str(tmp_path / "out")]) == 1
    assert "untold reconstruct" in capsys.readouterr().err
