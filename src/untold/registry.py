"""The one list of names: a part is a file in its room, and its name is the file's name.

Names, summaries and literals are read from the source text without importing it, so that ``untold list`` and
``untold --help`` never load torch. Files that begin with an underscore are shared pieces of a room, not parts.
"""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from untold.errors import unknown_name

# room -> (package below untold, the word for one of them)
ROOMS: dict[str, tuple[str, str]] = {
    "methods": ("methods", "method"),
    "recipes": ("recipes", "recipe"),
    "corpora": ("corpora", "corpus"),
    "frontends": ("frontends", "front end"),
    "encoders": ("encoders", "encoder"),
    "bottlenecks": ("bottlenecks", "bottleneck"),
    "decoders": ("decoders", "decoder"),
    "tasks": ("evaluation/tasks", "task"),
}


@cache
def names(room: str) -> tuple[str, ...]:
    """The names of the parts in a room, sorted."""
    folder = Path(__file__).parent / ROOMS[room][0]
    return tuple(sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_")))


def path(room: str, name: str) -> Path:
    """The file of a part; raises `UntoldError` for a name that is not registered."""
    if name not in names(room):
        raise unknown_name(ROOMS[room][1], name, names(room))
    return Path(__file__).parent / ROOMS[room][0] / f"{name}.py"


def literals(room: str, name: str) -> dict[str, Any]:
    """Module-level literals of a part (`CAPABILITIES`, `LICENCE`, ...) and its docstring's first line as `summary`.

    Only the lines of such assignments are parsed: parsing whole files took most of the time of `untold list`.
    """
    text = path(room, name).read_text(encoding="utf-8")
    first = re.match(r'r?"""(.*?)("""|\n|\Z)', text)
    found: dict[str, Any] = {"summary": first[1].strip() if first else ""}
    for match in _ASSIGNMENT.finditer(text):
        try:
            found[match[1]] = ast.literal_eval(match[2].strip())
        except (ValueError, SyntaxError):  # computed at import: not for reading without it
            continue
    return found


# NAME = value, or NAME: type = value, at the margin, up to the next line that begins there (but for a closing bracket)
_ASSIGNMENT = re.compile(r"^([A-Z][A-Z0-9_]*)(?: *:[^=\n]+)? *= *(.*(?:\n(?:[ \t\])}].*)?(?=\n|\Z))*)", re.MULTILINE)


def load(room: str, name: str) -> ModuleType:
    """The module of a part. Only registered names are ever imported."""
    path(room, name)
    return importlib.import_module("untold." + ROOMS[room][0].replace("/", ".") + "." + name)
