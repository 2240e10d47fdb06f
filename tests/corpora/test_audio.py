"""Decoding: exact where it can be, in constant memory, and each bad input with its reason."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from untold.corpora import _audio
from untold.corpora._audio import Facts, Unreadable, decode


def decoded(path: Path, channel: int | None = None) -> np.ndarray:
    return np.concatenate(list(decode(path, Facts(), channel)))


def reason(path: Path) -> str:
    with pytest.raises(Unreadable) as caught:
        decoded(path)
    return str(caught.value)


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_16_bits_at_16_khz_come_out_bit_for_bit(tmp_path, write, ending):
    samples = write(tmp_path / f"a.{ending}", 20.0, subtype="PCM_16")
    assert np.array_equal(decoded(tmp_path / f"a.{ending}"), samples[:, 0])


def test_real_flac_is_what_libsndfile_reads(shared):
    path = sorted((shared / "data/timit-sample").glob("dr1*/*.flac"))[0]
    assert np.array_equal(decoded(path), soundfile.read(path, dtype="int16")[0])


def test_a_nist_file_is_read(tmp_path, write):
    samples = write(tmp_path / "a.wav", format="NIST", subtype="PCM_16")
    assert np.array_equal(decoded(tmp_path / "a.wav"), samples[:, 0])
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[: len(whole) // 2])
    assert reason(tmp_path / "a.wav").startswith("truncated")


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 192000])
def test_any_rate_is_resampled_as_a_whole_would_be(tmp_path, write, monkeypatch, rate):
    samples = write(tmp_path / "a.wav", 1.37, rate)
    monkeypatch.setattr(_audio, "_BLOCK", 1000)
    out = decoded(tmp_path / "a.wav")
    assert len(out) == round(len(samples) * 16000 / rate)
    whole = soxr.resample(samples[:, 0].astype(np.float32) / 32768, rate, 16000, quality="HQ")
    shortest = min(len(whole), len(out))
    assert np.abs(out[:shortest] - np.clip(np.rint(whole[:shortest] * 32768), -32768, 32767)).max() <= 1


def test_channels_are_averaged_or_picked(tmp_path, write):
    samples = write(tmp_path / "a.wav", channels=8)
    mixed = np.rint(samples.astype(np.float64).mean(axis=1))
    assert np.abs(decoded(tmp_path / "a.wav") - mixed).max() <= 1
    assert np.array_equal(decoded(tmp_path / "a.wav", 3), samples[:, 3])
    with pytest.raises(Unreadable, match="no channel 8"):
        decoded(tmp_path / "a.wav", 8)


def test_rounding_is_half_to_even_and_clipping_is_counted(tmp_path):
    values = np.zeros(800, np.float32)
    values[:6] = np.array([0.5, 1.5, 2.5, -0.5, 40000, -40000]) / 32768
    soundfile.write(tmp_path / "a.wav", values, 16000, subtype="FLOAT")
    facts = Facts()
    assert next(decode(tmp_path / "a.wav", facts))[:6].tolist() == [0, 2, 2, 0, 32767, -32768]
    assert facts.clipped == 2


def test_an_mp3_in_blocks_is_the_mp3_as_a_whole(tmp_path, shared, monkeypatch):
    files = sorted((shared / "data/timit-sample").rglob("*.flac"))[:8]
    sound = np.concatenate([soundfile.read(f)[0] for f in files])
    soundfile.write(tmp_path / "a.mp3", sound, 16000, format="MP3")
    whole = np.rint(soundfile.read(tmp_path / "a.mp3", dtype="float32")[0] * 32768)
    monkeypatch.setattr(_audio, "_BLOCK", 5000)
    out = decoded(tmp_path / "a.mp3")
    assert len(out) == len(whole) == len(sound)
    assert np.abs(out - whole).max() <= 1


def test_an_mp3_without_a_table_of_its_length_loses_nothing(tmp_path, shared):
    """libsndfile alone stops at its guess from the first frame: a third of such a file was lost."""
    files = sorted((shared / "data/timit-sample").rglob("*.flac"))[:8]
    sound = np.concatenate([soundfile.read(f)[0] for f in files])
    soundfile.write(tmp_path / "a.mp3", sound, 16000, format="MP3")
    whole = (tmp_path / "a.mp3").read_bytes()
    assert b"Info" in whole[:200] or b"Xing" in whole[:200]
    with_table = decoded(tmp_path / "a.mp3")
    (tmp_path / "b.mp3").write_bytes(whole.replace(b"Info", b"\0\0\0\0", 1).replace(b"Xing", b"\0\0\0\0", 1))
    without = decoded(tmp_path / "b.mp3")
    late = len(without) - len(with_table)
    assert 0 <= late < 4 * 1152  # the encoder's delay, which the table would tell to leave out
    shift = next(k for k in range(late + 1) if np.abs(without[k : k + 9000].astype(int) - with_table[:9000]).max() <= 2)
    assert np.abs(without[shift : shift + len(with_table)].astype(int) - with_table).max() <= 2


def test_a_flac_from_a_pipe_states_no_length_and_is_read(tmp_path, write):
    samples = write(tmp_path / "a.flac", 3.0)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # 36 bits of the number of samples
    (tmp_path / "a.flac").write_bytes(data)
    assert np.array_equal(decoded(tmp_path / "a.flac"), samples[:, 0])


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.opus", "a.mp3"])
def test_half_a_file_is_named_truncated_or_unreadable(tmp_path, write, name):
    form = {"a.opus": {"format": "OGG", "subtype": "OPUS"}, "a.ogg": {"format": "OGG", "subtype": "VORBIS"}}.get(name, {})
    write(tmp_path / name, 4.0, **form)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    assert reason(tmp_path / name).startswith(("truncated", "not readable as audio"))


def test_bad_files_have_reasons(tmp_path, write):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("These are words.\n" * 50)
    (tmp_path / "text.mp3").write_text("These are words.\n" * 50)
    soundfile.write(tmp_path / "nan.wav", np.full(16000, np.nan, np.float32), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "three.wav", np.zeros(3), 16000)
    assert reason(tmp_path / "empty.wav") == "empty file"
    assert reason(tmp_path / "text.wav").startswith("not audio")
    assert "can be decoded" in reason(tmp_path / "text.mp3")
    assert "no numbers (NaN" in reason(tmp_path / "nan.wav")
    assert reason(tmp_path / "three.wav") == "too short: 3 samples at 16 kHz, 400 (25 ms) needed"
    assert reason(tmp_path / "absent.wav") == "no such file"


@pytest.mark.parametrize(("at", "form", "value"), [(22, "<H", 65535), (24, "<I", 2_000_000_000), (40, "<I", 0x7FFFFFF0)])
def test_a_header_that_lies_is_refused_before_anything_is_allocated(tmp_path, write, at, form, value):
    write(tmp_path / "a.wav")
    data = bytearray((tmp_path / "a.wav").read_bytes())
    struct.pack_into(form, data, at, value)
    (tmp_path / "a.wav").write_bytes(data)
    reason(tmp_path / "a.wav")


def test_silence_is_seen(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    facts = Facts()
    list(decode(tmp_path / "a.wav", facts))
    assert facts.silent


def test_a_damaged_file_is_a_reason_and_says_nothing_on_standard_error(tmp_path, write, capfd):
    forms = {"wav": {}, "flac": {}, "mp3": {}, "ogg": {"format": "OGG", "subtype": "OPUS"}}
    for ending, form in forms.items():
        write(tmp_path / f"whole.{ending}", 1.0, **form)
    draw = random.Random(3)
    for _ in range(40):
        for ending in forms:
            data = bytearray((tmp_path / f"whole.{ending}").read_bytes())
            for _ in range(draw.randint(1, 4)):
                place = draw.randrange(min(len(data), 400))
                data[place : place + draw.randrange(9)] = draw.randbytes(draw.randrange(9))
            path = tmp_path / f"bad.{ending}"
            path.write_bytes(data)
            try:
                decoded(path)
            except Unreadable as error:
                assert "\n" not in str(error) and str(error)
    assert capfd.readouterr().err == ""
