"""What the page tells, as a tree of plain values: it travels as RUN/report.json, sounds and pictures beside it by name."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from untold.errors import UntoldError
from untold.formats._writing import read_json, write_json

Severity = Literal["good", "warning", "bad"]
Axis = Literal["second", "pixel"]
Kind = Literal["speech", "silence", "noise-like", "writing", "blank"]  # of sound; of handwriting


@dataclass(frozen=True)
class Portion:
    """A label and the share (0 to 1) of a unit's time that lies under it."""

    label: str
    share: float


@dataclass(frozen=True)
class Exemplar:
    """One place where a unit occurs. `start` lies in the recording; `clip_*` and `unit_*` in the unit's strip of sounds, or of
    handwriting in the picture itself, which begins at 0."""

    recording: str
    speaker: str
    start: float
    end: float
    clip_start: float
    clip_end: float
    unit_start: float
    unit_end: float
    picture: str
    label: str = ""


@dataclass(frozen=True)
class UnitCard:
    """All that is known of one unit. Shares are of the length of all recordings, gaps among it; `durations` counts segments by bin."""

    token: int
    count: int
    share: float
    speakers: int
    median: float
    durations: tuple[int, ...]
    kind: Kind
    hue: float
    name: str = ""
    phones: tuple[Portion, ...] = ()
    near: tuple[int, ...] = ()
    sound: str = ""
    exemplars: tuple[Exemplar, ...] = ()


@dataclass(frozen=True)
class Span:
    """A stretch of a shown recording, from the beginning of what is shown."""

    start: float
    end: float
    label: str
    token: int = -1


@dataclass(frozen=True)
class Shown:
    """A recording to look at and listen to: picture and sound of [0, length), units and labels over it, its text where no letter has a place."""

    id: str
    speaker: str
    length: float
    picture: str
    sound: str = ""
    units: tuple[Span, ...] = ()
    phones: tuple[Span, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Pair:
    """Two sounds or lines to compare: an original and what was made of it."""

    id: str
    before: Shown
    after: Shown


@dataclass(frozen=True)
class Health:
    """One sentence on whether the units are healthy."""

    severity: Severity
    text: str


@dataclass(frozen=True)
class PageData:
    """The page but for what scores.csv, progress.jsonl and run.json say.

    Places and durations are in units of `axis`: seconds, or pixels of lines that are 64 high. `bin` is the width of a bin
    of each unit's `durations` (the last bin takes what is longer); `rate` is units per unit of the axis; `absent` names
    in one line each what could not be made, with the reason.
    """

    title: str
    source: str
    method: str
    recordings: int
    length: float
    speakers: int
    alphabet: int
    rate: float
    bin: float
    axis: Axis = "second"
    tier: str = ""
    units: tuple[UnitCard, ...] = ()
    health: tuple[Health, ...] = ()
    shown: tuple[Shown, ...] = ()
    reconstructions: tuple[Pair, ...] = ()
    conversions: tuple[Pair, ...] = ()
    absent: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)

    def write(self, run: Path) -> Path:
        """Writes RUN/report.json."""
        write_json(run / "report.json", dataclasses.asdict(self))
        return run / "report.json"

    @staticmethod
    def read(run: Path) -> PageData:
        """What `write` wrote; raises `UntoldError` when RUN/report.json is absent or not as it must be."""
        path = run / "report.json"
        if not path.is_file():
            raise UntoldError(f"{run} has no report.json: the page is made by untold discover, and made again by untold report")
        value = read_json(path)
        try:
            return _rebuilt(PageData, value, "report.json")
        except _Unfit as error:
            raise UntoldError(f"{path}: {error}: make it again with untold discover") from None


class _Unfit(Exception):
    pass


T = TypeVar("T")


def _rebuilt(kind: type[T], value: Any, where: str) -> T:
    if not isinstance(value, dict):
        raise _Unfit(f"{where} is not an object")
    hints = typing.get_type_hints(kind)
    made = {}
    for one in dataclasses.fields(typing.cast(Any, kind)):
        if one.name in value:
            made[one.name] = _fitted(hints[one.name], value[one.name], f"{where}.{one.name}")
        elif one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            raise _Unfit(f"{where}.{one.name} is missing")
    return kind(**made)


def _fitted(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint):
        return _rebuilt(typing.cast(Any, hint), value, where)
    if origin is Literal:
        if value in typing.get_args(hint):
            return value
    elif origin is tuple:
        if isinstance(value, list):
            inner = typing.get_args(hint)[0]
            return tuple(_fitted(inner, item, f"{where}[{number}]") for number, item in enumerate(value))
    elif origin is dict:
        if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
            return dict(value)
    elif hint is float:
        if type(value) in (int, float) and math.isfinite(value):
            return float(value)
    elif type(value) is hint:
        return value
    wanted = hint.__name__ if isinstance(hint, type) and not isinstance(hint, types.GenericAlias) else str(hint)
    raise _Unfit(f"{where} = {str(value)[:40]!r} is not {wanted}")
