"""Decoded once: what is kept, when it is made anew, and that nothing half made stays."""

from __future__ import annotations

import os
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untold.contract import Interval
from untold.corpora import _audio, _cache, _corpus, cache_folder, open_source
from untold.corpora._entry import Entry
from untold.errors import UntoldError


def counted(monkeypatch) -> list[str]:
    decoded: list[str] = []
    plain = _audio.decode

    def watched(path, facts, channel=None):
        decoded.append(path.name)
        return plain(path, facts, channel)

    monkeypatch.setattr(_audio, "decode", watched)
    return decoded


def test_the_second_opening_decodes_nothing(tmp_path, write, monkeypatch):
    for name in "abc":
        write(tmp_path / f"{name}.wav")
    decoded = counted(monkeypatch)
    first = open_source(str(tmp_path))
    assert decoded == ["a.wav", "b.wav", "c.wav"]
    second = open_source(str(tmp_path))
    assert len(decoded) == 3 and second.fingerprint == first.fingerprint


def test_only_what_changed_is_decoded_anew(tmp_path, write, monkeypatch):
    kept = write(tmp_path / "a.wav")
    write(tmp_path / "b.wav")
    before = open_source(str(tmp_path))
    decoded = counted(monkeypatch)
    new = write(tmp_path / "b.wav", 2.0)
    added = write(tmp_path / "c.wav")
    (tmp_path / "a.ctm").write_text("a 1 0.1 0.2 word\n")
    after = open_source(str(tmp_path))
    assert decoded == ["b.wav", "c.wav"]
    assert after.fingerprint != before.fingerprint
    for recording, samples in zip(after, (kept, new, added), strict=True):
        assert np.array_equal(recording.signals["audio"].read_stored(0, len(samples)), samples[:, 0])
    assert after[0].tiers["words"][0].label == "word"
    assert np.array_equal(before[0].signals["audio"].read_stored(0, 100), kept[:100, 0])  # still there for who reads it


def test_a_touched_file_is_looked_at_again(tmp_path, write, monkeypatch):
    write(tmp_path / "a.wav")
    open_source(str(tmp_path))
    decoded = counted(monkeypatch)
    os.utime(tmp_path / "a.wav", ns=(1, 1))
    open_source(str(tmp_path))
    assert decoded == ["a.wav"]


def test_a_limit_decodes_no_more(tmp_path, write, monkeypatch):
    for name in "abcd":
        write(tmp_path / f"{name}.wav")
    decoded = counted(monkeypatch)
    assert list(open_source(str(tmp_path), limit=2).ids()) == ["a", "b"]
    assert decoded == ["a.wav", "b.wav"]
    assert len(open_source(str(tmp_path))) == 4
    assert decoded == ["a.wav", "b.wav", "c.wav", "d.wav"]
    narrowed = open_source(str(tmp_path), limit=3)
    assert list(narrowed.ids()) == ["a", "b", "c"] and len(decoded) == 4


def test_nothing_half_made_stays(tmp_path, write, monkeypatch):
    write(tmp_path / "a.wav")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(_cache, "write_json", full)
        with pytest.raises(OSError, match="No space left"):
            open_source(str(tmp_path))
    assert [p for p in cache_folder().rglob("*") if p.is_file()] == []
    assert len(open_source(str(tmp_path))) == 1


def test_what_a_killed_process_left_is_swept(tmp_path, write):
    write(tmp_path / "a.wav")
    open_source(str(tmp_path))
    slot = next((cache_folder() / "corpora").iterdir())
    left = slot / ".abc.4194999.part"  # beyond the largest number of a process
    left.mkdir()
    write(tmp_path / "b.wav")
    open_source(str(tmp_path))
    assert not left.exists()


def test_recordings_are_spread_over_shards(tmp_path, write, monkeypatch):
    monkeypatch.setattr(_cache, "_SHARD", 40_000)
    samples = {name: write(tmp_path / f"{name}.wav") for name in "abcde"}
    corpus = open_source(str(tmp_path))
    assert len({r.signals["audio"].shard for r in corpus}) == 3
    assert all(np.array_equal(r.signals["audio"].read_stored(0, 16000), samples[r.id][:, 0]) for r in corpus)


