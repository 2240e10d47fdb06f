"""Whole states of training in `RUN/resume`: safetensors and JSON, written beside and renamed, the last two kept.

A kill at any moment loses no more than one interval; a damaged state gives way to the one before.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from untold.errors import UntoldError
from untold.formats._writing import read_json, write_json
from untold.training.averaging import Average


class Clock:
    """When it is time to save: every 5 s in the first minute, then every 30 s."""

    def __init__(self) -> None:
        self.begun = self.saved = time.monotonic()

    def due(self) -> bool:
        """Whether an interval has passed since the last save."""
        now = time.monotonic()
        if now - self.saved < (5 if now - self.begun < 60 else 30):
            return False
        self.saved = now
        return True


def save(folder: Path, place: dict[str, Any], module: nn.Module, average: Average, optimisers: dict[str, torch.optim.Optimizer]) -> None:
    """One whole state; `place` says where training stands (phase, step, seconds, ...)."""
    tensors = {f"model/{name}": value for name, value in module.state_dict().items()}
    tensors |= {f"average/{name}": value for name, value in average.values.items()}
    for player, optimiser in optimisers.items():
        for number, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{player}/{number}/{key}": value for key, value in moments.items()}
    name = f"{place['phase']:02d}-{place['step']:010d}"
    part = folder / f"{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    save_file({key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}, part / "state.safetensors")
    write_json(part / "place.json", {**place, "averaged": average.steps})
    target = folder / name
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    for old in _states(folder)[:-2]:
        shutil.rmtree(old, ignore_errors=True)


def _states(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("[0-9]*-[0-9]*") if p.is_dir() and p.suffix != ".part")


def load_place(folder: Path) -> dict[str, Any] | None:
    """Where the newest whole state stands; None: nowhere yet."""
    for path in reversed(_states(folder)):
        found = _read(path)
        if found is not None:
            return found[0]
    return None


def load_model(folder: Path, module: nn.Module) -> None:
    """The model of the newest whole state, into `module`."""
    load(folder, module, Average(module))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """A state, or None where it is damaged (the one before it is whole)."""
    try:
        place = read_json(path / "place.json")
        tensors = load_file(path / "state.safetensors")
        int(place["phase"]), int(place["step"]), float(place["seconds"]), int(place["averaged"])
    except (SafetensorError, UntoldError, OSError, KeyError, RuntimeError, TypeError, ValueError):
        return None
    return place, tensors


def load(folder: Path, module: nn.Module, average: Average) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """The newest whole state that can be read: its place, and the optimisers' tensors for `restore`. None: begin anew."""
    for path in reversed(_states(folder)):
        found = _read(path)
        if found is None:
            continue
        place, tensors = found
        state = {key[6:]: value for key, value in tensors.items() if key.startswith("model/")}
        expected = {key: value.shape for key, value in module.state_dict().items()}
        if expected != {key: value.shape for key, value in state.items()} or any(f"average/{key}" not in tensors for key in average.values):
            continue
        module.load_state_dict(state)
        average.values = {key: tensors[f"average/{key}"].to(value.device) for key, value in average.values.items()}
        average.steps = int(place["averaged"])
        return place, {key: value for key, value in tensors.items() if key.startswith("optimiser/")}
    return None


def restore(optimisers: dict[str, torch.optim.Optimizer], tensors: dict[str, Tensor]) -> None:
    """Puts saved moments back into optimisers."""
    for player, optimiser in optimisers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            _, owner, number, name = key.split("/")
            if owner == player:
                state.setdefault(int(number), {})[name] = value
        if state:
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
