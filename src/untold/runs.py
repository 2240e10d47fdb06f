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
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from untold import __version__, registry
from untold.driver import Model
from untold.errors import UntoldError, unknown_name
from untold.formats._writing import beside, read_json, write_json
from untold.settings import Settings

FORMAT = 1  # of RUN folders; raised when an older program could no longer read them


def resolve(name: str, changes: Mapping[str, Any]) -> tuple[str, Settings]:
    """A method or a recipe by name, with changed settings: the method's name and its settings."""
    if name in registry.names("methods"):
        return name, registry.load("methods", name).Settings().changed(dict(changes))
    if name in registry.names("recipes"):
        recipe = registry.load("recipes", name)
        settings = registry.load("methods", recipe.METHOD).Settings().changed(recipe.SETTINGS)
        return recipe.METHOD, settings.changed(dict(changes))
    raise unknown_name("method or recipe", name, [*registry.names("methods"), *registry.names("recipes")])


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
        for key, kind in (("method", str), ("settings", dict), ("sides", dict), ("seed", int)):
            if not isinstance(facts.get(key), kind):
                raise UntoldError(f"{path / 'run.json'}: {key!r} is missing or damaged")
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
        try:
            with safe_open(str(path), framework="pt") as file:
                shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
            size = sum(torch.Size(shape).numel() for shape in shapes.values())
            claimed = self.facts.get("weights")
            if claimed != size:
                raise UntoldError(f"{path} holds {size} numbers and run.json says {claimed}: the run is damaged")
            model = self.untrained()
            expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
            if expected != shapes:
                odd = sorted(set(expected.items()) ^ set(shapes.items()))[0][0]
                raise UntoldError(f"{path} does not fit the settings in run.json (first difference: {odd}): the run is damaged")
            state = load_file(path)
        except (SafetensorError, RuntimeError, OSError, ValueError, OverflowError) as error:
            raise UntoldError(f"{path}: not readable as weights ({str(error).splitlines()[0][:120]})") from None
        if not all(bool(value.isfinite().all()) for value in state.values() if value.is_floating_point()):
            raise UntoldError(f"{path} holds numbers that are not finite: the run is damaged")
        model.load_state_dict(state)
        return model.to(device).eval()

    def save_weights(self, state: Mapping[str, Tensor]) -> None:
        """The weights for use, whole or not at all."""
        with beside(self.path / "model.safetensors") as part:
            save_file({key: value.detach().cpu().contiguous().clone() for key, value in state.items()}, part)


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
