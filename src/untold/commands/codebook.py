"""Make tokens of anyone's features: k-means codewords, saved with exactly what they were fitted on."""

from __future__ import annotations

import argparse
from pathlib import Path

from untold.commands._options import add_point, chosen_point, machine, opened
from untold.commands._terminal import Terminal
from untold.errors import UntoldError


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("what", metavar="WHAT", help="a RUN, a front end, hf:PATH, a folder of features")
    parser.add_argument("source", metavar="SOURCE", help="recordings to fit on")
    parser.add_argument("--size", type=int, required=True, metavar="K", help="codewords")
    add_point(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the codebook")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draw of frames and the first codewords (0)")
    parser.add_argument("--split", default="all", choices=["train", "held_out", "evaluation", "all"], help="which recordings")


def run(
    what: str, source: str, *, size: int, out: Path, point: str | None = None, layer: int | None = None, seed: int = 0, split: str = "all", force: bool = False,
    device: str = "auto", threads: int | None = None, limit: int | None = None, quiet: bool = False,
) -> Path:
    """Fits mini-batch k-means on frames drawn from all recordings (features standardised) and gives the codebook's folder."""
    from untold.commands import _kmeans
    from untold.formats._writing import make_folder
    from untold.formats.codebook import write_codebook
    from untold.subjects import open_subject

    check_size(size)
    if not 0 <= seed < 1 << 32:
        raise UntoldError(f"--seed {seed}: a whole number from 0 to {(1 << 32) - 1} expected")
    where = machine(device, threads)
    terminal = Terminal(quiet)
    corpus = opened(source, terminal, limit=limit, split=split)
    subject = open_subject(what, corpus=corpus, device=where)
    chosen = chosen_point(what, subject.points, point, layer)
    for note in subject.notes:
        terminal.say(f"note: {note}")
    _check_empty(out, force)
    book = _kmeans.fit(subject, what, chosen, corpus, size, seed, terminal)
    make_folder(out, force=force)
    write_codebook(out, book)
    terminal.result(f"{out}")
    return out


def check_size(size: int) -> None:
    """Raises `UntoldError` for a number of codewords that cannot be."""
    if not 2 <= size <= 1 << 20:
        raise UntoldError(f"--size {size}: from 2 to {1 << 20}")


def _check_empty(out: Path, force: bool) -> None:
    """Says before the work, not after it, that there is no place for it."""
    if not force and out.is_dir() and any(out.iterdir()):
        raise UntoldError(f"{out} holds something already: name another folder with --out, or replace it with --force")
