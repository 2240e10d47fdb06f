"""A folder of one's own: ids, speakers, labels, what is skipped and why."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from untold.contract import Interval
from untold.corpora import open_source
from untold.errors import UntoldError
from untold.formats import ctm, elan, textgrid


def reasons(corpus) -> dict[str, str]:
    return dict(corpus.skipped)


def test_ids_speakers_and_samples(tmp_path, write):
    first = write(tmp_path / "mary" / "deep" / "a.b.wav")
    write(tmp_path / "tom" / "c.flac", 2.0)
    write(tmp_path / "crowd-unknown" / "d.wav")
    write(tmp_path / ".hidden" / "e.wav")
    corpus = open_source(str(tmp_path))
    assert list(corpus.ids()) == ["crowd-unknown/d", "mary/deep/a.b", "tom/c"]
    assert corpus.sides("speaker") == ["unknown", "mary", "tom"]
    assert corpus.speakers == ("mary", "tom")
    signal = corpus[1].signals["audio"]
    assert signal.steps == 16000 and signal.grid.rate == 16000 and signal.grid.first == Fraction(1, 32000)
    assert np.array_equal(signal.read(100, 300), first[100:300, 0].astype(np.float32) / 32768)
    assert signal.read(0, 5).dtype == np.float32
    with pytest.raises(IndexError):
        signal.read(0, 16001)
    assert corpus.length == 4.0
    assert corpus.name == "folder" and corpus.axis == "second"


def test_a_folder_without_sub_folders_has_one_unknown_speaker(tmp_path, write):
    write(tmp_path / "a.wav")
    corpus = open_source(str(tmp_path))
    assert corpus.speakers == () and corpus[0].speaker == "unknown"
    assert corpus.description == "a folder of 1 recording (wav), 1.0 seconds, speakers unknown, no labels"


def test_speakers_csv(tmp_path, write):
    for name in ("s1", "s2", "s3"):
        write(tmp_path / name / "a.wav")
    (tmp_path / "speakers.csv").write_text("\ufeffspeaker,sex,language\ns1,Female,Twi\ns2,m,\n", encoding="utf-8")
    corpus = open_source(str(tmp_path))
    assert corpus.sides("sex") == ["f", "m", "unknown"]
    assert corpus.sides("language") == ["Twi", "unknown", "unknown"]
    assert "3 speakers (from speakers.csv)" in corpus.description
    (tmp_path / "speakers.csv").write_text("name;sex\n")
    with pytest.raises(UntoldError, match=r"speakers\.csv: no column 'speaker'"):
        open_source(str(tmp_path))


def test_real_recordings_with_a_speakers_csv(shared, tmp_path):
    source = shared / "data/unlabelled-speech"
    corpus = open_source(str(source), limit=5)
    assert len(corpus) == 5 and corpus.limited
    assert corpus[0].sides["sex"] == "f" and corpus[0].id == "lj-1/LJ001-0001"
    expected = soundfile.read(source / "lj-1/LJ001-0001.opus", dtype="float32")[0]
    got = corpus[0].signals["audio"].read(0, corpus[0].signals["audio"].steps)
    assert np.abs(got - expected).max() <= 0.5 / 32768 + 1e-7


def test_bad_recordings_are_skipped_by_name_and_nothing_else_is_lost(tmp_path, write):
    names = [f"good{i}" for i in range(7)]
    kept = {name: write(tmp_path / f"{name}.wav") for name in names}
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "nan.wav", np.full(16000, np.nan, np.float32), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "three.wav", np.zeros(3), 16000)
    (tmp_path / "short.wav").write_bytes((tmp_path / "good0.wav").read_bytes()[:9000])
    (tmp_path / "old.m4a").write_bytes(b"\0" * 100)
    said: list[str] = []
    corpus = open_source(str(tmp_path), say=said.append)
    assert list(corpus.ids()) == names
    assert all(np.array_equal(r.signals["audio"].read_stored(0, 16000), kept[r.id][:, 0]) for r in corpus)
    told = reasons(corpus)
    assert told["empty.wav"] == "empty file"
    assert told["text.wav"].startswith("not audio")
    assert "NaN" in told["nan.wav"]
    assert told["three.wav"].startswith("too short: 3 samples")
    assert told["short.wav"].startswith("truncated")
    assert "ffmpeg -i old.m4a old.wav" in told["old.m4a"]
    assert said[0] == corpus.description and said[1] == "skipped: 6"
    again: list[str] = []
    open_source(str(tmp_path), say=again.append)
    assert again == said


def test_only_the_first_ten_skipped_are_named(tmp_path, write):
    for i in range(13):
        write(tmp_path / f"good{i:02d}.wav", 0.1)
        (tmp_path / f"bad{i:02d}.wav").write_bytes(b"")
    said: list[str] = []
    open_source(str(tmp_path), say=said.append)
    assert said[1] == "skipped: 13" and said[11] == "  bad09.wav: empty file" and said[12] == "  ... and 3 more"


def test_more_than_half_skipped_is_an_error(tmp_path, write):
    write(tmp_path / "good.wav")
    (tmp_path / "bad1.wav").write_bytes(b"")
    assert len(open_source(str(tmp_path))) == 1
    (tmp_path / "bad2.wav").write_bytes(b"")
    with pytest.raises(UntoldError, match=r"more than half cannot be read, 2 of 3 \(bad1.wav: empty file"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("make", [lambda p: None, lambda p: (p / "a.txt").write_text("x"), lambda p: (p / "a.pdf").write_bytes(b"%PDF-1.4")])
def test_a_folder_without_audio_is_an_error(tmp_path, make):
    make(tmp_path)
    with pytest.raises(UntoldError, match="no usable recording: none found"):
        open_source(str(tmp_path))


def test_only_bad_recordings_is_an_error_with_the_way_out(tmp_path):
    (tmp_path / "a.wma").write_bytes(b"x")
    with pytest.raises(UntoldError, match=r"no usable recording.*ffmpeg"):
        open_source(str(tmp_path))


def test_absent_and_unknown_sources(tmp_path):
    with pytest.raises(UntoldError, match="no such folder or file"):
        open_source(str(tmp_path / "absent"))
    with pytest.raises(UntoldError, match="no split named 'evaluatoin': did you mean evaluation"):
        open_source(str(tmp_path), split="evaluatoin")
    with pytest.raises(UntoldError, match="no corpus named 'timti': did you mean timit"):
        open_source("timti:/somewhere")
    (tmp_path / "a.xyz").write_text("x")
    with pytest.raises(UntoldError, match="is no corpus"):
        open_source(str(tmp_path / "a.xyz"))


def test_two_recordings_with_one_id_are_an_error_that_names_both(tmp_path, write):
    write(tmp_path / "s" / "a.wav")
    write(tmp_path / "s" / "a.flac")
    with pytest.raises(UntoldError, match=r"s/a\.flac and s/a\.wav"):
        open_source(str(tmp_path))


def test_find_by_id_by_name_by_stem(tmp_path, write):
    for name in ("s1/a", "s2/a", "s1/b", "s3/x_y", "s3_x/y"):
        write(tmp_path / f"{name}.wav", 0.1)
    corpus = open_source(str(tmp_path))
    ids = list(corpus.ids())
    assert all(corpus.find(name) == i for i, name in enumerate(ids))
    assert corpus.find("s2_a") == ids.index("s2/a")
    assert corpus.find("b") == ids.index("s1/b")
    assert corpus.find("nobody") is None
    with pytest.raises(UntoldError, match="'a' may be 's1/a' and 's2/a'"):
        corpus.find("a")
    with pytest.raises(UntoldError, match="same name"):
        corpus.find("s3_x_y")
    one = corpus.select([ids.index("s2/a")])
    assert one.find("a") == 0 and one.find("b") is None and one.whole.find("b") is not None


def test_several_channels_other_rates_and_silence_are_read_with_notes(tmp_path, write):
    write(tmp_path / "a.wav", channels=8)
    write(tmp_path / "b.wav", rate=192000)
    soundfile.write(tmp_path / "c.wav", np.zeros(16000), 16000)
    corpus = open_source(str(tmp_path))
    assert len(corpus) == 3 and corpus.skipped == ()
    assert corpus.notes == (
        "1 recording of several channels, mixed down to one (first: a, 8 channels)",
        "1 recording not at 16000 Hz, resampled (first: b, 192000 Hz)",
        "1 recording of pure silence (first: c)",
    )
    told = []
    open_source(str(tmp_path), limit=1, say=told.append)  # the whole source was read before
    assert "note: 1 recording of pure silence (first: c), of all 3" in told


def test_links_that_lead_out_are_skipped_by_name(tmp_path, write):
    source, outside = tmp_path / "source", tmp_path / "outside"
    for name in ("a", "b", "c"):
        write(source / f"{name}.wav")
    write(outside / "secret.wav")
    (source / "link.wav").symlink_to(outside / "secret.wav")
    (source / "folder").symlink_to(outside)
    (source / "inner.wav").symlink_to(source / "a.wav")
    corpus = open_source(str(source))
    assert list(corpus.ids()) == ["a", "b", "c", "inner"]
    assert reasons(corpus) == {"link.wav": "a link that leads out of the folder", "folder": "a link that leads out of the folder"}


def test_a_name_that_is_no_safe_path_is_skipped(tmp_path, write):
    write(tmp_path / "good.wav")
    write(tmp_path / "up\\a.wav")
    assert "no safe path" in reasons(open_source(str(tmp_path)))["up\\a.wav"]


def test_what_untold_wrote_into_the_source_is_no_part_of_it(tmp_path, write):
    write(tmp_path / "a.wav")
    write(tmp_path / "run" / "sounds" / "b.wav")
    (tmp_path / "run" / "run.json").write_text("{}")
    assert list(open_source(str(tmp_path)).ids()) == ["a"]


PHONES = [Interval(Fraction(1, 10), Fraction(3, 10), "a"), Interval(Fraction(3, 10), Fraction(7, 20), "t")]


def test_labels_beside_the_sound(tmp_path, write):
    for name in ("grid", "ctm", "elan", "none"):
        write(tmp_path / f"{name}.wav")
    textgrid.write(tmp_path / "grid.TextGrid", {"Mary - phones": PHONES}, Fraction(1))
    ctm.write(tmp_path / "ctm.ctm", {"ctm": PHONES})
    elan.write(tmp_path / "elan.eaf", {"phones": PHONES}, tmp_path / "elan.wav")
    corpus = open_source(str(tmp_path))
    by_id = {r.id: r for r in corpus}
    assert by_id["grid"].tiers["phones"] == PHONES
    assert by_id["ctm"].tiers["words"] == PHONES
    assert by_id["elan"].tiers["phones"] == PHONES
    assert not by_id["none"].tiers
    assert corpus.tiers == ("phones", "words") and corpus.counts() == {"phones": 4, "words": 2}


def test_one_ctm_for_all(tmp_path, write):
    write(tmp_path / "s" / "a.wav")
    write(tmp_path / "s" / "b.wav")
    ctm.write(tmp_path / "phones.ctm", {"a": PHONES, "s_b": PHONES[:1]})
    corpus = open_source(str(tmp_path))
    assert [len(r.tiers["phones"]) for r in corpus] == [2, 1]


def test_an_unreadable_label_file_is_skipped_and_its_recording_kept(tmp_path, write):
    write(tmp_path / "a.wav")
    (tmp_path / "a.TextGrid").write_text('File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = nan')
    corpus = open_source(str(tmp_path))
    assert len(corpus) == 1 and not corpus[0].tiers
    assert [name for name, _ in corpus.skipped] == ["a.TextGrid"] and str(tmp_path) not in corpus.skipped[0][1]


def test_labels_beyond_the_end_are_cut_with_a_note(tmp_path, write):
    write(tmp_path / "a.wav")
    ctm.write(tmp_path / "a.ctm", {"a": [Interval(Fraction(1, 2), Fraction(3), "x"), Interval(Fraction(4), Fraction(5), "y")]})
    corpus = open_source(str(tmp_path))
    assert corpus[0].tiers["words"] == [Interval(Fraction(1, 2), Fraction(1), "x")]
    assert corpus.notes == ("2 intervals of tier words end after their recording: cut there (first: a)",)


EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2020-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/><TIME_ORDER>{slots}</TIME_ORDER>{tiers}
<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="default" TIME_ALIGNABLE="true" GRAPHIC_REFERENCES="false"/></ANNOTATION_DOCUMENT>"""


