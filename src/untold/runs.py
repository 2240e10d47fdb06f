"""RUN folders: what a training run leaves, and how it is used again.

`run.json` holds method, all settings, seed, versions, the source's fingerprint and split, planned steps, the command
line and the cost: a RUN rebuilds itself from its folder. Nothing in it is ever imported: names are looked up among the
registered parts, weights are safetensors whose shapes are compared before anything is loaded.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from untold import __version__, registry
from untold.driver import Model
from untold.errors import UntoldError, unknown_name
from untold.formats._writing import beside, read_json, write_json
from untold.formats.tensors import digest, packed, read_tensors
from untold.settings import Settings, parse_assignments

_KINDS = {"method": str, "recipe": str, "settings": dict, "sides": dict, "seed": int, "source": dict, "split": dict, "planned": dict, "cost": dict}
FORMAT = 1  # of RUN folders; raised when an older program could no longer read them


def resolve(name: str, changes: Mapping[str, Any]) -> tuple[str, Settings]:
    """A recipe or a method by name (a recipe comes first), with changed settings: the method's name and its settings."""
    if name in registry.names("recipes"):
        recipe = registry.load("recipes", name)
        settings = registry.load("methods", recipe.METHOD).Settings().changed(recipe.SETTINGS)
        return recipe.METHOD, settings.changed(dict(changes))
    if name in registry.names("methods"):
        module = registry.load("methods", name)
        settings = module.Settings().changed(dict(changes))
        return name, module.resolved(settings) if hasattr(module, "resolved") else settings
    raise unknown_name("method or recipe", name, [*registry.names("methods"), *registry.names("recipes")])


def wished(what: str, assignments: Sequence[str] = ()) -> tuple[str, dict[str, Any]]:
    """The name and the changed settings of `NAME`, `NAME:setting=value,...`, or of `NAME:PLACE[:setting=value,...]`.

    A method that is read from a place says so (`PLACE`: the setting that the place is).
    """
    name, _, words = what.partition(":")
    place = place_of(name)
    found = ""
    if place:
        found, colon, last = words.rpartition(":")
        if not colon or "=" not in last or Path(words).is_dir():
            found, last = words, ""
        words = last
    changes = parse_assignments([*words.split(","), *assignments] if words else list(assignments))
    return name, {place: found, **changes} if place and found else changes


def place_of(name: str) -> str | None:
    """The setting that stands after the colon, of a method that is read from a place and not trained."""
    return registry.literals("methods", name).get("PLACE") if name in registry.names("methods") else None


def versions() -> dict[str, str]:
    """What made a run: this program and what its numbers depend on."""
    import numpy

    return {"untold": __version__, "torch": str(torch.__version__), "numpy": numpy.__version__, "python": platform.python_version()}


@dataclass(frozen=True)
class Run:
    """A RUN folder and what its run.json says."""

    path: Path
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """The recipe or method that was asked for."""
        return str(self.facts.get("recipe") or self.facts.get("method"))

    @staticmethod
    def open(path: Path) -> Run:
        """Reads run.json; raises `UntoldError` when it is none of ours, of another version, or damaged."""
        facts = read_json(path / "run.json")
        if not isinstance(facts, dict) or "format" not in facts:
            raise UntoldError(f"{path / 'run.json'}: no description of a run of untold")
        if facts["format"] != FORMAT:
            made = facts.get("versions")
            by = made.get("untold") if isinstance(made, dict) else "another version"
            raise UntoldError(f"{path} was made by untold {by} (format {facts['format']!r}, this program reads {FORMAT}): train it again, or use that version")
        for key, kind in _KINDS.items():
            if type(facts.get(key)) is not kind:
                raise UntoldError(f"{path / 'run.json'}: {key!r} is missing or damaged")
        planned = facts["planned"].get("phases")
        if not isinstance(planned, dict) or not all(type(v) is int and v >= 0 for v in planned.values()) or not 0 <= facts["seed"] < 1 << 63:
            raise UntoldError(f"{path / 'run.json'}: what is planned, or the seed, is damaged")
        return Run(path, facts)

    def write(self) -> None:
        """Writes run.json."""
        write_json(self.path / "run.json", self.facts)

    def untrained(self) -> Model:
        """The model as it was before training."""
        method = self.facts["method"]
        if method not in registry.names("methods"):
            raise unknown_name("method", method, registry.names("methods"))
        settings = registry.load("methods", method).Settings.from_json(self.facts["settings"])
        sides = self.facts["sides"]
        if not all(isinstance(v, list) and all(isinstance(n, str) for n in v) for v in sides.values()):
            raise UntoldError(f"{self.path / 'run.json'}: 'sides' is damaged")
        return build(method, settings, sides, self.facts["seed"])

    def model(self, device: str = "cpu") -> Model:
        """The trained model; raises `UntoldError` when the weights are missing, damaged or of other settings."""
        path = self.path / "model.safetensors"
        if not path.exists():
            raise UntoldError(f"{path} is not there: the run was not finished; go on with --resume {self.path}")
        state = read_tensors(path, str(self.facts.get("sha256")))
        with torch.device("meta"):  # nothing is allocated on the word of run.json
            expected = {key: value.shape for key, value in self.untrained().state_dict().items()}
        shapes = {key: value.shape for key, value in state.items()}
        if expected != shapes:
            odd = sorted(set(expected.items()) ^ set(shapes.items()))[0][0]
            raise UntoldError(f"{path} does not fit the settings in run.json (first difference: {odd}): the run is damaged")
        if not all(bool(value.isfinite().all()) for value in state.values() if value.is_floating_point()):
            raise UntoldError(f"{path} holds numbers that are not finite: the run is damaged")
        model = self.untrained()
        model.load_state_dict(state)
        return model.to(device).eval()

    def save_weights(self, state: Mapping[str, Tensor]) -> None:
        """The weights for use, after their digest in run.json: a run is finished when they are there."""
        data = packed(state)
        self.facts["sha256"] = digest(data)
        self.write()
        with beside(self.path / "model.safetensors") as part:
            part.write_bytes(data)


def build(method: str, settings: Settings, sides: Mapping[str, Sequence[str]], seed: int) -> Model:
    """A model with weights drawn from `seed`, whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Model(method, settings, sides)


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Keys, joined by dots, whose values differ in two nested mappings."""
    out = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            out += [f"{key}.{inner}" for inner in differing(a, b)]
        elif json.dumps(a, sort_keys=True) != json.dumps(b, sort_keys=True):
            out.append(key)
    return out
