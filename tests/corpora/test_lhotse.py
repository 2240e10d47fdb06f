"""Lhotse manifests, read without Lhotse."""

from __future__ import annotations

import gzip
import json
from fractions import Fraction

import numpy as np
import pytest

from untold.contract import Interval
from untold.corpora import open_source
from untold.errors import UntoldError


def recording(name: str, source: str, seconds: float) -> dict:
    return {"id": name, "sources": [{"type": "file", "channels": [0], "source": source}], "sampling_rate": 16000,
            "num_samples": int(16000 * seconds), "duration": seconds, "channel_ids": [0]}


def cut(name: str, start: float, duration: float, of: dict, **supervision) -> dict:
    told = {"id": name, "recording_id": of["id"], "start": 0.0, "duration": duration, "channel": 0, **supervision}
    return {"id": name, "start": start, "duration": duration, "channel": 0, "supervisions": [told], "recording": of, "type": "MonoCut"}


def lines(path, rows) -> str:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


def test_recordings(tmp_path, write):
    write(tmp_path / "audio" / "a.wav")
    corpus = open_source(lines(tmp_path / "recordings.jsonl.gz", [recording("rec-a", "audio/a.wav", 1.0)]))
    assert corpus.description.startswith("a Lhotse manifest of 1 recording (wav), 1.0 seconds")
    assert list(corpus.ids()) == ["rec-a"]


def test_cuts_with_alignments(tmp_path, write):
    samples = write(tmp_path / "a.wav", 4.0)
    of = recording("rec", "a.wav", 4.0)
    manifest = lines(tmp_path / "cuts.jsonl", [
        cut("c1", 0.5, 1.2, of, speaker="mary", gender="Female", language="Twi", text="hello",
            alignment={"word": [["hello", 0.1, 0.5, None]], "phone": [{"symbol": "h", "start": 0.1, "duration": 0.05}]}),
        cut("c2", 2.0, 1.0, of, speaker="tom"),
        {"id": "mixed", "type": "MixedCut", "tracks": []},
    ])
    corpus = open_source(manifest)
    assert list(corpus.ids()) == ["c1", "c2"] and corpus.sides("speaker") == ["mary", "tom"] and corpus.sides("sex") == ["f", "unknown"]
    assert np.array_equal(corpus[0].signals["audio"].read_stored(0, 19200), samples[8000:27200, 0])
    assert corpus[0].tiers["words"] == [Interval(Fraction(1, 10), Fraction(3, 5), "hello")]
    assert corpus[0].tiers["phones"] == [Interval(Fraction(1, 10), Fraction(3, 20), "h")]
    assert dict(corpus.skipped)["mixed"].startswith("a MixedCut")


def test_hostile_lines_are_skipped_by_name(tmp_path, write):
    folder = tmp_path / "data"
    for name in "abcdef":
        write(folder / f"{name}.wav")
    write(tmp_path / "outside.wav")
    bad = [recording("out", "../outside.wav", 1.0), recording("absolute", f"{tmp_path}/outside.wav", 1.0), {"id": "none", "sources": []},
           {**recording("command", "touch x", 1.0), "sources": [{"type": "command", "channels": [0], "source": "touch harmed"}]}]
    strange = [{**cut("time", 0.0, 1.0, recording("r", "a.wav", 1.0)), "start": "x"}]
    corpus = open_source(lines(folder / "m.jsonl", [*(recording(n, f"{n}.wav", 1.0) for n in "abcdef"), *bad, *strange]))
    assert list(corpus.ids()) == list("abcdef")
    assert {name for name, _ in corpus.skipped} == {"out", "absolute", "none", "command", "time"}
    assert "absolute" in list(open_source(f"lhotse:{folder}/m.jsonl").ids())


@pytest.mark.parametrize("text", ["not json\n", '{"id": 1, "sources": []}\n[1]\n', '{"sources": ' + "[" * 100_000 + "\n"])
def test_what_is_no_manifest_is_an_error(tmp_path, text):
    (tmp_path / "m.jsonl").write_text(text)
    with pytest.raises(UntoldError):
        open_source(str(tmp_path / "m.jsonl"))


def test_a_cut_off_gzip_is_an_error(tmp_path, write):
    write(tmp_path / "a.wav")
    lines(tmp_path / "m.jsonl.gz", [recording(f"r{i}", "a.wav", 1.0) for i in range(2000)])
    data = (tmp_path / "m.jsonl.gz").read_bytes()
    (tmp_path / "m.jsonl.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(UntoldError, match="not readable as JSON lines"):
        open_source(str(tmp_path / "m.jsonl.gz"))
