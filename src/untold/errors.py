"""What goes wrong in words: one line that says what, where and what to do.

Anything that a user's input can cause is raised as an `UntoldError`; the command line prints it after
``untold: error: `` and ends with status 1. Every other exception is a defect of the program.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UntoldError(Exception):
    """A mistake that the person at the keyboard can mend. Its text is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class UsageError(UntoldError):
    """The words on the command line are off (status 2)."""


def printable(text: str) -> str:
    """`text` on one line, control characters shown as escapes, so that a name cannot speak as the program."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UntoldError:
    """The error for a name that is not in a list of names, with the nearest ones."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(names)}"
    return UntoldError(f"there is no {kind} named {name!r}: {hint}")
