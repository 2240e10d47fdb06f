"""Audiofolders: metadata.csv and metadata.jsonl as Hugging Face's loader has them."""

from __future__ import annotations

import json

import pytest

from untold.corpora import open_source
from untold.errors import UntoldError


def test_metadata_csv(tmp_path, write):
    for name in ("data/a", "data/b", "data/c"):
        write(tmp_path / f"{name}.wav")
    (tmp_path / "metadata.csv").write_text(
        "file_name,speaker_id,gender,split,transcription\ndata/a.wav,mary,female,train,hello\ndata/b.wav,tom,male,test,\n"
    )
    corpus = open_source(str(tmp_path))
    assert corpus.description.startswith("an audiofolder of 2 recordings")
    assert list(corpus.ids()) == ["data/a", "data/b"] and corpus.sides("speaker") == ["mary", "tom"] and corpus.sides("sex") == ["f", "m"]
    assert list(open_source(str(tmp_path), split="evaluation").ids()) == ["data/b"]


def test_folders_train_and_test_with_jsonl(tmp_path, write):
    for part in ("train", "test"):
        write(tmp_path / part / "a.wav")
        (tmp_path / part / "metadata.jsonl").write_text(json.dumps({"file_name": "a.wav", "speaker": "x"}) + "\n")
    corpus = open_source(str(tmp_path))
    assert list(zip(corpus.ids(), corpus.declared(), strict=True)) == [("train/a", "train"), ("test/a", "evaluation")]


def test_paths_that_lead_out_are_skipped_by_name(tmp_path, write):
    folder = tmp_path / "data"
    for name in ("a", "b", "c"):
        write(folder / f"{name}.wav")
    write(tmp_path / "outside.wav")
    (folder / "metadata.csv").write_text(f"file_name\na.wav\nb.wav\nc.wav\n../outside.wav\n{tmp_path}/outside.wav\n")
    corpus = open_source(str(folder))
    assert list(corpus.ids()) == ["a", "b", "c"]
    assert {name for name, _ in corpus.skipped} == {"../outside.wav", f"{tmp_path}/outside.wav"}


@pytest.mark.parametrize(("name", "text", "message"), [
    ("metadata.csv", "path\na.wav\n", "no column 'file_name'"), ("metadata.jsonl", "{\n", "line 1: an object with 'file_name'"),
])
def test_malformed_tables(tmp_path, write, name, text, message):
    write(tmp_path / "a.wav")
    (tmp_path / name).write_text(text)
    with pytest.raises(UntoldError, match=message):
        open_source(str(tmp_path))
