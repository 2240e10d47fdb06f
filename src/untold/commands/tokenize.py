"""Write the units of recordings: units.jsonl, and TextGrid, ELAN, CTM, ZeroSpeech, PAGE or ALTO files if asked for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from untold.commands import _glyphs
from untold.commands._options import machine, opened, processes
from untold.commands._terminal import Terminal
from untold.errors import UntoldError

if TYPE_CHECKING:
    from untold.contract import Interval, Recording, Units
    from untold.corpora import Corpus
    from untold.subjects import Subject

FORMATS = ("jsonl", *_glyphs.OF_SOUND, "zerospeech", *_glyphs.FORMATS)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("what", metavar="WHAT", help="a RUN or a codebook")
    parser.add_argument("source", metavar="SOURCE", help="recordings: a folder, or a corpus by name")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the units")
    parser.add_argument("--format", default="jsonl", metavar="F[,F]", help=f"what to write besides jsonl: {', '.join(FORMATS[1:])}")
    parser.add_argument("--split", default="all", choices=["train", "held_out", "evaluation", "all"], help="which recordings")


def run(
    what: str, source: str, *, out: Path, format: str = "jsonl", split: str = "all", force: bool = False,  # noqa: A002
    device: str = "auto", threads: int | None = None, limit: int | None = None, quiet: bool = False,
) -> Path:
    """Writes the units, runs of one token merged, and gives their folder; recordings are shared out among processes."""
    from untold.formats._writing import make_folder
    from untold.subjects import open_subject
    from untold.training.processes import by_first, is_first

    kinds = [word.strip() for word in format.split(",")]
    for kind in kinds:
        if kind not in FORMATS:
            raise UntoldError(f"--format {kind}: one of {', '.join(FORMATS)} expected")
    where = machine(device, threads)
    processes(where)
    terminal = Terminal(quiet or not is_first())
    corpus = opened(source, terminal, limit=limit, split=split)
    _glyphs.refuse(kinds, corpus)
    subject = open_subject(what, corpus=corpus, device=where)
    if not subject.alphabet:
        subject.units(corpus[0])  # says what to do
    for note in subject.notes:
        terminal.say(f"note: {note}")
    by_first(lambda: make_folder(out, force=force))
    write_units(subject, corpus, out, kinds, terminal)
    if is_first():
        terminal.result(f"{out}")
    return out


def write_units(subject: Subject, corpus: Corpus, out: Path, kinds: list[str], terminal: Terminal, *, alone: bool = False) -> None:
    """units.jsonl (runs merged) of a corpus, and the other kinds of files; `alone`: this process does it all."""
    from untold.formats import ctm, zerospeech
    from untold.formats.units import UnitsWriter
    from untold.training.processes import by_first, share, together

    rank, world = (0, 1) if alone else share()
    names = {"jsonl": "units.jsonl", "ctm": "units.ctm", "zerospeech": "quantized_outputs.txt"}
    mine = {kind: out / (name if world == 1 else f".{name}.{rank}.part") for kind, name in names.items()}
    with terminal.bar(corpus.length / world, corpus.medium.counted, "tokenising") as bar, ExitStack() as stack:
        writer = stack.enter_context(UnitsWriter(mine["jsonl"]))
        as_ctm = stack.enter_context(ctm.Writer(mine["ctm"])) if "ctm" in kinds else None
        as_frames = stack.enter_context(zerospeech.Writer(mine["zerospeech"])) if "zerospeech" in kinds else None
        for number in range(rank, len(corpus), world):
            recording = corpus[number]
            frames = subject.units(recording)
            units = frames.merged()
            writer.write(recording.id, units, recording.id + corpus.origin(number).file.suffix)
            tier = tier_of(units, recording) if set(kinds) & set(_glyphs.OF_SOUND) else []
            _write_labels(corpus, number, tier, out, kinds)
            if as_ctm is not None:
                as_ctm.write(recording.id, tier)
            if as_frames is not None:
                as_frames.write(recording.id, frames.framewise(int(frames.ends[-1]) if len(frames.ends) else 0))
            bar.advance(float(recording.length))
    if world > 1:
        together()
        by_first(lambda: _join(out, {kind: name for kind, name in names.items() if kind in ("jsonl", *kinds)}, corpus, world))
    if rank == 0:
        _glyphs.write_pages(corpus, out / names["jsonl"], out, kinds)


def _join(out: Path, names: Mapping[str, str], corpus: Corpus, world: int) -> None:
    """The processes' shares of each file as one process would have written them."""
    from untold.formats._writing import beside

    for kind, name in names.items():
        parts = [out / f".{name}.{rank}.part" for rank in range(world)]
        with beside(out / name) as whole, whole.open("w", encoding="utf-8", newline="\n") as file, ExitStack() as stack:
            shares = [stack.enter_context(part.open(encoding="utf-8", newline="\n")) for part in parts]
            file.writelines(_in_turn(shares) if kind != "ctm" else _by_recording(shares, corpus))
        for part in parts:
            part.unlink()


def _by_recording(files: Sequence[Iterator[str]], corpus: Corpus) -> Iterator[str]:
    """Lines of several CTM files in the order of the corpus; a recording may have many lines, or none."""
    heads = [next(file, None) for file in files]
    for number in range(len(corpus)):
        place, begins = number % len(files), f"{corpus[number].id} "
        while (line := heads[place]) is not None and line.startswith(begins):
            yield line
            heads[place] = next(files[place], None)


def _in_turn(files: Sequence[Iterator[str]]) -> Iterator[str]:
    """Lines of several files, one of each in turn."""
    while True:
        for file in files:
            line = next(file, None)
            if line is None:
                return
            yield line


def tier_of(units: Units, recording: Recording) -> list[Interval]:
    """Units as a tier that ends with the recording."""
    from untold.contract import Interval

    grid, duration = units.grid, recording.length
    tier = [
        Interval(grid.start(int(a)), min(grid.start(int(b)), duration), str(t))
        for t, a, b in zip(units.tokens, units.starts, units.ends, strict=True)
        if grid.start(int(a)) < duration
    ]
    if tier and duration - tier[-1].end < 1 / grid.rate:
        tier[-1] = Interval(tier[-1].start, duration, tier[-1].label)  # a last part of a step belongs to its unit
    return tier


def _write_labels(corpus: Corpus, number: int, tier: list[Interval], out: Path, kinds: list[str]) -> None:
    """The files that are one a recording."""
    from untold.formats import elan, textgrid
    from untold.formats._writing import inside

    recording = corpus[number]
    if "textgrid" in kinds:
        textgrid.write(inside(out, recording.id, ".TextGrid"), {"units": tier}, recording.length)
    if "elan" in kinds:
        origin = corpus.origin(number)
        own = next((p for p in origin.labels if p.suffix.lower() == ".eaf"), None)
        elan.write(inside(out, recording.id, ".eaf"), {"units": tier}, origin.file, own, origin.start)
