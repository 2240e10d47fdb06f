"""Two processes do what one does: the same loss curve, the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from untold.cli import main

from .sounds import SMALL, SMALL_MIXTURE, sets, write_sounds

_TINY = ["channels=16", "skips=16", "layers=4", "cycles=1", "head=16"]
WAVENET = ["batch=4", "sound_share=0.5", "window=0.1", "input.warp=none", "target.warp=none", *(f"sound_decoder.{part}" for part in _TINY)]
WAVENET_ALONE = ["window=0.1", "input.warp=none", *(f"decoder.{part}" for part in _TINY)]

CPC = ["encoder.width=16", "context_dimensions=16", "batch=5", "crop=0.5", "predicted=none", "negatives=same_speaker", "drawn=40"]
PAIRS = ["encoder.width=16", "context_dimensions=16", "context_layers=2", "batch=5", "crop=0.5", "predicted=none", "bottleneck.code.size=6"]
MASKED = ["encoder.width=16", "encoder.layers=1", "encoder.heads=2", "encoder.window=6", "encoder.kernel=3", "components=8", "frames=500", "batch=5", "crop=0.6", "rounds=2", "clustered=1", "target.warp=none"]


def commands(source: Path, out: Path) -> list[list[str]]:
    """Trainings and readings into `out`."""
    rest = ["--threads", "1", "--device", "cpu", "--quiet"]
    return [
        ["train", "vq_vae", str(source), "--steps", "8", "--out", str(out / "vq"), *sets(SMALL), *rest],
        ["train", "vq_vae", str(source), "--steps", "8", "--out", str(out / "gradient"), *sets([*SMALL, "bottleneck.codebook=gradient"]), *rest],
        ["train", "laptop", str(source), "--steps", "4", "--out", str(out / "laptop"), *sets([*SMALL, *WAVENET]), *rest],
        ["train", "wavenet_autoencoder", str(source), "--steps", "4", "--out", str(out / "samples"), *sets([*SMALL[:2], *SMALL[3:], *WAVENET_ALONE]), *rest],
        ["train", "cpc", str(source), "--steps", "4", "--out", str(out / "cpc"), *sets(CPC), *rest],
        ["train", "vq_wav2vec", str(source), "--steps", "4", "--out", str(out / "pairs"), *sets(PAIRS), *rest],
        ["train", "masked_units", str(source), "--steps", "6", "--out", str(out / "masked"), *sets(MASKED), *rest],
        ["train", "mixture", str(source), "--steps", "3", "--out", str(out / "mixture"), *sets(SMALL_MIXTURE), *rest],
    ]


def readings(source: Path, run: Path, out: Path) -> list[list[str]]:
    rest = ["--threads", "1", "--device", "cpu", "--quiet"]
    return [
        ["encode", str(run), str(source), "--out", str(out / "features"), *rest],
        ["encode", "mfcc:normalise=speaker", str(source), "--out", str(out / "mfcc"), *rest],
        ["tokenize", str(run), str(source), "--out", str(out / "units"), "--format", "jsonl,ctm,zerospeech,textgrid,elan", *rest],
    ]


def in_two(place: Path, lines: list[list[str]], statuses: list[int]) -> subprocess.CompletedProcess[str]:
    """Runs commands one after the other in two processes."""
    script = place / "script.py"
    script.write_text(
        "import json, sys\nfrom untold.cli import main\n"
        f"for words, status in zip(json.loads({json.dumps(json.dumps(lines))}), {statuses!r}):\n"
        "    found = main(words)\n    assert found == status, (found, words)\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone", str(script)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)


def losses(run: Path) -> dict[int, dict[str, float]]:
    """By step; but for the share of choices that are wrong: one that is all but a tie may fall either way."""
    lines = [json.loads(line) for line in (run / "progress.jsonl").read_text().splitlines()]
    return {line["step"]: {name: value for name, value in line["losses"].items() if name != "missed"} for line in lines}


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_two_processes_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    source = write_sounds(tmp_path / "sounds", (1.2, 0.9, 1.31, 0.7, 1.0))  # five: the shares differ
    one, two = tmp_path / "one", tmp_path / "two"
    for words in commands(source, one):
        assert main(words) == 0
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache of two"))
    lines = [*commands(source, two), *readings(source, one / "vq", two), ["encode", "mfcc", str(tmp_path / "absent"), "--out", str(two / "x")]]
    done = in_two(tmp_path, lines, [0] * (len(lines) - 1) + [1])
    assert done.returncode == 1  # the launcher's: a mistake in words ends all processes
    assert done.stderr.count("untold: error: ") == done.stderr.count("no such folder") == 1
    for run in ("vq", "gradient", "laptop", "samples", "cpc", "pairs", "masked", "mixture"):
        a, b = load_file(one / run / "model.safetensors"), load_file(two / run / "model.safetensors")
        for name in a:
            np.testing.assert_allclose(b[name], a[name], atol=2e-3, rtol=2e-3, err_msg=f"{run} {name}")
        curve, other = losses(one / run), losses(two / run)
        steps = sorted(set(curve) & set(other))
        assert steps[:3] == [1, 2, 3]
        assert steps[-1] == max(curve) == max(other)
        for step in steps:
            assert curve[step] == pytest.approx(other[step], rel=1e-4)
        assert json.loads((two / run / "run.json").read_text())["cost"]["processes"] == 2
        assert not list((two / run).rglob("*.part"))
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    for words in readings(source, one / "vq", tmp_path / "read by one"):
        assert main(words) == 0
    for folder in ("features", "mfcc", "units"):
        assert files(tmp_path / "read by one" / folder) == files(two / folder)
    assert {"units.jsonl", "units.ctm", "quantized_outputs.txt"} <= set(files(two / "units"))
