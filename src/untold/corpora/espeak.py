"""Embedded: 28 synthetic voices of both sexes read novels aloud; exact phone and word times; en, de, es, fr.

Made on the machine by eSpeak NG (extra `espeak`), once, and kept in the cache: about half an hour of 16-bit sound,
sentences of about 2 to 8 s. Twenty voices are for training, eight others read another text for evaluation, and half of what
these read is read by all of them. `espeak:language=fr` speaks another language, `espeak:rooms=no` leaves out the
reverberation and the noise. Phone labels are eSpeak's IPA without stress, silence is `sil`; the closure of a stop
belongs to the stop.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from untold.contract import Interval
from untold.corpora._entry import Entry
from untold.corpora._espeak_rooms import Draw, Place, disturb
from untold.corpora._espeak_voices import VOICES, Voice
from untold.corpora._making import made_once
from untold.errors import UntoldError, unknown_name
from untold.formats._writing import write_json

LICENCE = "texts in the public domain; sound made by eSpeak NG (GPL-3.0 program), free to use"
WHERE = "pip install 'untold[espeak]'"
EMBEDDED = True
NEEDS = "espeakng_loader"  # the package that makes it; looked for, never imported here
TITLE = "the embedded corpus espeak"

SILENCE = "sil"
_FORM = 3  # of the corpus: another number makes it anew
_ACCENTS = {"de": "de", "en": "en-us", "es": "es", "fr": "fr"}
_INDEX = "espeak.jsonl"
_SHARED = 6  # sentences that every evaluation voice reads
_OWN = 7  # sentences that one evaluation voice reads alone
_STRESS = str.maketrans("", "", "ˈˌ\u200d")
_CLOSURE = 64  # samples of exact silence before a phone that count as its closure


def prepare(options: Mapping[str, str], cache: Path) -> Path:
    """The folder of the corpus below `cache`, made when it is not there yet (a quarter of a minute).

    Options: `language` (en, de, es, fr), `rooms` (yes, no). Raises `UntoldError` for others, and when the package
    `espeakng-loader` is absent.
    """
    language, rooms = _checked(options)
    if importlib.util.find_spec(NEEDS) is None:
        raise UntoldError(f"the espeak corpus is made by eSpeak NG, which is not installed: {WHERE}")
    utterances = _utterances(language)
    version = importlib.metadata.version("espeakng-loader")
    plan = [_FORM, version, language, rooms, repr(VOICES), [(voice.name, text) for voice, _, text in utterances]]
    key = hashlib.sha256(json.dumps(plan).encode()).hexdigest()[:16]
    folder = cache / "espeak" / f"{language}-{key}"
    return made_once(folder, _INDEX, lambda work, made: _make(language, rooms, utterances, work, made))


def recognise(root: Path) -> bool:
    """Whether `root` is a folder that `prepare` made."""
    return (root / _INDEX).is_file()


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """Recordings voice after voice in turn, training first. Times are exact: samples over the voice's rate."""
    note("synthetic voices of eSpeak NG; phone and word times are exact")
    index = root / _INDEX
    with index.open(encoding="utf-8") as lines:
        for line in lines:
            told = json.loads(line)
            tiers = {
                name: [Interval(Fraction(start, told["rate"]), Fraction(end, told["rate"]), label)
                       for start, end, label in told[name]]
                for name in ("phones", "words")
            }  # fmt: skip
            sides = {side: told[side] for side in ("speaker", "sex", "language")}
            audio = root / f"{told['id']}.wav"
            yield Entry(told["id"], audio, sides=sides, tiers=tiers, split=told["split"], labels=(index,))


def _checked(options: Mapping[str, str]) -> tuple[str, bool]:
    for name in options:
        if name not in ("language", "rooms"):
            raise unknown_name("setting of espeak", name, ("language", "rooms"))
    language, rooms = options.get("language", "en"), options.get("rooms", "yes")
    if language not in _ACCENTS:
        raise unknown_name("language of espeak", language, _ACCENTS)
    if rooms not in ("yes", "no"):
        raise UntoldError(f"rooms = {rooms!r}: yes or no expected")
    return language, rooms == "yes"


