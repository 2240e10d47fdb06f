"""Training that is stopped: by Ctrl-C, by a loss that is no number, by another process; and what a budget in minutes does."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from untold.cli import main
from untold.training import checkpoint, loop
from untold.training.monitors import Progress

from ..sounds import SMALL, SMALL_MIXTURE, sets, write_sounds

STILL = ["--threads", "1", "--device", "cpu", "--quiet"]
METHODS = {"vq_vae": SMALL, "vq_vae:sound_phase=0.5": SMALL, "mixture": SMALL_MIXTURE}


@pytest.fixture(name="source")
def _source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    return write_sounds(tmp_path / "sounds")


def train(source: Path, *words: object, method: str = "vq_vae") -> int:
    return main(["train", method, str(source), *sets(METHODS[method]), *STILL, *map(str, words)])


def lines(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "progress.jsonl").read_text().splitlines()]


def at_call(monkeypatch: pytest.MonkeyPatch, number: int, do: object) -> None:
    """Does something at the n-th batch that is drawn."""
    drawn, calls = loop.Loader.batch, []

    def batch(self, step, following=None):
        calls.append(step)
        if len(calls) == number:
            do()
        return drawn(self, step, following)

    monkeypatch.setattr(loop.Loader, "batch", batch)


@pytest.mark.parametrize(("method", "steps", "stop"), [("vq_vae", 6, 3), ("vq_vae:sound_phase=0.5", 6, 5), ("mixture", 3, 4)])
def test_ctrl_c_keeps_the_step_in_hand_and_resume_is_exact(method, steps, stop, source, tmp_path, monkeypatch, capsys):
    assert train(source, "--steps", steps, "--out", tmp_path / "whole", method=method) == 0
    with monkeypatch.context() as patch:
        at_call(patch, stop, lambda: os.kill(os.getpid(), signal.SIGINT))
        assert train(source, "--steps", steps, "--out", tmp_path / "cut", method=method) == 130
    assert f"--resume {tmp_path / 'cut'}" in capsys.readouterr().err
    assert not (tmp_path / "cut/model.safetensors").exists()
    again = []
    drawn = loop.Loader.batch
    monkeypatch.setattr(loop.Loader, "batch", lambda self, step, following=None: (again.append(step), drawn(self, step, following))[1])
    assert train(source, "--steps", steps, "--resume", tmp_path / "cut", method=method) == 0
    assert len(again) > 0 and (method == "mixture" or len(again) == steps - stop)  # nothing is done twice
    assert (tmp_path / "cut/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()
    told = [(line["phase"], line["step"]) for line in lines(tmp_path / "cut")]
    assert len(told) == len(set(told))
    assert [line["losses"] for line in lines(tmp_path / "cut")][-1] == [line["losses"] for line in lines(tmp_path / "whole")][-1]


def test_half_a_pass_is_gone_on_with(source, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint.Clock, "due", lambda clock: True)
    assert train(source, "--steps", 3, "--out", tmp_path / "whole", method="mixture") == 0
    drawn, seen = loop.Loader.batch, []

    class Killed(BaseException):
        pass

    def batch(self, step, following=None):
        seen.append(step)
        if len(seen) % 2 == 0:
            raise Killed
        return drawn(self, step, following)

    monkeypatch.setattr(loop.Loader, "batch", batch)
    out = ["--out", tmp_path / "cut"]
    for _ in range(40):
        try:
            assert train(source, "--steps", 3, *out, method="mixture") == 0
            break
        except Killed:
            out = ["--resume", tmp_path / "cut"]
    assert (tmp_path / "cut/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()


def test_a_loss_that_is_no_number_keeps_the_last_good_state(source, tmp_path, monkeypatch, capsys):
    stepped, calls = loop._step, []

    def step(losses, player, optimiser, rate, state):
        calls.append(1)
        if len(calls) == 4:
            losses = {name: loop.Loss(loss.value * torch.nan, loss.count, loss.unit) for name, loss in losses.items()}
        return stepped(losses, player, optimiser, rate, state)

    assert train(source, "--steps", 6, "--out", tmp_path / "whole") == 0
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Clock, "due", lambda clock: True)
        patch.setattr(loop, "_step", step)
        assert train(source, "--steps", 6, "--out", tmp_path / "run") == 1
    said = capsys.readouterr().err
    assert "nan" in said and "step 4" in said and "smaller learning_rate" in said and said.count("\n") == 1
    assert train(source, "--steps", 6, "--resume", tmp_path / "run") == 0  # it was the machine, not the data
    assert (tmp_path / "run/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()


def test_a_forgotten_process_stops_when_another_goes_on(source, tmp_path, monkeypatch, capsys):
    at_call(monkeypatch, 3, lambda: checkpoint.Claim(tmp_path / "run"))
    assert train(source, "--steps", 6, "--out", tmp_path / "run") == 1
    assert "another process has gone on" in capsys.readouterr().err
    assert train(source, "--steps", 6, "--resume", tmp_path / "run") == 0


def test_preparation_is_kept_in_pieces(source, tmp_path, monkeypatch):
    from untold.training import preparation

    monkeypatch.setattr(preparation, "_OFTEN", 0.0)
    adapted, seen = preparation.adapt, []

    def adapt(front, signals):
        seen.append(1)
        if len(seen) == 5:
            raise KeyboardInterrupt
        return adapted(front, signals)

    monkeypatch.setattr(preparation, "adapt", adapt)
    assert train(source, "--steps", 1, "--out", tmp_path / "run") == 130
    assert train(source, "--steps", 1, "--resume", tmp_path / "run") == 0
    recordings = json.loads((tmp_path / "run/run.json").read_text())["split"]["train"]
    assert len(seen) == 5 + 3 * recordings - 3  # three front ends; the one finished recording is not read again


class Watch:
    """Time that passes by a step's length at each batch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.now = 1000.0
        drawn = loop.Loader.batch

        def batch(loader, step, following=None):
            self.now += seconds
            return drawn(loader, step, following)

        monkeypatch.setattr(loop.Loader, "batch", batch)
        for module in ("untold.training.loop", "untold.training.session", "untold.training.checkpoint", "untold.training.preparation"):
            monkeypatch.setattr(f"{module}.time", self)

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return int(self.now * 1e9)


