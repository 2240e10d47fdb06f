"""Hear what the units keep: recordings through a model and back to sound, or sound from a units file alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from untold.commands._options import machine, opened
from untold.commands._terminal import Terminal
from untold.errors import UntoldError


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="a trained run with a decoder")
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="recordings to reconstruct")
    parser.add_argument("--from-units", type=Path, metavar="FILE", help="a units.jsonl of this model, in place of recordings")
    parser.add_argument("--speaker", metavar="NAME", help="in whose voice (default: the recording's own; unknown for a units file)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the sounds")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="T", help="how far frames are drawn around what the decoder expects (0: not at all)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the phases that the sound begins with (0)")


def run(
    run_folder: Path, source: str | None = None, *, out: Path, from_units: Path | None = None, speaker: str | None = None,
    temperature: float = 0.0, seed: int = 0, force: bool = False, device: str = "auto", threads: int | None = None, limit: int | None = None, quiet: bool = False,
) -> Path:
    """Writes a wav file a recording and gives their folder. What was made before an interruption is kept."""
    import torch

    from untold.formats._writing import inside, make_folder
    from untold.formats.sound import write_wav
    from untold.formats.units import read_units
    from untold.resynthesis import Resynthesis
    from untold.runs import Run

    if (source is None) == (from_units is None):
        raise UntoldError("give recordings, or a units file with --from-units (one of them)")
    if not 0 <= temperature <= 10 or not 0 <= seed < 1 << 63:
        raise UntoldError(f"--temperature {temperature} --seed {seed}: from 0 to 10, and a whole number from 0, expected")
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
            raise UntoldError(f"{from_units} holds no units, only empty lines such as that of {empty[0]}: there is nothing to make sound from")
        make_folder(out, force=force)
        for name, one in terminal.over(units.items(), len(units), "recordings", "making sound"):
            if len(one.tokens):
                write_wav(inside(out, name, ".wav"), back.of_units(one, index))
        if empty:
            terminal.result(f"skipped: {len(empty)} without units ({', '.join(empty[:10])})")
    else:
        assert source is not None
        told = None if speaker is None else back.speaker(speaker)
        corpus = opened(source, terminal, limit=limit)
        make_folder(out, force=force)
        with terminal.bar(corpus.seconds, "s of sound", "making sound") as bar:
            for recording in corpus:
                write_wav(inside(out, recording.id, ".wav"), back.of_recording(recording, told))
                bar.advance(recording.signals["audio"].steps / 16000)
    terminal.result(f"{out}")
    return out