def _eaf(path: Path, tiers: dict[str, tuple[str, list[tuple[int, int, str]]]]) -> None:
    slots, body, number = "", "", 0
    for name, (who, rows) in tiers.items():
        body += f'<TIER TIER_ID="{name}" PARTICIPANT="{who}" LINGUISTIC_TYPE_REF="default">'
        for start, end, text in rows:
            slots += f'<TIME_SLOT TIME_SLOT_ID="s{number}" TIME_VALUE="{start}"/><TIME_SLOT TIME_SLOT_ID="e{number}" TIME_VALUE="{end}"/>'
            body += (f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" TIME_SLOT_REF1="s{number}" TIME_SLOT_REF2="e{number}">'
                     f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>")
            number += 1
        body += "</TIER>"
    path.write_text(EAF.format(slots=slots, tiers=body))


def test_utterances_of_an_elan_file_are_recordings_and_participants_their_speakers(tmp_path, write):
    samples = write(tmp_path / "village" / "talk.wav", 4.0)
    _eaf(tmp_path / "village" / "talk.eaf", {
        "utterance@K": ("Kofi", [(500, 1500, "hello"), (2500, 3000, "yes")]),
        "utterance@A": ("Ama", [(1400, 2400, "good day")]),
        "words@K": ("Kofi", [(500, 900, "hel"), (900, 1500, "lo")]),
    })
    corpus = open_source(str(tmp_path))
    assert list(corpus.ids()) == ["village/talk_0001", "village/talk_0002", "village/talk_0003"]
    assert corpus.sides("speaker") == ["Kofi", "Ama", "Kofi"]
    first = corpus[0]
    assert np.array_equal(first.signals["audio"].read_stored(0, 16000), samples[8000:24000, 0])
    assert first.tiers["words"] == [Interval(Fraction(0), Fraction(2, 5), "hel"), Interval(Fraction(2, 5), Fraction(1), "lo")]
    assert first.tiers["utterances"] == [Interval(Fraction(0), Fraction(1), "hello")]
    assert "words" not in corpus[1].tiers
    assert corpus.origin(1).start == Fraction(7, 5) and corpus.origin(1).file.name == "talk.wav"
    assert corpus.length == 2.5