def _sentences(language: str, split: str) -> list[str]:
    text = Path(__file__).parent / "texts" / f"{language}-{split}.txt"
    return text.read_text(encoding="utf-8").splitlines()


def _utterances(language: str) -> list[tuple[Voice, int, str]]:
    """(voice, its how-manieth, sentence) in the fixed order of speaking: the voices take turns."""
    out = []
    learned = [voice for voice in VOICES if voice.split == "train"]
    text = _sentences(language, "train")
    each = 19  # 20 voices and 380 sentences; a shorter text is begun again
    for turn in range(each):
        out += [(voice, turn, text[(n * each + turn) % len(text)]) for n, voice in enumerate(learned)]
    judged = [voice for voice in VOICES if voice.split == "evaluation"]
    text = _sentences(language, "evaluation")
    shared, own = text[:: len(text) // _SHARED][:_SHARED], []
    own = [sentence for sentence in text if sentence not in shared]
    for turn in range(_SHARED):
        out += [(voice, turn, shared[turn]) for voice in judged]
    for turn in range(_OWN):
        out += [(voice, _SHARED + turn, own[n * _OWN + turn]) for n, voice in enumerate(judged)]
    return out


def spoken(language: str, rooms: bool, utterances: Sequence[tuple[Voice, int, str]], work: Path) -> Iterator[tuple[np.ndarray, dict[str, list[tuple[int, int, str]]]]]:
    """Of each utterance (voice, its how-manieth, sentence) the samples, int16 at the voice's rate, and tiers of (start, end, label) in samples.

    `work` is an empty folder for what eSpeak NG gives. Raises `UntoldError` when it cannot speak.
    """
    _synthesise(language, utterances, work)
    with (work / "samples.raw").open("rb") as sound, (work / "events.jsonl").open(encoding="utf-8") as events:
        for number, ((voice, _, text), line) in enumerate(zip(utterances, events, strict=True)):
            heard = json.loads(line)
            clean = np.frombuffer(sound.read(2 * heard["samples"]), "<i2").astype(np.int16)
            yield _recording(clean, heard, text, voice, number, rooms)


def _make(language: str, rooms: bool, utterances: Sequence[tuple[Voice, int, str]], work: Path, made: Path) -> None:
    made.mkdir()
    digest = hashlib.sha256()
    with (made / _INDEX).open("w", encoding="utf-8") as index:
        for (voice, turn, text), (samples, tiers) in zip(utterances, spoken(language, rooms, utterances, work), strict=True):
            digest.update(samples.astype("<i2").tobytes())
            name = f"{voice.name}/{voice.name}-{turn + 1:03d}"
            (made / voice.name).mkdir(exist_ok=True)
            soundfile.write(made / f"{name}.wav", samples, voice.rate, subtype="PCM_16")
            told: dict[str, Any] = {"id": name, "speaker": voice.name, "sex": voice.sex, "language": language}
            told |= {"split": voice.split, "rate": voice.rate, "samples": len(samples), "text": text, **tiers}
            index.write(json.dumps(told, ensure_ascii=False) + "\n")
    write_json(made / "made.json", {"form": _FORM, "recordings": len(utterances), "sha256": digest.hexdigest()})


def _manner(voice: Voice, number: int) -> dict[str, Any]:
    """How a voice reads one sentence: nobody is equally fast, high and lively all the time."""
    draw = Draw(_FORM, number, 2)
    speed = round(voice.words_a_minute * draw.between(0.88, 1.12))
    return {"voice": voice.name, "speed": speed, "pitch": 40 + draw.below(21), "range": 30 + draw.below(51)}


def _synthesise(language: str, utterances: Sequence[tuple[Voice, int, str]], work: Path) -> None:
    """Runs the worker that speaks, in a process of its own."""
    request = {
        "accent": _ACCENTS[language],
        "variants": {voice.name: voice.variant() for voice in VOICES},
        "utterances": [_manner(voice, number) | {"text": text} for number, (voice, _, text) in enumerate(utterances)],
    }
    write_json(work / "request.json", request)
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "untold.corpora._espeak_synthesis", str(work)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise UntoldError(f"eSpeak NG could not make the corpus ({last[:200]}): reinstall it with {WHERE}")
    shutil.rmtree(work / "espeak-ng-data")


def _recording(
    clean: np.ndarray, heard: Mapping[str, Any], text: str, voice: Voice, number: int, rooms: bool
) -> tuple[np.ndarray, dict[str, list[tuple[int, int, str]]]]:
    """The samples as they are stored, and tiers of (start, end, label) in samples."""
    draw = Draw(_FORM, number)
    before, after = (int(draw.between(0.08, 0.3) * voice.rate) for _ in range(2))
    phones = _phones(heard["phones"], clean)
    words = _words(heard["words"], phones, text)
    padded = np.concatenate([np.zeros(before, np.int16), clean, np.zeros(after, np.int16)])
    tiers = {name: [(a + before, b + before, label) for a, b, label in tier] for name, tier in (("phones", phones), ("words", words))}
    tiers["phones"] = _with_ends(tiers["phones"], len(padded))
    samples = disturb(padded, voice.rate, Place(), _FORM, number, 1) if rooms else padded
    return samples, tiers


def _with_ends(phones: list[tuple[int, int, str]], total: int) -> list[tuple[int, int, str]]:
    """The same with silence to both ends of the recording."""
    out = list(phones)
    if out[0][2] == SILENCE:
        out[0] = (0, *out[0][1:])
    else:
        out.insert(0, (0, out[0][0], SILENCE))
    if out[-1][2] == SILENCE:
        out[-1] = (out[-1][0], total, SILENCE)
    else:
        out.append((out[-1][1], total, SILENCE))
    return out


def _phones(events: Sequence[tuple[int, str]], clean: np.ndarray) -> list[tuple[int, int, str]]:
    """Phones without gaps from eSpeak's events. What has no IPA is silence where the sound is, else a part of the phone before.

    eSpeak puts the event of a stop after its closure, which is exact silence: the phone begins there.
    """
    quiet = np.concatenate([[0], np.cumsum(clean == 0)])
    out: list[tuple[int, int, str]] = []
    ends = [sample for sample, _ in events[1:]] + [len(clean)]
    for (start, symbol), end in zip(events, ends, strict=True):
        if end <= start:
            continue
        label = symbol.translate(_STRESS)
        if not label and 2 * (quiet[end] - quiet[start]) >= end - start:
            label = SILENCE
        if not label or (out and label == out[-1][2] == SILENCE):
            if out:
                out[-1] = (out[-1][0], end, out[-1][2])
            continue
        if label != SILENCE and out and out[-1][2] != SILENCE:
            begin = start
            while begin > out[-1][0] + 1 and clean[begin - 1] == 0:
                begin -= 1
            if start - begin >= _CLOSURE:
                out[-1] = (out[-1][0], begin, out[-1][2])
                start = begin
        out.append((start, end, label))
    return out


def _words(
    events: Sequence[tuple[int, int, int]], phones: Sequence[tuple[int, int, str]], text: str
) -> list[tuple[int, int, str]]:
    """Words from where eSpeak says that they begin to the end of their last phone."""
    out = []
    ends = [sample for sample, _, _ in events[1:]] + [phones[-1][1]]
    for (start, position, length), end in zip(events, ends, strict=True):
        spoken = [(a, b) for a, b, label in phones if label != SILENCE and start <= a < end]
        if spoken:
            out.append((spoken[0][0], spoken[-1][1], text[position : position + length].lower()))
    return out
