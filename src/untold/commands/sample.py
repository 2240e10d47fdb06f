"""Sound out of nothing: drawn from a method that has a density of its own."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from untold.commands._drawing import add_drawing, check_drawing, kept
from untold.commands._options import machine
from untold.commands._terminal import Terminal
from untold.errors import UntoldError

_AT_ONCE = 16


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="a trained run of a method that samples")
    parser.add_argument("-n", type=int, default=4, metavar="N", dest="n", help="how many (4)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="length of each (2)")
    parser.add_argument("--speaker", metavar="NAME", help="in whose voice, where the method was told (unknown)")
    add_drawing(parser)


def run(
    run_folder: Path, *, out: Path, n: int = 4, seconds: float = 2.0, speaker: str | None = None, temperature: float | None = None, seed: int = 0,
    force: bool = False, device: str = "auto", threads: int | None = None, limit: int | None = None, quiet: bool = False,
) -> Path:
    """Writes `sample-1.wav` to `sample-N.wav` and gives their folder. A number's sound is the same however many are drawn."""
    import torch

    from untold.contract import Samples
    from untold.formats._writing import make_folder
    from untold.formats.sound import write_wav
    from untold.layers import random
    from untold.resynthesis import LONGEST_DRAWN, speaker_index
    from untold.runs import Run

    check_drawing(temperature, seed)
    if n < 1:
        raise UntoldError(f"-n {n}: at least 1 expected")
    if not 1 / 16000 <= seconds <= LONGEST_DRAWN:
        raise UntoldError(f"--seconds {seconds:g}: above 0 and up to {LONGEST_DRAWN} expected (draw more of them with -n)")
    where = machine(device, threads)
    terminal = Terminal(quiet)
    model = Run.open(run_folder).model(where)
    method: Any = model.method
    if not isinstance(method, Samples):
        raise UntoldError(f"{run_folder} holds {model.name}, which makes nothing out of nothing: give it recordings or units (untold reconstruct)")
    front: Any = model.fronts[method.makes]
    index = speaker_index(model, speaker)
    make_folder(out, force=force)
    steps, names = round(seconds * 16000), range(1, min(n, limit or n) + 1)
    with terminal.bar(len(names) * seconds, "s of sound", "drawing sound") as bar:
        for first in range(0, len(names), _AT_ONCE):
            some = names[first : first + _AT_ONCE]
            keys = random.fold(torch.full((len(some),), seed, device=model.device()), torch.tensor(some, device=model.device()))
            sides = {side: torch.full((len(some),), index if side == "speaker" else 0, device=model.device()) for side in model.sides}
            with kept([partial(write_wav, out / f"sample-{number}.wav") for number in some]) as made, torch.no_grad():
                for piece in method.draw(steps, sides, keys, 1.0 if temperature is None else temperature):
                    for row, part in zip(made, front.heard(piece), strict=True):
                        row.append(part)
                    bar.advance(piece.size / 16000)
    terminal.result(f"{out}")
    return out
