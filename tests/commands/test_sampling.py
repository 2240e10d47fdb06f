"""A decoder of samples from end to end: recordings and units back to sound, in words where it cannot be."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from untold import resynthesis
from untold.cli import main

from ..sounds import SMALL, sets, write_sounds

WAVENET = [
    *SMALL, "sound=mulaw", "sound_decoder.name=wavenet", "sound_decoder.channels=16", "sound_decoder.skips=16", "sound_decoder.layers=5",
    "sound_decoder.head=32", "sound_share=1", "window=0.1", "input.warp=none", "target.warp=none",
]


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A source, a RUN, and the units of the source."""
    place = tmp_path_factory.mktemp("sampling")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setenv("UNTOLD_CACHE", str(place / "cache"))
        source = write_sounds(place / "sounds")
        assert main(["train", "vq_vae", str(source), "--steps", "6", "--threads", "1", "--quiet", "--out", str(place / "run"), *sets(WAVENET)]) == 0
        assert main(["tokenize", str(place / "run"), str(source), "--quiet", "--out", str(place / "units")]) == 0
    return source, place / "run", place / "units" / "units.jsonl"


def sounds(folder: Path) -> dict[str, np.ndarray]:
    return {str(p.relative_to(folder)): soundfile.read(p)[0] for p in sorted(folder.rglob("*.wav"))}


def test_recordings_come_back_as_long_as_they_were_and_the_same_in_any_company(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    source, run, _ = made
    assert main(["reconstruct", str(run), str(source), "--quiet", "--threads", "1", "--out", str(tmp_path / "all")]) == 0
    assert main(["reconstruct", str(run), str(source), "--quiet", "--threads", "2", "--limit", "2", "--out", str(tmp_path / "two")]) == 0
    assert main(["reconstruct", str(run), str(source), "--quiet", "--seed", "1", "--limit", "1", "--out", str(tmp_path / "other")]) == 0
    whole, some, other = (sounds(tmp_path / name) for name in ("all", "two", "other"))
    originals = sounds(source)
    assert {name: len(x) for name, x in whole.items()} == {name: len(x) for name, x in originals.items()}
    assert len(some) == 2
    assert all(np.array_equal(whole[name], x) for name, x in some.items())
    assert all(not np.array_equal(whole[name], x) for name, x in other.items())


def test_units_alone_become_sound(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, run, units = made
    assert main(["reconstruct", str(run), "--from-units", str(units), "--speaker", "s1", "--quiet", "--temperature", "0.7", "--out", str(tmp_path / "out")]) == 0
    made_of = sounds(tmp_path / "out")
    assert len(made_of) == 6
    assert all(x.std() > 0 for x in made_of.values())


@pytest.mark.parametrize("temperature", ["0", "-1"])
def test_a_temperature_of_zero_or_below_is_said(made: tuple[Path, Path, Path], tmp_path: Path, temperature: str, capsys: pytest.CaptureFixture[str]) -> None:
    source, run, _ = made
    assert main(["reconstruct", str(run), str(source), "--temperature", temperature, "--out", str(tmp_path / "out")]) == 1
    assert "--temperature" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_ctrl_c_keeps_what_was_drawn(made: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, run, _ = made
    drawn = resynthesis.Resynthesis.pieces

    def stopped(self: resynthesis.Resynthesis, wanted: list[resynthesis.Wanted]) -> object:
        for number, piece in enumerate(drawn(self, wanted)):
            if number == 2:
                raise KeyboardInterrupt
            yield piece

    monkeypatch.setattr(resynthesis.Resynthesis, "pieces", stopped)
    assert main(["reconstruct", str(run), str(source), "--quiet", "--out", str(tmp_path / "out")]) == 130
    kept = sounds(tmp_path / "out")
    assert len(kept) == 6
    assert {len(x) for x in kept.values()} == {6400}  # two pieces of 0.2 seconds
