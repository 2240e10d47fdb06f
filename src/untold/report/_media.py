"""What the page does differently for sound and for handwriting; all else of it is written once.

A length, a duration and a place are in units of the recordings' axis: seconds of sound, pixels of a line 64 pixels high.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from untold.contract import Recording, Unit, Units
from untold.evaluation.scores import Row
from untold.report.data import Exemplar, Kind, PageData, Shown, Span

_HOMES = {"second": "untold.report._sound", "pixel": "untold.report._ink"}  # loaded where there are such recordings


@dataclass(frozen=True)
class Place:
    """Where a unit occurs: number of the recording in the corpus, who made it, and from where to where in the recording."""

    index: int
    speaker: str
    start: float
    end: float


@dataclass(frozen=True)
class Words:
    """What is called what on the page; `quiet` and `odd` are kinds of units, `odd` is empty where there is none."""

    recordings: str
    people: str
    picture: str  # what a picture is of
    share: str  # of what a unit's share is
    small: str  # durations are given in
    spoken: str  # the same as a whole word
    digits: int  # of a place, behind the point
    axis: str  # its unit, short
    quiet: str
    odd: str
    nameless: str  # what a label is called that says nothing
    by_share: str
    by_likeness: str
    probes: str
    cards: tuple[str, str, str]  # before the margin, after it, and of colours
    told: str
    back: tuple[str, str]  # heading in the contents, heading of the section
    converted: tuple[str, str]  # heading, what stands before the name
    keys: str
    conventions: str
    unmade: tuple[str, str]  # why there are no reconstructions, no conversions


class Medium(ABC):
    """One kind of recordings on the page. `template` has the macro `sheet`, a unit's exemplars; `metrics` are names of scores that differ."""

    unit: Unit
    words: Words
    template: str
    heard: bool  # whether there is sound to play
    metrics: Mapping[str, str]
    fine: float  # of a bin in which durations are counted while recordings pass by
    looked: float  # how much is looked at, spread over the corpus
    shapes: int  # numbers that say how a step or a segment looks
    traits: int  # numbers that tell its kind
    kept: int  # exemplars of a unit
    each: int  # of them at least from one speaker, where there are so many
    margin: float  # around a unit in an exemplar
    shown: int  # recordings drawn with their units
    longest: float  # of a recording that is shown
    middling: float  # length of the recordings that are best to show

    @abstractmethod
    def look(self, recording: Recording, units: Units) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tokens (n,), how each looks (n, shapes) and what it is like (n, traits), in a part of bounded length."""

    @abstractmethod
    def kind(self, traits: np.ndarray) -> Kind:
        """The kind of a unit from its mean traits; none, an empty array, where it was never looked at."""

    @abstractmethod
    def sheet(self, run: Path, token: int, cut: Sequence[tuple[Place, Recording, str]], *, quiet: bool) -> tuple[tuple[Exemplar, ...], str]:
        """Exemplars of a unit, with their label, as pictures under `run`; and the name of the sound that holds them all."""

    @abstractmethod
    def drawn(self, run: Path, name: str, identity: str, speaker: str, values: np.ndarray) -> Shown:
        """A recording's values (steps, *shape) as picture and sound under `run`."""

    def as_seen(self, recording: Recording, values: np.ndarray) -> np.ndarray:
        """Values (steps, *shape) in the order in which they are looked at."""
        del recording
        return values

    def turned(self, recording: Recording, spans: Sequence[Span], length: float) -> tuple[Span, ...]:
        """Stretches of what is shown of a recording, `length` long, where they lie in what is looked at."""
        del recording, length
        return tuple(spans)

    @abstractmethod
    def ticks(self, length: float) -> list[tuple[float, str]]:
        """Places of the axis that are marked, and what stands there."""

    @abstractmethod
    def marks(self) -> list[tuple[str, str]]:
        """What stands beside a picture, and how far up, in percent."""

    @abstractmethod
    def duration(self, value: float) -> str:
        """A duration in `words.small`, as a number."""

    @abstractmethod
    def place(self, value: float) -> str:
        """A place of a recording in words."""

    @abstractmethod
    def amount(self, length: float) -> str:
        """The length of a recording that is shown, in words."""

    @abstractmethod
    def facts(self, data: PageData) -> list[tuple[str, str]]:
        """What there is and how often units come: (name, value)."""

    @abstractmethod
    def found(self, data: PageData) -> list[str]:
        """Sentences of what was found."""

    @abstractmethod
    def verdict(self, rows: Sequence[Row], method: str) -> str:
        """How it compares with its rivals, in a sentence; empty where nothing can be said."""


def medium(unit: Unit) -> Medium:
    """What the page does for recordings on an axis."""
    found: Medium = import_module(_HOMES[unit]).MEDIUM
    return found


def places_of(units: Units) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of units (segments,) in units of the axis."""
    rate, first = float(units.grid.rate), float(units.grid.first)
    starts = np.maximum(0, first + (units.starts - 0.5) / rate)
    return starts, first + (units.ends - 0.5) / rate


def read(recording: Recording, start: float, stop: float) -> np.ndarray:
    """A stretch of a recording (steps, *shape), places in units of its axis; what lies outside is left away."""
    signal = recording.signal
    rate = float(signal.grid.rate)
    return np.asarray(signal.read(max(0, round(start * rate)), min(signal.steps, round(stop * rate))), np.float32)


def some(count: int, noun: str) -> str:
    """A count in words where it is small."""
    small = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")
    return f"{small[count] if count < len(small) else count} {noun}{'' if count == 1 else 's'}"
