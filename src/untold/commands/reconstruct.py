"""Hear or see what the units keep: recordings through a model and back, or sound and lines from a units file alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from untold.commands._drawing import add_drawing, check_drawing, kept
from untold.commands._options import machine, opened
from untold.commands._terminal import Terminal
from untold.errors import UntoldError

if TYPE_CHECKING:
    import numpy as np

    from untold.resynthesis import Resynthesis, Wanted


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="a trained run with a decoder")
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="recordings to reconstruct")
    parser.add_argument("--from-units", type=Path, metavar="FILE", help="a units.jsonl of this model, in place of recordings")
    parser.add_argument("--speaker", metavar="NAME", help="in whose voice or hand (default: the recording's own; unknown for a units file)")
    add_drawing(parser)


def run(
    run_folder: Path, source: str | None = None, *, out: Path, from_units: Path | None = None, speaker: str | None = None,
    temperature: float | None = None, seed: int = 0, force: bool = False, device: str = "auto", threads: int | None = None, limit: int | None = None, quiet: bool = False,
) -> Path:
    """Writes a wav file a recording, a PNG file a line, and gives their folder. What was made before an interruption is kept."""
    import torch

    from untold.formats._writing import make_folder
    from untold.formats.units import read_units
    from untold.resynthesis import Resynthesis
    from untold.runs import Run

    if (source is None) == (from_units is None):
        raise UntoldError("give recordings, or a units file with --from-units (one of them)")
    check_drawing(temperature, seed)
    where = machine(device, threads)
    terminal = Terminal(quiet)
    torch.manual_seed(seed)
    model = Run.open(run_folder).model(where)
    back = Resynthesis(model, run_folder, temperature, seed)
    if from_units is not None:
        units = read_units(from_units, limit=limit)
        index = back.speaker(speaker)
        empty = [name for name, one in units.items() if not len(one.tokens)]
        if len(empty) == len(units):
            raise UntoldError(f"{from_units} holds no units, only empty lines such as that of {empty[0]}: there is nothing to make anything from")
        make_folder(out, force=force)
        full = [(name, one) for name, one in units.items() if len(one.tokens)]
        length = sum(float(one.grid.start(int(one.ends[-1]))) for _, one in full)
        _write(back, ((name, back.wanted_of_units(one, index, name)) for name, one in full), length, out, terminal)
        if empty:
            terminal.result(f"skipped: {len(empty)} without units ({', '.join(empty[:10])})")
    else:
        assert source is not None
        told = None if speaker is None else back.speaker(speaker)
        corpus = opened(source, terminal, limit=limit)
        make_folder(out, force=force)
        _write(back, ((recording.id, back.wanted(recording, told)) for recording in corpus), corpus.length, out, terminal)
    terminal.result(f"{out}")
    return out


def _write(back: Resynthesis, wanted: Iterable[tuple[str, Wanted]], length: float, out: Path, terminal: Terminal) -> None:
    """A file each, as many at once as the decoder likes."""
    left = iter(wanted)
    with terminal.bar(length, back.medium.counted, "drawing lines" if back.in_ink else "making sound") as bar:
        while group := list(islice(left, back.at_once)):
            with kept([_save(back, out, name, one) for name, one in group]) as made:
                for pieces in back.pieces([one for _, one in group]):
                    for row, piece in zip(made, pieces, strict=True):
                        row.append(piece)
                    bar.advance(sum(len(piece) for piece in pieces) / back.medium.rate)


def _save(back: Resynthesis, out: Path, name: str, one: Wanted) -> Callable[[np.ndarray], None]:
    """What writes the file: a picture goes from left to right, whichever way it was written."""
    from untold.formats._writing import inside
    from untold.formats.picture import as_written, write_png
    from untold.formats.sound import write_wav

    if back.in_ink:
        return lambda values: write_png(inside(out, name, ".png"), as_written(values, one.sides))
    return lambda values: write_wav(inside(out, name, ".wav"), values)
