"""ZeroSpeech 2017 in small: speakers of the training part, test files by length."""

from __future__ import annotations

from untold.corpora import open_source, zerospeech2017


def test_the_owners_layout(tmp_path, write):
    write(tmp_path / "train" / "english" / "s0107_003.wav")
    write(tmp_path / "train" / "english" / "s0018.wav")
    write(tmp_path / "train" / "mandarin" / "A08" / "A08_12.wav")
    for length in ("1s", "10s", "120s"):
        write(tmp_path / "test" / "french" / length / f"aabb{length}.wav")
    assert zerospeech2017.recognise(tmp_path)
    corpus = open_source(str(tmp_path))
    assert corpus.name == "zerospeech2017"
    told = {r.id: (r.speaker, r.sides["language"], r.split) for r in corpus}
    assert told == {
        "train/english/s0107_003": ("s0107", "en", "train"), "train/english/s0018": ("s0018", "en", "train"),
        "train/mandarin/A08/A08_12": ("A08", "zh", "train"),
        **{f"test/french/{length}/aabb{length}": ("unknown", "fr", "evaluation") for length in ("1s", "10s", "120s")},
    }
    assert any("not told" in note for note in corpus.notes)
    assert len(open_source(f"zerospeech2017:{tmp_path / 'test'}")) == 3
    (one,) = open_source(f"zerospeech2017:{tmp_path / 'test' / 'french' / '10s'}")
    assert (one.id, one.sides["language"], one.sides["length"]) == ("aabb10s", "fr", "10s")
    assert open_source(f"zerospeech2017:{tmp_path / 'train' / 'english'}").sides("speaker") == ["s0018", "s0107"]


def test_other_folders_are_none(tmp_path, write):
    write(tmp_path / "train" / "mary" / "a.wav")
    assert not zerospeech2017.recognise(tmp_path)
