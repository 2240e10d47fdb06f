"""Units of an utterance were written into the copy of the ELAN file from 0 s on, wherever the utterance began."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from untold import cli
from untold.contract import Interval
from untold.formats import elan


def test_units_lie_within_their_utterance(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    sound, own = Path("recordings/ama/story.wav"), Path("recordings/ama/story.eaf")
    sound.parent.mkdir(parents=True)
    soundfile.write(sound, 0.1 * np.random.default_rng(0).standard_normal(16000 * 5), 16000)
    spoken = [Interval(Fraction(1), Fraction(2), "one"), Interval(Fraction(3), Fraction(4), "two")]
    elan.write(own, {"utterances": spoken}, sound)
    own.write_text(own.read_text().replace('TIER_ID="utterances"', 'TIER_ID="utterances" PARTICIPANT="Ama"'))
    settings = ["--set", "components=8", "--set", "input.warp=none"]
    assert cli.main(["train", "mixture", "recordings", "--steps", "1", *settings, "--out", "run", "--quiet"]) == 0
    assert cli.main(["tokenize", "run", "recordings", "--out", "units", "--format", "elan", "--quiet"]) == 0
    for utterance, name in zip(spoken, ("story_0001", "story_0002"), strict=True):
        units = elan.read(Path(f"units/ama/{name}.eaf")).tiers["units"]
        assert (units[0].start, units[-1].end) == (utterance.start, utterance.end)