def test_a_bad_file_leaves_no_trace_in_the_shard(tmp_path, write):
    write(tmp_path / "a.flac", 40.0)
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) * 3 // 4])  # decodes well for a while
    good = write(tmp_path / "b.wav")
    corpus = open_source(str(tmp_path))
    shard = corpus[0].signals["audio"].shard
    assert shard.stat().st_size == 2 * len(good) and corpus[0].signals["audio"].at == 0


def test_a_corpus_travels_to_another_process(tmp_path, write):
    for name in "abc":
        write(tmp_path / f"{name}.wav")
    corpus = open_source(str(tmp_path)).select([2, 0])
    copy = pickle.loads(pickle.dumps(corpus))
    assert list(copy.ids()) == ["c", "a"] and copy.fingerprint == corpus.fingerprint


def test_the_fingerprint_is_of_names_and_sizes(tmp_path, write):
    write(tmp_path / "one" / "a.wav")
    write(tmp_path / "two" / "a.wav")
    prints = [open_source(str(tmp_path / name)).fingerprint for name in ("one", "two")]
    assert prints[0] == prints[1]
    write(tmp_path / "two" / "a.wav", 1.5)
    assert open_source(str(tmp_path / "two")).fingerprint != prints[0]


@given(st.lists(st.tuples(st.fractions(0, 1, max_denominator=48000), st.fractions(0, 1, max_denominator=48000), st.text(max_size=5)), max_size=12))
def test_tiers_come_back_exactly(tmp_path_factory, rows):
    place = tmp_path_factory.mktemp("tiers")
    tier = [Interval(min(a, b), max(a, b), label) for a, b, label in rows]
    import soundfile

    soundfile.write(place / "a.wav", np.ones(16000) / 2, 16000)
    with _cache.Writer(place / "slot", "x") as writer:
        assert writer.add(Entry("a", place / "a.wav", tiers={"t": tier}))
        build = writer.finish(name="folder", title="a folder", limit=None, split="all", speakers_from="")
    from untold.corpora import Corpus

    wanted = sorted((i for i in tier if i.start < i.end), key=lambda i: (i.start, i.end))
    assert list(Corpus(build, "x")[0].tiers.get("t", [])) == wanted


def test_a_part_of_a_file_is_exact_and_decoded_once(tmp_path, write, monkeypatch):
    samples = write(tmp_path / "a.wav", 3.0)
    decoded = counted(monkeypatch)
    with _cache.Writer(tmp_path / "slot", "x") as writer:
        for number, start in enumerate((Fraction(1, 4), Fraction(1), Fraction(5, 2), Fraction(4))):
            writer.add(Entry(f"p{number}", tmp_path / "a.wav", start, start + 1))
        build = writer.finish(name="folder", title="a folder", limit=None, split="all", speakers_from="")
    from untold.corpora import Corpus

    corpus = Corpus(build, "x")
    assert decoded == ["a.wav"] and len(corpus) == 3 and writer.skipped[0][0] == "p3.wav"
    for recording, (first, last) in zip(corpus, ((4000, 20000), (16000, 32000), (40000, 48000)), strict=True):
        signal = recording.signals["audio"]
        assert np.array_equal(signal.read_stored(0, signal.steps), samples[first:last, 0])


def test_two_with_one_id_are_an_error(tmp_path, write):
    (tmp_path / "wav.scp").write_text("a a.wav\na b.wav\n")
    write(tmp_path / "a.wav")
    write(tmp_path / "b.wav")
    with pytest.raises(UntoldError, match="two recordings have one id"):
        open_source(str(tmp_path))


def test_pages_that_were_given_back_come_again(tmp_path, write, monkeypatch):
    monkeypatch.setattr(_corpus, "_HELD", 100)
    samples = write(tmp_path / "a.wav")
    signal = open_source(str(tmp_path))[0].signals["audio"]
    views = [signal.read_stored(place, place + 90) for place in range(0, 15000, 90)]
    assert np.array_equal(np.concatenate(views), samples[: 90 * len(views), 0])
