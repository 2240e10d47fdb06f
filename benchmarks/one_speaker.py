"""A single speaker's hour: one voice of the embedded corpus reads a text of yours, with exact phone and word times.

Sentences of 6 to 22 words, in the text's order, each as fast, high and lively as the corpus draws it, in its rooms.
Writes FOLDER/m03/*.wav with a TextGrid beside each. Needs the extra `espeak`.
Usage: python benchmarks/one_speaker.py TEXT FOLDER [--minutes 60]
"""

from __future__ import annotations

import argparse
import re
import tempfile
from fractions import Fraction
from pathlib import Path

import soundfile

from untold.contract import Interval
from untold.corpora import espeak
from untold.formats import textgrid

VOICE = next(voice for voice in espeak.VOICES if voice.name == "m03")
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
    parser.add_argument("--minutes", type=float, default=60)
    told = parser.parse_args()
    read = sentences(told.text.read_text(encoding="utf-8"))[: round(A_MINUTE * told.minutes) + 10]
    folder = told.folder / VOICE.name
    folder.mkdir(parents=True)
    seconds, written = 0.0, 0
    with tempfile.TemporaryDirectory() as work:
        for samples, tiers in espeak.spoken("en", True, [(VOICE, number, sentence) for number, sentence in enumerate(read)], Path(work)):
            written += 1
            name = folder / f"{VOICE.name}-{written:04d}"
            soundfile.write(name.with_suffix(".wav"), samples, VOICE.rate, subtype="PCM_16")
            rows = {
                tier: [Interval(Fraction(a, VOICE.rate), Fraction(b, VOICE.rate), label) for a, b, label in marks]
                for tier, marks in tiers.items()
            }
            textgrid.write(name.with_suffix(".TextGrid"), rows, Fraction(len(samples), VOICE.rate))
            seconds += len(samples) / VOICE.rate
            if seconds >= 60 * told.minutes:
                break
    if seconds < 60 * told.minutes:
        print(f"{told.text} has no more sentences of {WORDS.start} to {WORDS.stop - 1} words")
    print(f"{VOICE.name}: {written} sentences, {seconds / 60:.1f} minutes, in {told.folder}")


if __name__ == "__main__":
    main()
