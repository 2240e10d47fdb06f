"""Kaldi folders: tables, segments, and paths and commands of strangers."""

from __future__ import annotations

import numpy as np
import pytest

from untold.corpora import open_source
from untold.errors import UntoldError


def test_recordings_and_speakers(tmp_path, write):
    samples = write(tmp_path / "audio" / "one.wav")
    write(tmp_path / "audio" / "two.wav")
    (tmp_path / "wav.scp").write_text(f"u1 audio/one.wav\nu2 {tmp_path}/audio/two.wav\n")
    (tmp_path / "utt2spk").write_text("u1 mary\nu2 tom\n")
    (tmp_path / "spk2gender").write_text("mary f\ntom m\n")
    corpus = open_source(str(tmp_path))
    assert corpus.description.startswith("a Kaldi folder of 2 recordings (wav), 2.0 seconds, 2 speakers")
    assert list(corpus.ids()) == ["u1", "u2"] and corpus.speakers == ("mary", "tom") and corpus.sides("sex") == ["f", "m"]
    assert np.array_equal(corpus[0].signals["audio"].read_stored(0, 16000), samples[:, 0])


def test_segments(tmp_path, write):
    samples = write(tmp_path / "long.wav", 5.0)
    (tmp_path / "wav.scp").write_text("rec long.wav\n")
    (tmp_path / "segments").write_text("rec-1 rec 0.50 1.75\nrec-2 rec 2.0 -1\nrec-3 other 0 1\n")
    (tmp_path / "utt2spk").write_text("rec-1 a\nrec-2 b\n")
    corpus = open_source(str(tmp_path))
    assert list(corpus.ids()) == ["rec-1", "rec-2"] and corpus.speakers == ("a", "b")
    assert np.array_equal(corpus[0].signals["audio"].read_stored(0, 20000), samples[8000:28000, 0])
    assert corpus[1].signals["audio"].steps == 48000
    assert corpus.skipped == (("rec-3", "its recording other is not in wav.scp or was skipped"),)


def test_commands_are_never_run_and_paths_that_lead_out_are_skipped(tmp_path, write):
    folder, mark = tmp_path / "data", tmp_path / "harmed"
    for name in ("a", "b", "c"):
        write(folder / f"{name}.wav")
    write(tmp_path / "outside.wav")
    (folder / "wav.scp").write_text(
        f"a a.wav\nb b.wav\nc c.wav\nx touch {mark} |\ny ../outside.wav\nz {tmp_path}/outside.wav\n"
    )
    corpus = open_source(str(folder))
    assert list(corpus.ids()) == ["a", "b", "c"] and not mark.exists()
    told = dict(corpus.skipped)
    assert "no command is run" in told["x"] and all("leads out of the folder" in told[k] for k in "yz")
    trusted = open_source(f"kaldi:{folder}")
    assert list(trusted.ids()) == ["a", "b", "c", "y", "z"] and not mark.exists()


def test_a_changed_file_elsewhere_is_read_again(tmp_path, write):
    (tmp_path / "data").mkdir()
    write(tmp_path / "outside.wav")
    (tmp_path / "data" / "wav.scp").write_text(f"a {tmp_path}/outside.wav\n")
    assert open_source(f"kaldi:{tmp_path}/data").length == 1.0
    write(tmp_path / "outside.wav", 2.0)
    assert open_source(f"kaldi:{tmp_path}/data").length == 2.0


@pytest.mark.parametrize(("table", "text", "message"), [
    ("wav.scp", "only\n", "wav.scp, line 1: two words expected"), ("segments", "u a x 1\n", "start and end in seconds expected"),
])
def test_malformed_tables(tmp_path, write, table, text, message):
    write(tmp_path / "a.wav")
    (tmp_path / "wav.scp").write_text("a a.wav\n")
    (tmp_path / table).write_text(text)
    with pytest.raises(UntoldError, match=message):
        open_source(str(tmp_path))
