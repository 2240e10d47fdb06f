"""The embedded corpus: who speaks how long, exact labels, the same samples everywhere, nothing of GPL in the core."""

from __future__ import annotations

import hashlib
import importlib.metadata
import itertools
import json
import platform
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from untold.corpora import espeak
from untold.corpora._espeak_rooms import Draw, Place, disturb
from untold.corpora._espeak_voices import VOICES
from untold.errors import UntoldError

SAMPLES = "624044a7e618a9e6c6c71cd9e7b680df67a97a8fe4bb37a62f88dfb411abfe7e"


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    pytest.importorskip("espeakng_loader", reason="needs the extra espeak: pip install 'untold[espeak]'")
    return espeak.prepare({}, tmp_path_factory.mktemp("espeak"))


@pytest.fixture(name="entries", scope="module")
def _entries(made):
    assert espeak.recognise(made)
    return list(espeak.read(made, lambda name, why: pytest.fail(why), lambda note: None))


def test_minutes_voices_and_sexes(entries):
    seconds: Counter[str] = Counter()
    for entry in entries:
        facts = soundfile.info(entry.file)
        assert facts.subtype == "PCM_16" and facts.channels == 1 and 1.8 < facts.duration < 8.6
        assert entry.tiers["phones"][-1].end == Fraction(facts.frames, facts.samplerate)
        seconds[entry.split] += facts.duration
    assert seconds["train"] > 20 * 60 and 5 * 60 < seconds["evaluation"] < 9 * 60
    sexes = {split: Counter({e.sides["speaker"]: e.sides["sex"] for e in entries if e.split == split}.values()) for split in seconds}
    assert sexes == {"train": {"f": 10, "m": 10}, "evaluation": {"f": 4, "m": 4}}
    assert len({entry.id for entry in entries}) == len(entries)
    assert len({entry.sides["speaker"] for entry in entries[:12]}) == 12  # the first few are not one voice


def test_evaluation_has_other_voices_and_other_text(made):
    told = [json.loads(line) for line in (made / "espeak.jsonl").read_text(encoding="utf-8").splitlines()]
    heard = {split: [t for t in told if t["split"] == split] for split in ("train", "evaluation")}
    assert not {t["speaker"] for t in heard["train"]} & {t["speaker"] for t in heard["evaluation"]}
    assert not {t["text"] for t in heard["train"]} & {t["text"] for t in heard["evaluation"]}
    times = Counter(t["text"] for t in heard["evaluation"])
    assert Counter(times.values()) == {8: 6, 1: 56}  # six sentences are read by all eight, seven by each alone


def test_the_same_samples_on_every_machine(entries):
    if platform.machine() != "x86_64" or importlib.metadata.version("espeakng-loader") != "0.2.4":
        pytest.skip("the sum is of espeakng-loader 0.2.4 on x86_64; other builds of eSpeak NG round otherwise")
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(soundfile.read(entry.file, dtype="int16")[0].astype("<i2").tobytes())
    assert digest.hexdigest() == SAMPLES


def test_phones_follow_one_another_and_words_are_made_of_them(entries):
    for entry in entries:
        phones, words = entry.tiers["phones"], entry.tiers["words"]
        assert phones[0].start == 0 and phones[0].label == phones[-1].label == "sil"
        assert all(a.end == b.start and a.start < a.end for a, b in itertools.pairwise(phones))
        starts, ends = {p.start for p in phones}, {p.end for p in phones}
        assert all(word.start in starts and word.end in ends for word in words)
        assert all(a.end <= b.start for a, b in itertools.pairwise(words))
    labels = Counter(p.label for entry in entries if entry.split == "evaluation" for p in entry.tiers["phones"])
    assert sum(count >= 20 for count in labels.values()) >= 30
    assert not any(mark in label for label in labels for mark in "ˈˌ")


def test_labels_lie_where_the_sound_is(entries):
    """Vowels are louder than silence at once at their borders: by the median, ten milliseconds inside either."""
    rises = []
    for entry in entries[::9]:
        samples, rate = soundfile.read(entry.file)
        window = rate // 100
        for left, right in zip(entry.tiers["phones"], entry.tiers["phones"][1:], strict=False):
            if left.label == "sil" and right.label[0] in "aeiouæɐɛɪʌ":
                at = int(right.start * rate)
                before, after = samples[max(at - window, 0) : at], samples[at : at + window]
                rises.append(10 * np.log10((after**2).mean() / max((before**2).mean(), 1e-12)))
    assert len(rises) > 10 and np.median(rises) > 6


def test_made_once_and_kept(made, monkeypatch):
    monkeypatch.setattr(espeak, "_make", lambda *_: pytest.fail("made again"))
    assert espeak.prepare({}, made.parent.parent) == made
    assert not [p for p in made.parent.iterdir() if p.name.startswith(".")]


