"""A small source on disk, six voices with two recordings each and phones in TextGrids, and folders of known features."""

from __future__ import annotations

from pathlib import Path

import soundfile

from untold.corpora import open_source
from untold.formats.features import FeatureWriter
from untold.formats.units import UnitsWriter

from ..evaluation.pretended import Subject, corpus


def speech(folder: Path) -> Path:
    """Writes the source."""
    people = set()
    for recording in corpus(speakers=6, each=2, sound=True):
        path = folder / f"{recording.id}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        signal = recording.signals["audio"]
        soundfile.write(path, signal.read(0, signal.steps), 16000, subtype="PCM_16")
        tier = recording.tiers["phones"]
        end = float(tier[-1].end)
        lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}", "tiers? <exists>"]
        lines += ["size = 1", "item []:", "    item [1]:", '        class = "IntervalTier"', '        name = "phones"']
        lines += ["        xmin = 0", f"        xmax = {end}", f"        intervals: size = {len(tier)}"]
        for n, i in enumerate(tier, 1):
            lines += [f"        intervals [{n}]:", f"            xmin = {float(i.start)}", f"            xmax = {float(i.end)}"]
            lines += [f'            text = "{i.label}"']
        path.with_suffix(".TextGrid").write_text("\n".join(lines) + "\n")
        people.add((recording.speaker, recording.sides["sex"]))
    (folder / "speakers.csv").write_text("speaker,sex\n" + "".join(f"{a},{b}\n" for a, b in sorted(people)))
    return folder


def known_features(source: Path, folder: Path, rate: int = 100, kind: str = "phones") -> None:
    """Features that are the phones."""
    subject = Subject(kind, rate=rate)
    writer = FeatureWriter(folder, subject.grid(""), "features", "a test")
    for recording in open_source(str(source)):
        writer.write(recording.id, subject.chunks(recording, "features"))


def known_units(source: Path, folder: Path, kind: str = "phones", leave_out: int = 0) -> None:
    """Units that are the phones, or noise."""
    subject, recordings = Subject(kind), list(open_source(str(source)))
    folder.mkdir()
    with UnitsWriter(folder / "units.jsonl") as out:
        for recording in recordings[: len(recordings) - leave_out]:
            out.write(recording.id, subject.units(recording), f"{recording.id}.wav")