def test_minutes_become_steps_after_thirty_seconds_and_stay(source, tmp_path, monkeypatch):
    """Steps of 3 s, ten minutes: 200 of them, known after 30 s of timed steps and written down then."""
    with monkeypatch.context() as patch:
        Watch(patch, 3.0)
        known = []

        class Killed(BaseException):
            pass

        written = Progress.write

        def write(self, **facts):
            known.append((facts["step"], facts["steps"]))
            if facts["step"] == 30:
                raise Killed
            written(self, **facts)

        patch.setattr(Progress, "write", write)
        with pytest.raises(Killed):
            train(source, "--minutes", 10, "--out", tmp_path / "run")
    assert known[12][1] == 200 and all(steps is None for _, steps in known[:12])  # three steps to warm up, ten to measure
    assert json.loads((tmp_path / "run/run.json").read_text())["planned"]["phases"] == {"train": 200}
    Watch(monkeypatch, 0.5)  # a faster machine changes nothing any more
    assert train(source, "--minutes", 10, "--resume", tmp_path / "run") == 0
    told = [line["step"] for line in lines(tmp_path / "run")]
    assert told == sorted(set(told)) and told[-1] == 200


def test_minutes_bound_the_passes_of_what_fits(source, tmp_path, monkeypatch):
    Watch(monkeypatch, 60.0)
    assert train(source, "--minutes", 5, "--set", "context=0", "--out", tmp_path / "run", method="mixture") == 0
    batches = 2  # of 6 x 0.5 s, in 600 frames
    assert json.loads((tmp_path / "run/run.json").read_text())["planned"]["phases"] == {"mixture": 5 // batches}


def test_lines_of_progress_after_the_state_are_forgotten(tmp_path):
    path = tmp_path / "progress.jsonl"
    every = [("warp", 1), ("warp", 2), ("train", 1), ("train", 2), ("train", 3), ("more", 1)]
    text = "".join(json.dumps({"phase": p, "step": s}) + "\n" for p, s in every)
    for at, left in {("warp", 1): 1, ("warp", 2): 2, ("train", 0): 2, ("train", 2): 4, ("more", 0): 5, None: 0}.items():
        path.write_text(text + '{"phase": "tr')
        Progress(path, at)
        assert len(path.read_text().splitlines()) == left
