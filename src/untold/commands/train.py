"""Train a method or recipe on recordings, without labels, into a RUN folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from untold.commands._options import add_training, default_out, machine, opened, processes, where_to
from untold.commands._terminal import Terminal
from untold.errors import UntoldError

if TYPE_CHECKING:
    from untold.runs import Run


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("name", metavar="NAME", help="a method or a recipe (untold list methods, untold list recipes)")
    parser.add_argument("source", metavar="SOURCE", help="recordings: a folder, or a corpus by name")
    add_training(parser)
    parser.add_argument("--precision", default="no", choices=["no", "bf16"], help="of arithmetic in training")


def run(
    name: str, source: str, *, out: Path | None = None, minutes: float | None = None, steps: int | None = None, seed: int = 0,
    resume: Path | None = None, set: list[str] | tuple[str, ...] = (), precision: str = "no", force: bool = False,  # noqa: A002
    device: str = "auto", threads: int | None = None, limit: int | None = None, quiet: bool = False,
) -> Run:
    """Trains and gives the RUN; see `untold train --help` for the options. Budget: 10 minutes unless told."""
    from untold.commands import _health
    from untold.runs import place_of, resolve, wished
    from untold.subjects import RunSubject
    from untold.training import session
    from untold.training.processes import is_first

    where = machine(device, threads)
    processes(where)
    terminal = Terminal(quiet or not is_first())
    wanted_steps, wanted_minutes = session.budget(steps, minutes, session.usual_minutes(name), seed)
    name, changes = wished(name, set)
    if place_of(name):
        raise UntoldError(f"{name} is not trained: take it as it is (untold encode, codebook, evaluate {name}:PATH SOURCE; untold discover SOURCE --method {name}:PATH)")
    wish = session.Wish(name, changes, seed, wanted_steps, wanted_minutes, precision)
    resolve(name, changes)  # mistakes in words come before the reading of recordings
    corpus = opened(source, terminal, limit=limit)
    folder = where_to(out, resume) or default_out(source, name)
    made = session.begin(wish, corpus, folder, resume=resume is not None, force=force, command=session.command_line())
    session.perform(made, wish, corpus, terminal, where)
    if is_first():
        for finding in _health.of_held_out(RunSubject(made, where), corpus):
            terminal.result(f"{finding.severity}: {finding.sentence}")
        terminal.result(f"{folder}")
    return made
