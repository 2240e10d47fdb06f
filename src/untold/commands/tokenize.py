"""Write the units of recordings: units.jsonl, and TextGrid, ELAN, CTM or ZeroSpeech files if asked for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from untold.commands._options import machine, opened, processes
from untold.commands._terminal import Terminal
from untold.errors import UntoldError

if TYPE_CHECKING:
    from untold.contract import Units
    from untold.corpora import Corpus
    from untold.subjects import Subject

FORMATS = ("jsonl", "textgrid", "elan", "ctm", "zerospeech")


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
    from untold.training.loader import share

    kinds = [word.strip() for word in format.split(",")]
    for kind in kinds:
        if kind not in FORMATS:
            raise UntoldError(f"--format {kind}: one of {', '.join(FORMATS)} expected (page and alto are for images)")
    processes()
    where = machine(device, threads)
    terminal = Terminal(quiet or share()[0] != 0)
    corpus = opened(source, terminal, limit=limit, split=split)
    subject = open_subject(what, corpus=corpus, device=where)
    if not subject.alphabet:
        subject.units(corpus[0])  # says what to do
    if share()[0] == 0:
        make_folder(out, force=force)
    write_units(subject, corpus, out, kinds, terminal)
    if share()[0] == 0:
        terminal.result(f"{out}")
    return out


def write_units(subject: Subject, corpus: Corpus, out: Path, kinds: list[str], terminal: Terminal) -> None:
    """units.jsonl (runs merged) of a corpus, and the other kinds of files."""
    import torch

    from untold.formats._writing import beside
    from untold.formats.units import UnitsWriter
    from untold.layers.across import spread
    from untold.training.loader import share

    rank, world = share()
    if spread():
        torch.distributed.barrier()
    mine = out / "units.jsonl" if world == 1 else out / f"units.{rank}.part"
    with terminal.bar(corpus.seconds / world, "s of sound", "tokenising") as bar, UnitsWriter(mine) as writer, ExitStack() as stack:
        others = _Others(out, kinds, rank, world, stack) if any(kind != "jsonl" for kind in kinds) else None
        for number in range(rank, len(corpus), world):
            recording = corpus[number]
            frames = subject.units(recording)
            writer.write(recording.id, frames.merged(), recording.id + corpus.origin(number).audio.suffix)
            if others is not None:
                others.write(corpus, number, frames)
            bar.advance(recording.signals["audio"].steps / 16000)
    if world > 1:
        torch.distributed.barrier()
        if rank == 0:
            parts = [out / f"units.{r}.part" for r in range(world)]
            with beside(out / "units.jsonl") as whole, whole.open("w", encoding="utf-8") as file, ExitStack() as stack:
                file.writelines(_in_turn([stack.enter_context(p.open(encoding="utf-8")) for p in parts]))
            for part in parts:
                part.unlink()
        torch.distributed.barrier()


def _in_turn(files: list[Iterator[str]]) -> Iterator[str]:
    """Lines of several files, one of each in turn, as one process would have written them."""
    while True:
        for file in files:
            line = next(file, None)
            if line is None:
                return
            yield line


class _Others:
    """Files besides units.jsonl: one a recording, or one for all (CTM, ZeroSpeech)."""

    def __init__(self, out: Path, kinds: list[str], rank: int, world: int, stack: ExitStack) -> None:
        if world > 1 and ({"ctm", "zerospeech"} & set(kinds)):
            raise UntoldError("--format ctm and zerospeech are one file for all: write them with one process")
        self.out, self.kinds = out, kinds
        self.all: dict[str, object] = {}
        self.frames: dict[str, Units] = {}
        stack.callback(self.close)

    def write(self, corpus: Corpus, number: int, frames: Units) -> None:
        """The files of one recording."""
        from fractions import Fraction

        from untold.contract import Interval
        from untold.formats import elan, textgrid
        from untold.formats._writing import inside

        recording, units = corpus[number], frames.merged()
        duration = Fraction(recording.signals["audio"].steps, 16000)
        grid = units.grid
        tier = [
            Interval(grid.start(int(a)), min(grid.start(int(b)), duration), str(t))
            for t, a, b in zip(units.tokens, units.starts, units.ends, strict=True)
            if grid.start(int(a)) < duration
        ]
        if tier and duration - tier[-1].end < 1 / grid.rate:
            tier[-1] = Interval(tier[-1].start, duration, tier[-1].label)  # a last part of a step belongs to its unit
        if "textgrid" in self.kinds:
            textgrid.write(inside(self.out, recording.id, ".TextGrid"), {"units": tier}, duration)
        if "elan" in self.kinds:
            origin = corpus.origin(number)
            own = next((p for p in origin.labels if p.suffix.lower() == ".eaf"), None)
            elan.write(inside(self.out, recording.id, ".eaf"), {"units": tier}, origin.audio, own)
        if "ctm" in self.kinds:
            self.all[recording.id] = tier
        if "zerospeech" in self.kinds:
            self.frames[recording.id] = frames

    def close(self) -> None:
        """The files that hold all recordings."""
        from untold.formats import ctm, zerospeech

        if "ctm" in self.kinds:
            ctm.write(self.out / "units.ctm", self.all)  # type: ignore[arg-type]
        if "zerospeech" in self.kinds:
            zerospeech.write(self.out / "quantized_outputs.txt", {key: u.framewise(int(u.ends[-1]) if len(u.ends) else 0) for key, u in self.frames.items()})
