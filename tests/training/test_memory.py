"""What does not fit in memory is said before training, with the number."""

from __future__ import annotations

from pathlib import Path

import pytest

from untold.cli import main
from untold.corpora import open_source
from untold.runs import build, resolve
from untold.training import memory
from untold.training.preparation import adapted_table

from ..sounds import write_sounds


def test_what_an_example_keeps_is_what_the_stack_of_a_wavenet_must_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    corpus = open_source(str(write_sounds(tmp_path / "sounds")))
    name, settings = resolve("wavenet", {"crop": "0.32"})
    model = build(name, settings, {}, 0)
    table = adapted_table(model, corpus, tmp_path / "adapted")
    (phase,) = model.method.phases()
    found = memory.kept_by_an_example(model, corpus, table, phase, "no")
    stack = 5120 * 20 * 64 * 4 * 4  # samples, layers, channels; what is heard, two halves of the gates, what passed them; floats
    head = 5120 * (64 + 3 * 256) * 4
    assert stack + head / 2 < found < 1.3 * (stack + head)
    half = memory.kept_by_an_example(model, corpus, table, phase, "bf16")
    assert 0.4 * found < half < 0.75 * found


def test_a_recipe_that_does_not_fit_is_refused_with_the_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(memory, "available", lambda device: 300_000_000)
    source = write_sounds(tmp_path / "sounds")
    words = ["train", "wavenet", str(source), "--steps", "1", "--quiet", "--out"]
    assert main([*words, str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert "keeps at least 0.9 GB and 0.3 GB are free; a batch of 2 would fit (--set batch=2)" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run" / "model.safetensors").exists()
    assert main([*words, str(tmp_path / "small"), "--set", "batch=2", "--set", "crop=0.05"]) == 0


def test_there_is_memory_here() -> None:
    import psutil
    import torch

    assert 0 < memory.available(torch.device("cpu")) <= psutil.virtual_memory().total
