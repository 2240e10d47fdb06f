"""What recordings are made of: sound, or lines of handwriting; and how each lies in the cache."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np

from untold.contract import Grid, Unit
from untold.corpora._entry import Entry

_HOMES = {"audio": "untold.corpora._audio", "line": "untold.corpora._lines"}  # loaded where there are such recordings


class Unreadable(Exception):
    """A recording that cannot be used; the text is the reason, without the name."""


class Medium(ABC):
    """One kind of recordings. A step of a signal is stored as `shape` numbers of `stored`, read as that times `scale`."""

    name: str  # of the signal
    unit: Unit  # of the axis
    rate: int  # steps a unit
    shape: tuple[int, ...] = ()
    stored: np.dtype[Any]
    scale: float
    shortest: int  # steps; what is shorter cannot be used
    who: str  # the word for whoever made a recording
    counted: str  # the word for what a bar counts
    does: Mapping[str, str]  # what happens to recordings -> words for it

    @property
    def grid(self) -> Grid:
        """The grid of the signal's steps."""
        return Grid(self.unit, Fraction(self.rate), Fraction(1, 2 * self.rate))

    @property
    def width(self) -> int:
        """Bytes of a step."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.stored.itemsize

    @abstractmethod
    def decode(self, entry: Entry, facts: dict[str, Any]) -> Iterator[np.ndarray]:
        """Blocks (steps, *shape) as they are stored; `facts`, plain JSON values, are filled meanwhile.

        Raises `Unreadable` with the reason, possibly after some blocks: whoever keeps them must be able to drop them.
        """

    @abstractmethod
    def remarks(self, facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What a person should know of a recording: a kind of `does`, and what to say behind its name."""

    def place(self, where: Fraction, facts: Mapping[str, Any]) -> Fraction:
        """Where on the axis a place of the labels lies, which are made on the file."""
        del facts
        return where

    @abstractmethod
    def amount(self, length: float) -> str:
        """A length in units of the axis as a person would say it."""

    @abstractmethod
    def described(self, facts: Mapping[str, int]) -> str:
        """One line of how often which facts occurred, for `inspect`."""

    @abstractmethod
    def kind(self, facts: Mapping[str, Any]) -> str:
        """The facts of a recording that are counted for `described`."""


def medium(name: str) -> Medium:
    """A medium by the name of its signal."""
    found: Medium = import_module(_HOMES[name]).MEDIUM
    return found
