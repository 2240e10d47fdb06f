"""What the commands that make sound or pictures share: how it is drawn, and that what was made is kept."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from untold.errors import UntoldError

if TYPE_CHECKING:
    import numpy as np


def add_drawing(parser: argparse.ArgumentParser) -> None:
    """The options of how it is drawn."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the sounds, or the pictures of lines")
    parser.add_argument("--temperature", type=float, metavar="T", help="how far is drawn from what the decoder expects (frames and ink: not at all; samples: 1)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn (0)")


def check_drawing(temperature: float | None, seed: int) -> None:
    """Raises `UntoldError` for a temperature or a seed that cannot be."""
    if temperature is not None and not 0 < temperature <= 10:
        raise UntoldError(f"--temperature {temperature}: above 0 and up to 10 expected")
    if not 0 <= seed < 1 << 63:
        raise UntoldError(f"--seed {seed}: a whole number from 0 expected")


@contextmanager
def kept(saves: Sequence[Callable[[np.ndarray], None]]) -> Iterator[list[list[np.ndarray]]]:
    """A list of pieces for each of `saves`; joined and handed to it at the end, and after Ctrl-C too."""
    from untold.resynthesis import joined

    made: list[list[np.ndarray]] = [[] for _ in saves]

    def write() -> None:
        for save, pieces in zip(saves, made, strict=True):
            if pieces:
                save(joined(pieces))

    try:
        yield made
    except KeyboardInterrupt:
        write()
        raise
    write()
