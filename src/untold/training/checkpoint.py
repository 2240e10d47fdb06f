"""Whole states of training in `RUN/resume`: safetensors and JSON, written beside and renamed, the last two kept.

A kill at any moment loses no more than one interval; a damaged state gives way to the one before.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from untold.errors import UntoldError
from untold.formats._writing import read_json, write_json, write_text
from untold.formats.tensors import read_tensors, write_tensors
from untold.training.averaging import Average

_DEAREST = 20  # between two saves of the first minute lies at least so many times what one takes


class Clock:
    """When it is time to save: every 1 to 5 s in the first minute (by what a save costs), then every 30 s."""

    def __init__(self) -> None:
        self.begun = self.saved = time.monotonic()
        self.cost = 0.0  # seconds that the last save took

    def due(self) -> bool:
        """Whether an interval has passed since the last save."""
        now = time.monotonic()
        if now - self.saved < (min(5.0, max(1.0, _DEAREST * self.cost)) if now - self.begun < 60 else 30):
            return False
        self.saved = now
        return True


def save(
    folder: Path, place: dict[str, Any], module: nn.Module, average: Average,
    optimisers: Mapping[str, torch.optim.Optimizer], sums: Mapping[str, Tensor] | None = None,
) -> None:
    """One whole state; `place` says where training stands (phase, step, seconds, ...), `sums` what half a pass gave."""
    tensors = {f"model/{name}": value for name, value in module.state_dict().items()}
    tensors |= {f"average/{name}": value for name, value in average.values.items()}
    tensors |= {f"sums/{name}": value for name, value in (sums or {}).items()}
    for player, optimiser in optimisers.items():
        for number, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{player}/{number}/{key}": value for key, value in moments.items()}
    name = f"{place['phase']:02d}-{place['step']:010d}-{place.get('batch', 0):08d}"
    part, target = folder / f"{name}.{os.getpid()}.part", folder / name
    try:
        part.mkdir(parents=True)
        digest = write_tensors(part / "state.safetensors", tensors)
        write_json(part / "place.json", {**place, "averaged": average.steps, "sha256": digest})
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for old in _states(folder)[:-2]:
        shutil.rmtree(old, ignore_errors=True)


def _states(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("[0-9]*-[0-9]*") if p.is_dir() and p.suffix != ".part")


class Claim:
    """Whose a RUN is: the process that went on with it last. One that was forgotten somewhere stops by itself."""

    def __init__(self, run: Path) -> None:
        self.run, self.path = run, run / "resume" / "owner"
        self.token = f"{platform.node()} {os.getpid()} {time.time_ns()}"
        write_text(self.path, self.token)

    def check(self) -> None:
        """Raises `UntoldError` when another process has gone on with the RUN."""
        try:
            found = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return  # removed, or on a disk that is away for a moment: nobody else said anything
        if found != self.token:
            raise UntoldError(f"{self.run}: another process has gone on with this run ({found[:80]}), this one stops")


def sweep(folder: Path) -> None:
    """Removes what a kill left half written below a RUN."""
    for old in [*folder.glob(".*.part"), *folder.glob("*/.*.part"), *folder.glob("resume/*.part"), *folder.glob("resume/*/.*.part")]:
        with contextlib.suppress(OSError):
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """A state, or None where it is damaged (the one before it is whole)."""
    try:
        place = read_json(path / "place.json")
        for key in ("phase", "step", "averaged"):
            if type(place[key]) is not int or place[key] < 0:
                return None
        if not 0 <= float(place["seconds"]) < 1e12 or type(place.get("batch", 0)) is not int or not isinstance(place.get("name", ""), str):
            return None
        return place, read_tensors(path / "state.safetensors", str(place["sha256"]))
    except (UntoldError, OSError, KeyError, TypeError, ValueError):
        return None


def load(folder: Path, module: nn.Module, average: Average | None = None) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """The newest whole state that can be read: its place, and the tensors of optimisers and sums. None: begin anew."""
    average = Average(module) if average is None else average
    for path in reversed(_states(folder)):
        found = _read(path)
        if found is None:
            continue
        place, tensors = found
        state = {key[6:]: value for key, value in tensors.items() if key.startswith("model/")}
        shapes = {key: value.shape for key, value in module.state_dict().items()}
        if shapes != {key: value.shape for key, value in state.items()}:
            continue
        if any(key not in state or tensors.get(f"average/{key}", state[key][None]).shape != state[key].shape for key in average.values):
            continue
        module.load_state_dict(state)
        average.values = {key: tensors[f"average/{key}"].to(value.device) for key, value in average.values.items()}
        average.steps = int(place["averaged"])
        return place, {key: value for key, value in tensors.items() if key.startswith(("optimiser/", "sums/"))}
    return None


def restore(optimisers: Mapping[str, torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Puts saved moments back into optimisers."""
    for player, optimiser in optimisers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            words = key.split("/")
            if len(words) == 4 and words[:2] == ["optimiser", player]:
                state.setdefault(int(words[2]), {})[words[3]] = value
        if state:
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
