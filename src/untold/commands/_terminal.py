"""What a person sees while a command works: lines, tables, and a bar (plain lines at most once in ten seconds when piped)."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from untold.errors import printable

T = TypeVar("T")


class Terminal:
    """Says lines on standard output and shows progress on standard error; `quiet` leaves only results."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def result(self, line: str = "") -> None:
        """A line that is said even when quiet: what was asked for."""
        sys.stdout.write("\n".join(printable(part) for part in line.split("\n")) + "\n")
        sys.stdout.flush()

    def say(self, line: str = "") -> None:
        """A line for the person who watches."""
        if not self.quiet:
            self.result(line)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table with columns as wide as they need."""
        body = [[printable(str(cell)) for cell in row] for row in [head, *rows]]
        widths = [max(len(row[i]) for row in body) for i in range(len(head))]
        for number, row in enumerate(body):
            cells = [cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))]
            self.result("  ".join(cells).rstrip())
            if number == 0:
                self.result("  ".join("-" * width for width in widths))

    @contextmanager
    def bar(self, total: float, unit: str, what: str) -> Iterator[Bar]:
        """A bar of `total` units; use `advance` and `tell` inside."""
        bar = Bar(total, unit, what, self.quiet)
        try:
            yield bar
        finally:
            bar.close()

    def over(self, items: Iterable[T], total: int, unit: str, what: str) -> Iterator[T]:
        """The items, with a bar that advances by one each."""
        with self.bar(total, unit, what) as bar:
            for item in items:
                yield item
                bar.advance(1)


class Bar:
    """One piece of long work."""

    def __init__(self, total: float, unit: str, what: str, quiet: bool) -> None:
        self._quiet, self._what, self._unit, self._total = quiet, what, unit, total
        self._done, self._said, self._begun = 0.0, time.monotonic(), time.monotonic()
        self._facts: dict[str, Any] = {}
        live = not quiet and sys.stderr.isatty()
        form = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} " + unit + " [{elapsed}<{remaining}{postfix}]"
        self._live: Any = None
        if live:
            from tqdm import tqdm  # half of the time that `untold list` takes, and it shows no bar

            self._live = tqdm(total=total, desc=printable(what), bar_format=form, leave=False)

    def advance(self, amount: float) -> None:
        """So much more is done."""
        self._done += amount
        if self._live is not None:
            self._live.update(amount)
        elif not self._quiet and time.monotonic() - self._said >= 10:
            self._said = time.monotonic()
            spent = self._said - self._begun
            left = spent / self._done * (self._total - self._done) if self._done and self._total > self._done else 0.0
            facts = "".join(f", {key} {value}" for key, value in self._facts.items())
            sys.stderr.write(f"{printable(self._what)}: {self._done:.0f}/{self._total:.0f} {self._unit}{facts}, {left:.0f} s left\n")

    def tell(self, **facts: Any) -> None:
        """What matters beside the bar (the loss in nats, codewords in use, ...)."""
        self._facts = facts
        if self._live is not None:
            self._live.set_postfix(facts, refresh=False)

    def close(self) -> None:
        """Takes the bar away."""
        if self._live is not None:
            self._live.close()
