"""Say it in another voice, write it in another hand: recordings through a model, decoded as another of its training set."""

from __future__ import annotations

import argparse
from pathlib import Path

from untold.commands import reconstruct
from untold.commands._drawing import add_drawing


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="a trained run with a decoder")
    parser.add_argument("source", metavar="SOURCE", help="recordings to convert")
    parser.add_argument("--to", required=True, metavar="SPEAKER", help="a speaker or scribe of the training set")
    add_drawing(parser)


def run(
    run_folder: Path, source: str, *, to: str, out: Path, temperature: float | None = None, seed: int = 0, force: bool = False,
    device: str = "auto", threads: int | None = None, limit: int | None = None, quiet: bool = False,
) -> Path:
    """Writes a wav or PNG file a recording, in the voice or hand of `to`, and gives their folder."""
    return reconstruct.run(
        run_folder, source, out=out, speaker=to, temperature=temperature, seed=seed, force=force, device=device, threads=threads, limit=limit, quiet=quiet
    )
