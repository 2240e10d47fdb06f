"""The scripts of benchmarks/: what stands in a table can be made again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from untold.corpora import open_source

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("script", sorted(BENCHMARKS.glob("[a-z]*.py")), ids=lambda script: script.stem)
def test_each_says_what_it_does(script: Path) -> None:
    done = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert script.name in done.stdout


def test_a_single_speaker_reads_a_text_with_labels(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader", reason="needs the extra espeak: pip install 'untold[espeak]'")
    sentence = "It was a wet day, and the ducks of the pond were loud.\n"
    (tmp_path / "text.txt").write_text(f"CHAPTER 1\n\n“Too short.” In 1815 this one has a number in it, and is left out.\n{sentence * 4}")
    command = [sys.executable, str(BENCHMARKS / "one_speaker.py"), str(tmp_path / "text.txt"), str(tmp_path / "hour"), "--minutes", "0.05"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = open_source(str(tmp_path / "hour"))
    assert said.length >= 0.05 * 60
    tiers = said[0].tiers
    assert [row.label for row in tiers["words"]][:2] == ["it", "was"]
    assert tiers["phones"][0].label == "sil"
