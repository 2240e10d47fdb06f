"""A single speaker's hour: one voice of the embedded corpus reads a text of yours, with exact phone and word times.

Sentences of 6 to 22 words, in the text's order, each as fast, high and lively as the corpus draws it, in its rooms.
Writes FOLDER/VOICE/*.wav with a TextGrid beside each. Needs the extra `espeak`.
Usage: python benchmarks/one_speaker.py TEXT FOLDER [--voice m03] [--minutes 60]
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from untold.contract import Interval
from untold.corpora import espeak
from untold.corpora._espeak_voices import VOICES
from untold.formats import textgrid

WORDS = range(6, 23)
A_MINUTE = 30  # sentences that are spoken, at most; of those as many are written as fill the time


def sentences(text: str) -> list[str]:
    """Whole sentences of letters and commas, in order."""
    plain = re.sub(r"[“”\"_()]", " ", text).replace("’", "'")
    plain = re.sub(r"\b(Mr|Mrs|Dr|St|Miss)\.", r"\1", plain)
    found = (" ".join(part.split()) for part in re.split(r"(?<=[.!?])\s+", plain))
    return [part for part in found if len(part.split()) in WORDS and re.fullmatch(r"[A-Za-z',;: -]+[.!?]", part)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--voice", default="m03", choices=[voice.name for voice in VOICES])
    parser.add_argument("--minutes", type=float, default=60)
    told = parser.parse_args()
    voice = next(each for each in VOICES if each.name == told.voice)
    read = sentences(told.text.read_text(encoding="utf-8"))
    utterances = [(voice, number, sentence) for number, sentence in enumerate(read[: round(A_MINUTE * told.minutes) + 10])]
    folder = told.folder / voice.name
    folder.mkdir(parents=True)
    seconds, written = 0.0, 0
    with tempfile.TemporaryDirectory() as work:
        espeak._synthesise("en", utterances, Path(work))
        with (Path(work) / "samples.raw").open("rb") as sound, (Path(work) / "events.jsonl").open(encoding="utf-8") as events:
            for (_, number, sentence), line in zip(utterances, events, strict=True):
                heard = json.loads(line)
                clean = np.frombuffer(sound.read(2 * heard["samples"]), "<i2").astype(np.int16)
                samples, tiers = espeak._recording(clean, heard, sentence, voice, number, rooms=True)
                name = folder / f"{voice.name}-{number + 1:04d}"
                soundfile.write(name.with_suffix(".wav"), samples, voice.rate, subtype="PCM_16")
                rows = {
                    tier: [Interval(Fraction(a, voice.rate), Fraction(b, voice.rate), label) for a, b, label in marks]
                    for tier, marks in tiers.items()
                }
                textgrid.write(name.with_suffix(".TextGrid"), rows, Fraction(len(samples), voice.rate))
                seconds, written = seconds + len(samples) / voice.rate, written + 1
                if seconds >= 60 * told.minutes:
                    break
    if seconds < 60 * told.minutes:
        print(f"{told.text} has no more sentences of {WORDS.start} to {WORDS.stop - 1} words")
    print(f"{voice.name}: {written} sentences, {seconds / 60:.1f} minutes, in {told.folder}")


if __name__ == "__main__":
    main()
