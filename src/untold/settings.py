"""Settings of parts: frozen dataclasses that validate themselves when made and travel as JSON.

A part (an encoder, a bottleneck, ...) keeps its settings in a dataclass named ``Settings`` beside it. A setting that
*is* a part is a `Choice`: the name of a registered part and that part's own settings, nested as the parts are.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from typing import Any, TypeVar

from untold import registry
from untold.errors import UntoldError, unknown_name

S = TypeVar("S", bound="Settings")


def setting(
    default: Any,
    *,
    help: str,  # noqa: A002 - the word that the command line uses
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str | int, ...] | None = None,
) -> Any:
    """A field with its default, its meaning (with unit) and its allowed range (both ends included)."""
    return dataclasses.field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices})


def choice(room: str, name: str, *, help: str, **values: Any) -> Any:  # noqa: A002
    """A field that names a registered part of `room`; `name` with `values` is its default."""
    return dataclasses.field(
        default_factory=lambda: Choice.of(room, name, **values), metadata={"help": help, "room": room}
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all settings: checked when made, with a sentence that names field, value and range."""

    def __post_init__(self) -> None:
        hints = _types(type(self))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            meta, kind = field.metadata, hints[field.name]
            if kind is float and type(value) is int:
                object.__setattr__(self, field.name, float(value))
            elif kind in (int, float, bool, str) and type(value) is not kind:
                raise UntoldError(f"{field.name} = {value!r}: {kind.__name__} expected ({meta.get('help', '')})")
            low, high, choices = meta.get("low"), meta.get("high"), meta.get("choices")
            if choices and value not in choices:
                raise UntoldError(f"{field.name} = {value!r}: one of {', '.join(map(str, choices))} expected")
            if (low is not None and not value >= low) or (high is not None and not value <= high):
                span = f"{'-inf' if low is None else low} to {'inf' if high is None else high}"
                raise UntoldError(f"{field.name} = {value!r} is out of range: {span} ({meta['help']})")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, nested as the settings are."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}

    @classmethod
    def from_json(cls: type[S], values: Any) -> S:
        """The settings that `to_json` wrote; unknown or unfitting values raise `UntoldError`."""
        return cls().changed(values)

    def changed(self: S, values: Any) -> S:
        """A copy with `values` (nested mappings) in place of the present ones."""
        if not isinstance(values, dict):
            raise UntoldError(f"settings must be a mapping, not {values!r}")
        known = {f.name: f for f in dataclasses.fields(self)}
        new: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise unknown_name(f"setting of {type(self).__module__.rpartition('.')[2]}", str(name), known)
            old = getattr(self, name)
            if isinstance(old, Choice | Settings):
                new[name] = old.changed(value)
            else:
                new[name] = _read(name, value, _types(type(self))[name])
        return dataclasses.replace(self, **new)


@dataclass(frozen=True)
class Choice:
    """A registered part by name, with its settings."""

    room: str
    name: str
    settings: Settings

    @classmethod
    def of(cls, room: str, name: str, **values: Any) -> Choice:
        """The part `name` of `room` with its default settings but for `values`."""
        return cls(room, name, registry.load(room, name).Settings().changed(values))

    def changed(self, values: Any) -> Choice:
        """A copy: a string names another part; a mapping changes settings, its key `name` the part."""
        if isinstance(values, str):
            values = {"name": values}
        if not isinstance(values, dict):
            raise UntoldError(f"a {registry.ROOMS[self.room][1]} must be a name or a mapping, not {values!r}")
        rest = {k: v for k, v in values.items() if k != "name"}
        name = values.get("name", self.name)
        if name == self.name:
            return Choice(self.room, self.name, self.settings.changed(rest))
        return Choice.of(self.room, str(name), **rest)

    def build(self, *arguments: Any, **named: Any) -> Any:
        """The part itself: ``build(settings, ...)`` of its module."""
        return registry.load(self.room, self.name).build(self.settings, *arguments, **named)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values with the part's name first."""
        return {"name": self.name, **self.settings.to_json()}


def parse_assignments(words: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """``["bottleneck.size=512", "deltas=no"]`` as nested mappings of strings; raises `UntoldError` without ``=``."""
    nested: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UntoldError(f"{word!r} is no setting: write name=value")
        place = nested
        *above, last = key.split(".")
        for part in above:
            inner = place.setdefault(part, {})
            if isinstance(inner, str):
                inner = place[part] = {"name": inner}
            place = inner
        if isinstance(place.get(last), dict):
            place[last]["name"] = value
        else:
            place[last] = value
    return nested


def _types(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _plain(value: Any) -> Any:
    if isinstance(value, Settings | Choice):
        return value.to_json()
    return list(value) if isinstance(value, tuple) else value


def _read(name: str, value: Any, kind: Any) -> Any:
    """A value of JSON or a word of the command line as the type of its field."""
    if typing.get_origin(kind) is tuple:
        items = value.split("+") if isinstance(value, str) else [value] if type(value) in (int, float) else value
        if not isinstance(items, list | tuple):
            raise UntoldError(f"{name} = {value!r}: a list expected")
        return tuple(_read(name, item, typing.get_args(kind)[0]) for item in items)
    if isinstance(value, kind) and type(value) is not bool:
        return value
    try:
        if kind is bool and value in (True, False, "yes", "no", "true", "false"):
            return value in (True, "yes", "true")
        if kind in (int, float) and not isinstance(value, bool):
            number = kind(value)
            if number == number:
                return number
    except (TypeError, ValueError):
        pass
    word = "yes or no" if kind is bool else getattr(kind, "__name__", str(kind))
    raise UntoldError(f"{name} = {value!r}: {word} expected")
