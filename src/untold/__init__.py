"""untold finds the units of what nobody has written down.

Each command of the command line is a function here: ``untold.discover("recordings/")``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

def __getattr__(name: str) -> Any:
    from untold.cli import commands

    if name in commands():
        return import_module(f"untold.commands.{'list_' if name == 'list' else name}").run
    raise AttributeError(f"module 'untold' has no attribute {name!r}")


def __dir__() -> list[str]:
    from untold.cli import commands

    return sorted([*globals(), *commands()])
