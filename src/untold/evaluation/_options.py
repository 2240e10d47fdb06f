"""What a task is told besides the subject and the corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from untold.contract import Grid

T = TypeVar("T")


def _nothing(line: str) -> None:
    """Says nothing."""


def _each(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items, without a bar."""
    del total, what
    yield from items


@dataclass(frozen=True)
class TaskOptions:
    """Options of `measure(subject, corpus, options)`; a task reads those that concern it.

    `items`: item files (ABX; none: items are made of the tier). `tier`: of labels; None: `phones` where it is
    present, else the first interval tier. `fold`: a folding of labels (`timit39`). `points`: where to read; empty:
    the subject's first. `grids`: of every row that is compared: an item is scored only if it has a frame on each of
    them (empty: the subject's own). `against`: another subject, for tasks that take two (`stability`). `draws`: of
    the bootstrap. `threads`: to compute with; None: all cores. `say`: one line for the person, also the reason for
    what is left out; `note`: one for what they should know besides. `over(items, total, what)`: the items, with a bar; `training`: the same for steps.
    """

    items: tuple[Path, ...] = ()
    tier: str | None = None
    fold: str | None = None
    points: tuple[str, ...] = ()
    seed: int = 0
    threads: int | None = None
    draws: int = 1000
    grids: Sequence[Grid] = ()
    against: Any = None
    say: Callable[[str], None] = _nothing
    note: Callable[[str], None] = _nothing
    over: Callable[[Iterable[Any], int, str], Iterator[Any]] = _each
    training: Callable[[Iterable[Any], int, str], Iterator[Any]] = _each
