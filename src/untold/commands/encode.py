"""Write features of recordings at a point: a folder with one .npy a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from untold.commands._options import add_point, chosen_point, machine, opened, processes
from untold.commands._terminal import Terminal


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("what", metavar="WHAT", help="a RUN, a front end such as mfcc:deltas=no, hf:PATH, a codebook")
    parser.add_argument("source", metavar="SOURCE", help="recordings: a folder, or a corpus by name")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the features")
    add_point(parser)
    parser.add_argument("--split", default="all", choices=["train", "held_out", "evaluation", "all"], help="which recordings")


def run(
    what: str, source: str, *, out: Path, point: str | None = None, layer: int | None = None, split: str = "all", force: bool = False,
    device: str = "auto", threads: int | None = None, limit: int | None = None, quiet: bool = False,
) -> Path:
    """Writes features of each recording and gives their folder; recordings are shared out among processes."""
    from untold.formats._writing import make_folder
    from untold.formats.features import FeatureWriter
    from untold.subjects import open_subject
    from untold.training.processes import by_first, share, together

    where = machine(device, threads)
    processes(where)
    rank, world = share()
    terminal = Terminal(quiet or rank != 0)
    corpus = opened(source, terminal, limit=limit, split=split)
    subject = open_subject(what, corpus=corpus, device=where)
    chosen = chosen_point(what, subject.points, point, layer)
    for note in subject.notes:
        terminal.say(f"note: {note}")
    by_first(lambda: make_folder(out, force=force))
    writer = FeatureWriter(out, subject.grid(chosen), chosen, subject.origin, subject.fingerprint())
    with terminal.bar(corpus.length / world, corpus.medium.counted, "encoding") as bar:
        for number in range(rank, len(corpus), world):
            recording = corpus[number]
            writer.write(recording.id, subject.chunks(recording, chosen))
            bar.advance(float(recording.length))
    together()
    if rank == 0:
        terminal.result(f"{out}")
    return out
