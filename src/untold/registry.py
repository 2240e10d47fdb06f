"""The one list of names: a part is a file in its room, and its name is the file's name.

Names, summaries and literals are read from the source text without importing it, so that ``untold list`` and
``untold --help`` never load torch. Files that begin with an underscore are shared pieces of a room, not parts.
"""

from __future__ import annotations

import ast
import importlib
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
    """Module-level literals of a part (`CAPABILITIES`, `LICENCE`, ...) and its docstring's first line as `summary`."""
    tree = ast.parse(path(room, name).read_text(encoding="utf-8"))
    found: dict[str, Any] = {"summary": (ast.get_docstring(tree) or "").partition("\n")[0]}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id.isupper() and value is not None:
            try:
                found[target.id] = ast.literal_eval(value)
            except ValueError:  # computed at import: not for reading without it
                continue
    return found


def load(room: str, name: str) -> ModuleType:
    """The module of a part. Only registered names are ever imported."""
    path(room, name)
    return importlib.import_module("untold." + ROOMS[room][0].replace("/", ".") + "." + name)
