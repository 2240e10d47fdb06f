"""List what there is to choose from: methods, recipes, corpora (licence, where to get them, are they here), parts, tasks."""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path
from typing import Any

from untold import registry
from untold.commands._terminal import Terminal


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("room", nargs="?", choices=list(registry.ROOMS), help="what to list (all, in short)")


def run(
    room: str | None = None, *, force: bool = False, device: str = "auto", threads: int | None = None,
    limit: int | None = None, quiet: bool = False,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Prints the parts of a room, or of all, and gives room -> name -> what its file says of it. Imports none of them.

    Corpora have a further key `here`: whether the package that an embedded one needs is installed, or a folder of the
    corpus' name lies in the folder that the environment variable UNTOLD_DATA names.
    """
    terminal = Terminal(quiet)
    rooms = [room] if room else list(registry.ROOMS)
    found = {name: {part: registry.literals(name, part) for part in registry.names(name)} for name in rooms}
    for name, parts in found.items():
        if room is None:
            terminal.result(name)
        width = max((len(part) for part in parts), default=0)
        for part, told in parts.items():
            terminal.result(f"{'' if room else '  '}{part:{width}}  {told['summary']}".rstrip())
            if name == "corpora":
                told["here"] = _here(part, told)
                if room:
                    _describe(terminal, part, told, " " * (width + 2))
        if not parts:
            terminal.result("  none yet")
    if room == "corpora":
        terminal.result()
        terminal.result("A corpus is named with its place (timit:PATH); embedded ones by name alone. Set UNTOLD_DATA to the folder of")
        terminal.result("your corpora to see here which are in it.")
    return found


def _describe(terminal: Terminal, name: str, told: dict[str, Any], margin: str) -> None:
    terminal.result(f"{margin}licence: {told.get('LICENCE', 'not stated')}")
    where, here = told.get("WHERE", "nobody says where"), told["here"]
    if not _named(told):
        terminal.result(f"{margin}here: {where}")
    elif not here:
        terminal.result(f"{margin}here: no, get it from {where}" if not told.get("EMBEDDED") else f"{margin}here: no, {where}")
    else:
        terminal.result(f"{margin}here: yes, {'made at its first use' if told.get('EMBEDDED') else f'{name}:{here}'}")


def _named(told: dict[str, Any]) -> bool:
    """Whether it is one corpus, and not a kind of folder that a person has."""
    return bool(told.get("EMBEDDED")) or told.get("PREFIX", True)


def _here(name: str, told: dict[str, Any]) -> str | bool:
    """The folder of a corpus below UNTOLD_DATA, or whether an embedded one can be made; False when it is not here."""
    if told.get("EMBEDDED"):
        package = told.get("NEEDS")
        return package is None or importlib.util.find_spec(package) is not None
    data = os.environ.get("UNTOLD_DATA")
    if not data or not _named(told) or not Path(data).is_dir():
        return False
    folders = (p for p in sorted(Path(data).iterdir()) if p.is_dir())
    return next((str(p) for p in folders if _plain(p.name).startswith(_plain(name))), False)


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
