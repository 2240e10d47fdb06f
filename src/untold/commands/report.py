"""Makes a RUN's page again from what lies in its folder.

Reads report.json, scores.csv, progress.jsonl, run.json, sounds and pictures of RUN and writes RUN/report.html.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from untold.commands._terminal import Terminal
from untold.errors import UntoldError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    parser.add_argument("run", metavar="RUN", type=Path, help="a folder that discover made")


def run(
    run: Path, *, force: bool = False, device: str = "auto", threads: int | None = None, limit: int | None = None, quiet: bool = False
) -> Path:
    """The path of the page of a RUN, written anew; raises `UntoldError` when RUN is none or damaged."""
    from untold.report import page
    from untold.report.data import PageData

    del force, device, threads, limit  # nothing is computed or asked here: a page may always be made again
    run = Path(run)
    if not run.is_dir():
        raise UntoldError(f"{run}: no such folder: name a RUN that untold discover made")
    path = page.write(run, PageData.read(run))
    Terminal(quiet).result(str(path))
    return path
