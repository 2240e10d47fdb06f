"""Words on the command line -> commands. Imports no torch: help, lists and mistakes in words come at once."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from untold import __version__
from untold.errors import UntoldError, UsageError, printable

_FOLDER = Path(__file__).parent / "commands"


def commands() -> dict[str, str]:
    """Command -> its first docstring line, read without importing."""
    found = {}
    for file in sorted(_FOLDER.glob("[!_]*.py")):
        with file.open(encoding="utf-8") as text:
            match = re.match(r'"""(.*?)("""|\n)', text.read(400))
        found[file.stem.rstrip("_")] = match[1] if match else ""
    return found


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        sys.stderr.write(f"untold: error: {printable(message)} (untold {self.prog.partition(' ')[2]} --help)\n")
        sys.exit(2)


def positive(word: str) -> int:
    """A whole number of at least one, for options."""
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{word} is not at least 1")
    return number


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("everywhere")
    group.add_argument("--force", action="store_true", help="replace what --out holds")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")
    group.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where to compute")
    group.add_argument("--threads", type=positive, metavar="N", help="threads to compute with (all cores)")
    group.add_argument("--limit", type=positive, metavar="N", help="take only the first N recordings")
    group.add_argument("--quiet", action="store_true", help="no progress, only results")


def _overview() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="untold", description="Finds the units of what nobody has written down.", add_help=True,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n" + "\n".join(f"  {name:12} {summary}" for name, summary in commands().items())
        + "\n\nuntold COMMAND --help says more of one.",
    )
    parser.add_argument("--version", action="version", version=f"untold {__version__}")
    parser.add_argument("command", metavar="COMMAND", choices=list(commands()), help="what to do")
    return parser


def parse(words: Sequence[str]) -> tuple[Any, dict[str, Any]]:
    """The command's module and its arguments; exits with status 2 on words that are off."""
    parser = _overview()
    first = parser.parse_args(list(words[:1])).command
    module = importlib.import_module(f"untold.commands.{'list_' if first == 'list' else first}")
    sub = _Parser(prog=f"untold {first}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    module.arguments(sub)
    _add_common(sub)
    return module, vars(sub.parse_args(list(words[1:])))


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command; the status is 0 done, 1 mistake, 2 words off, 130 Ctrl-C."""
    words = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in words
    try:
        module, arguments = parse(words)
        arguments.pop("debug")
        module.run(**arguments)
        sys.stdout.flush()
    except UsageError as error:
        sys.stderr.write(f"untold: error: {error}\n")
        return 2
    except (UntoldError, OSError, MemoryError) as error:
        if debug:
            raise
        sys.stderr.write(f"untold: error: {_in_words(error)}\n")
        return 1
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"untold: stopped; what was made is kept{printable(f' ({stop})') if str(stop) else ''}\n")
        return 130
    return 0


def _in_words(error: BaseException) -> str:
    if isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):  # the reader went away: nothing more can be said to it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return "the reader of the output went away"
    if isinstance(error, OSError):
        what = f"{error.filename}: " if error.filename else ""
        full = ": make room and go on, what was made is kept" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else ""
        return printable(f"{what}{error.strerror or error}{full}")
    if isinstance(error, MemoryError):
        return printable(f"out of memory ({error}): use fewer recordings (--limit) or smaller settings")
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
