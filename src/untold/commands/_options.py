"""Options that several commands share, and what they mean for the machine."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from untold.errors import UntoldError, UsageError, unknown_name

if TYPE_CHECKING:
    from untold.commands._terminal import Terminal
    from untold.corpora import Corpus


def add_training(parser: argparse.ArgumentParser) -> None:
    """The options of commands that train."""
    parser.add_argument("--out", type=Path, metavar="RUN", help="folder for the run (runs/<source>-<method>)")
    parser.add_argument("--minutes", type=float, metavar="M", help="budget in minutes of training")
    parser.add_argument("--steps", type=int, metavar="N", help="budget in steps (passes over the data for what fits): reproducible")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything drawn at random (0)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with a run that was stopped")
    parser.add_argument("--set", action="append", default=[], metavar="K=V", dest="set", help="change a setting, such as bottleneck.size=256")


def add_point(parser: argparse.ArgumentParser) -> None:
    """The options of commands that read features at a point."""
    parser.add_argument("--point", metavar="NAME", help="where to read (the first that WHAT lists)")
    parser.add_argument("--layer", type=int, metavar="N", help="short for --point layerN")


def chosen_point(what: str, points: Sequence[str], point: str | None, layer: int | None) -> str:
    """The point that is asked for by name or as a layer, the first where neither is; one that is not there is an error."""
    if point is not None and layer is not None:
        raise UsageError(f"--point {point} and --layer {layer}: give one of them")
    chosen = point if layer is None else f"layer{layer}"
    if chosen is None:
        chosen = points[0] if points else ""
    if chosen not in points:
        raise unknown_name(f"point of {what}", chosen, points)
    return chosen


def machine(device: str, threads: int | None) -> str:
    """Sets the threads of this process and says which device is meant by `auto`; an absent one is an error."""
    import torch

    torch.set_num_threads(threads or int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))))
    if device == "cuda" and not torch.cuda.is_available():
        raise UntoldError("--device cuda: this machine has no GPU that PyTorch can use; leave the option out")
    if device == "cpu" or os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes") or not torch.cuda.is_available():
        return "cpu"
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))  # each process its own
    return "cuda"


def processes(device: str) -> None:
    """Joins the other processes when started by `accelerate launch` or `torchrun`."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState

        PartialState(cpu=device == "cpu")


def opened(source: str, terminal: Terminal, *, limit: int | None = None, split: str = "all") -> Corpus:
    """A source, with its first line said and its decoding shown; of several processes the first decodes."""
    from untold.corpora import counted, open_source
    from untold.training.processes import by_first, is_first

    found: list[Corpus] = []

    def read() -> None:
        with terminal.bar(0, counted(source), "reading recordings") as bar:
            found.append(open_source(source, limit=limit, split=split, say=terminal.say, progress=bar.advance))

    by_first(read)
    return found[0] if is_first() else open_source(source, limit=limit, split=split)


def default_out(source: str, what: str) -> Path:
    """runs/<source>-<method>, in names that are safe as a folder's."""
    stem = Path(source.rstrip("/")).name if "/" in source else source
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in f"{stem}-{Path(what).name}")
    return Path("runs") / safe.lstrip(".")


def where_to(out: Path | None, resume: Path | None) -> Path | None:
    """The RUN's folder, where one is named: `--resume` stands in place of `--out`."""
    if out is not None and resume is not None and out != resume:
        raise UntoldError(f"--out {out} and --resume {resume}: give one of them (a resumed run stays where it is)")
    return resume or out
