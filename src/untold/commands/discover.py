"""The main job: recordings or lines of handwriting in; units, scores, sound or pictures, and a page out.

Labels, where there are some, are never used for training, selection or stopping: they only judge the result.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from untold.commands._options import add_training, default_out, machine, opened, processes, where_to
from untold.commands._terminal import Terminal
from untold.errors import UntoldError

if TYPE_CHECKING:
    from untold.runs import Run

DEFAULTS = {"audio": "masked_units", "line": "lines"}  # whichever wins at ten minutes on several corpora together: README, "Which method"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("source", metavar="SOURCE", help="recordings or lines of handwriting: a folder, or a corpus by name (espeak and digit-lines are embedded)")
    parser.add_argument("--method", metavar="NAME", help="a method, a recipe or hf:PATH, settings after a colon (mixture for sound, lines for handwriting)")
    parser.add_argument("--size", type=int, metavar="K", help="codewords of k-means, for a method without units of its own (100)")
    add_training(parser)


def run(
    source: str, *, out: Path | None = None, method: str | None = None, minutes: float | None = None, steps: int | None = None,
    size: int | None = None, seed: int = 0, resume: Path | None = None, set: list[str] | tuple[str, ...] = (), force: bool = False,  # noqa: A002
    device: str = "auto", threads: int | None = None, limit: int | None = None, quiet: bool = False,
) -> Run:
    """Trains, tokenises, scores and writes the page; gives the RUN. Budget: the recipe's, or 10 minutes."""
    from untold.commands._discovery import Discovery
    from untold.commands.codebook import check_size
    from untold.runs import build, place_of, resolve, wished
    from untold.training import session
    from untold.training.processes import is_first

    where = machine(device, threads)
    processes(where)
    terminal = Terminal(quiet or not is_first())
    corpus = None
    if method is None:  # what it is tells which method: nothing else can be said before it is read
        corpus = opened(source, terminal, limit=limit)
        method = DEFAULTS[corpus.medium.name]
    name, changes = wished(method, set)
    chosen = resolve(name, changes)
    if size is not None:
        check_size(size)
        if build(*chosen, {}, 0).alphabet:
            raise UntoldError(f"--size {size}: {name} has units of its own, how many is a setting of it (--set)")
    default = session.usual_minutes(name)
    wanted_steps, wanted_minutes = session.budget(steps, minutes, default, seed)
    if place_of(name):
        if steps is not None or minutes is not None:
            terminal.say(f"note: {name} is taken as it is, nothing is trained: --steps and --minutes are not needed")
        wanted_steps = wanted_minutes = None
    wish = session.Wish(name, changes, seed, wanted_steps, wanted_minutes)
    if corpus is None:
        corpus = opened(source, terminal, limit=limit)
    folder = where_to(out, resume) or default_out(source, method)
    made = session.begin(wish, corpus, folder, resume=resume is not None, force=force, command=session.command_line())
    session.perform(made, wish, corpus, terminal, where)
    if is_first():
        Discovery(made, corpus, terminal, where, size).finish()
    return made
