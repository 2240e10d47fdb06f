"""untold finds the units of what nobody has written down.

Each command of the command line is a function here: ``untold.discover("recordings/")``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_COMMANDS = (
    "inspect discover train encode codebook tokenize segment items abx evaluate compare sweep reconstruct convert "
    "sample report list"
).split()


def __getattr__(name: str) -> Any:
    if name in _COMMANDS:
        module = import_module(f"untold.commands.{'list_' if name == 'list' else name}")
        return module.run
    raise AttributeError(f"module 'untold' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_COMMANDS])