def test_another_language_and_no_rooms(tmp_path, monkeypatch):
    pytest.importorskip("espeakng_loader", reason="needs the extra espeak: pip install 'untold[espeak]'")
    whole = espeak._utterances("fr")
    monkeypatch.setattr(espeak, "_utterances", lambda language: whole[:30])
    folder = espeak.prepare({"language": "fr", "rooms": "no"}, tmp_path)
    entries = list(espeak.read(folder, print, print))
    assert len(entries) == 30 and {e.sides["language"] for e in entries} == {"fr"}
    phones = Counter(p.label for e in entries for p in e.tiers["phones"])
    assert phones["ɑ̃"] > 5 and phones["y"] > 5  # nasal and rounded vowels, as French has them
    for entry in entries[:10]:
        samples, rate = soundfile.read(entry.file, dtype="int16")
        for phone in entry.tiers["phones"]:
            part = samples[int(phone.start * rate) : int(phone.end * rate)]
            assert (part == 0).mean() > 0.5 if phone.label == "sil" else part.any(), (entry.id, phone)


@pytest.mark.parametrize("language", ["en", "de", "es", "fr"])
def test_every_language_has_text_for_all_voices(language):
    utterances = espeak._utterances(language)
    assert len(utterances) == 484 and all(len(text) > 20 for _, _, text in utterances)
    spoken = {split: {text for voice, _, text in utterances if voice.split == split} for split in ("train", "evaluation")}
    assert not spoken["train"] & spoken["evaluation"]


def test_options_that_are_none(tmp_path):
    with pytest.raises(UntoldError, match="no language of espeak named 'tlh': known are de, en, es, fr"):
        espeak.prepare({"language": "tlh"}, tmp_path)
    with pytest.raises(UntoldError, match="did you mean language"):
        espeak.prepare({"langage": "fr"}, tmp_path)
    with pytest.raises(UntoldError, match="rooms = 'few': yes or no expected"):
        espeak.prepare({"rooms": "few"}, tmp_path)


def test_without_the_package_the_way_out_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(espeak.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UntoldError, match=r"pip install 'untold\[espeak\]'"):
        espeak.prepare({}, tmp_path)


def test_a_worker_that_fails_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    pytest.importorskip("espeakng_loader", reason="needs the extra espeak: pip install 'untold[espeak]'")
    monkeypatch.setattr(espeak, "_ACCENTS", {"en": "no-such-voice"})
    with pytest.raises(UntoldError, match="eSpeak NG has no voice no-such-voice") as raised:
        espeak.prepare({}, tmp_path)
    assert "\n" not in str(raised.value)
    assert not list((tmp_path / "espeak").iterdir())


def test_the_core_never_loads_espeak(made):
    code = (
        "import sys, pathlib; from untold.corpora import espeak;"
        f"root = pathlib.Path({str(made)!r}); espeak.prepare({{}}, root.parent.parent); list(espeak.read(root, print, len));"
        "assert 'espeakng_loader' not in sys.modules;"
        "assert not any('espeak-ng' in line for line in open('/proc/self/maps'))"
        if Path("/proc/self/maps").exists() else "pass"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_closures_belong_to_their_stops():
    clean = np.ones(1000, np.int16)
    clean[300:500] = 0  # the closure of t
    clean[800:1000] = 0
    phones = espeak._phones([(0, "ˈæ"), (500, "t"), (600, "ɪ"), (700, ""), (790, ""), (800, "")], clean)
    assert phones == [(0, 300, "æ"), (300, 600, "t"), (600, 800, "ɪ"), (800, 1000, "sil")]


def test_rooms_keep_the_direct_sound_in_place():
    clean = np.zeros(8000, np.int16)
    clean[3000] = 20000
    heard = disturb(clean, 16000, Place(signal_to_noise=(60.0, 60.0)), 1)
    assert np.abs(heard).argmax() == 3000 and heard.dtype == np.int16 and len(heard) == 8000
    again = disturb(clean, 16000, Place(signal_to_noise=(60.0, 60.0)), 1)
    assert np.array_equal(heard, again) and not np.array_equal(heard, disturb(clean, 16000, Place(), 2))


def test_noise_lies_at_the_level_that_was_asked_for():
    speech = (8000 * np.sin(np.arange(32000) / 5)).astype(np.int16)
    place = Place(decay=(0.1, 0.1), direct_to_reflected=(90.0, 90.0), signal_to_noise=(10.0, 10.0))
    heard = disturb(speech, 16000, place, 3).astype(float)
    basis = np.stack([np.sin(np.arange(32000) / 5), np.cos(np.arange(32000) / 5)])
    tone = np.linalg.lstsq(basis.T, heard, rcond=None)[0] @ basis
    assert 10 * np.log10((tone**2).mean() / ((heard - tone) ** 2).mean()) == pytest.approx(10, abs=0.5)


def test_numbers_are_drawn_evenly():
    draw = Draw(5)
    numbers = [draw.between(2, 4) for _ in range(4000)]
    assert 2 <= min(numbers) < 2.01 and 3.99 < max(numbers) <= 4 and np.mean(numbers) == pytest.approx(3, abs=0.05)
    assert {draw.below(3) for _ in range(100)} == {0, 1, 2}


def test_voices_differ():
    assert len({voice.variant().replace(voice.name, "") for voice in VOICES}) == len(VOICES) == 28
    assert all(voice.sex == voice.name[0] for voice in VOICES)
