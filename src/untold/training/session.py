"""One training run, from a corpus to a RUN folder: what `train`, `discover` and `sweep` have in common."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from untold import registry, runs
from untold.corpora import Corpus, Pieces
from untold.driver import Model
from untold.errors import UntoldError
from untold.formats._writing import make_folder
from untold.resynthesis import write_voices
from untold.training import checkpoint, memory
from untold.training.loop import Plan, train
from untold.training.monitors import Progress
from untold.training.preparation import adapted_table, training_split, warp
from untold.training.processes import by_first, is_first, share, together


class Watcher(Protocol):
    """Who shows a person how it goes."""

    def say(self, line: str = "") -> None: ...
    def bar(self, total: float, unit: str, what: str) -> Any: ...


@dataclass(frozen=True)
class Wish:
    """What is asked for: a method or recipe with changes, and a budget."""

    name: str
    changes: Mapping[str, Any]
    seed: int = 0
    steps: int | None = None
    minutes: float | None = None
    precision: str = "no"


def begin(wish: Wish, corpus: Corpus, out: Path, *, resume: bool, force: bool, command: str) -> runs.Run:
    """A new RUN folder, or the one to go on with; settings that differ from the RUN's are an error."""
    if resume and not (out / "run.json").exists():
        raise UntoldError(f"--resume {out}: there is no run to go on with (no run.json); begin one with --out {out}")
    if not resume and not force and (out / "run.json").exists():
        raise UntoldError(f"{out} holds a run already: go on with --resume {out}, replace it with --force, or name another folder with --out")
    method, settings = runs.resolve(wish.name, wish.changes)
    told: tuple[str, ...] = getattr(settings, "sides", ())
    data = Pieces(corpus)
    chosen, kept = training_split(data)
    _check_signal(method, settings, corpus)
    _check_alphabet(settings, data, chosen)
    facts: dict[str, Any] = {
        "format": runs.FORMAT, "method": method, "recipe": wish.name, "settings": settings.to_json(), "seed": wish.seed,
        "precision": wish.precision, "sides": {side: sorted(set(data.select(chosen).sides(side))) for side in told},
        "source": {"name": corpus.name, "source": corpus.source, "fingerprint": corpus.fingerprint, "recordings": len(corpus), f"{corpus.axis}s": corpus.length},
        "split": {"train": len(chosen), "held_out": len(kept), "rule": "a tenth of the utterances of speakers with two or more, by a hash of ids"},
        "planned": {"steps": wish.steps, "minutes": wish.minutes, "phases": {}},
    }
    if resume:
        run = runs.Run.open(out)
        same = ("method", "settings", "seed", "precision", "sides")
        odd = runs.differing({k: run.facts.get(k) for k in same}, {k: facts[k] for k in same})
        odd += [f"source.{k}" for k in ("fingerprint",) if run.facts["source"].get(k) != facts["source"][k]]
        odd += [f"planned.{k}" for k in ("steps", "minutes") if run.facts["planned"].get(k) != facts["planned"][k]]
        if odd:
            raise UntoldError(f"{out} was begun with other settings ({', '.join(odd[:5])}) by `{run.facts.get('command')}`: resume with the same, or begin anew with --out")
        return run
    run = runs.Run(out, {**facts, "versions": runs.versions(), "command": command, "cost": {}})

    def make() -> None:
        make_folder(out, force=force)
        run.write()
        (out / "resume").mkdir()

    together()  # all have seen that there is no run before the first makes one
    by_first(make)
    return run


def _check_signal(method: str, settings: Any, corpus: Corpus) -> None:
    """A method of sound has nothing to hear in handwriting: said before training."""
    for choice in registry.load("methods", method).inputs(settings).values():
        corpus[0].signal_for(choice.build().stream, f"{method} with {choice.name}")


def _check_alphabet(settings: Any, corpus: Pieces, chosen: np.ndarray) -> None:
    """An alphabet larger than the data cannot be learnt: said before training."""
    data = corpus.select(chosen)
    step = 0.01 if data.medium.unit == "second" else 1.0
    frames = data.length / step
    inner = getattr(getattr(settings, "bottleneck", None), "settings", None)
    size = getattr(settings, "components", None) or getattr(inner, "size", None) or 0
    size = max(size) if isinstance(size, tuple) else size
    if size > frames:
        raise UntoldError(f"an alphabet of {size} is larger than the data ({frames:.0f} frames of {step:g} {data.medium.unit}): use a smaller one or more recordings")


def perform(run: runs.Run, wish: Wish, corpus: Corpus, watcher: Watcher, device: str) -> Model:
    """Trains until the budget is spent and leaves the weights in the RUN; goes on from its `resume` folder."""
    begun = time.monotonic()
    path, resume = run.path, run.path / "resume"
    data = Pieces(corpus)
    data = data.select(training_split(data)[0])
    model = run.untrained().to(device)
    torch.manual_seed(wish.seed)
    claims: list[checkpoint.Claim] = []

    def claim() -> None:
        claims.append(checkpoint.Claim(path))
        checkpoint.sweep(path)

    by_first(claim)
    found = checkpoint.load(resume, model)
    place = found[0] if found else None
    if place is None and any(getattr(front, "warper", None) is not None for front in model.fronts.values()):
        with watcher.bar(1.0, "", "estimating vocal tract lengths") as bar:
            done = 0.0

            def progress(fraction: float) -> None:
                nonlocal done
                bar.advance(fraction - done)
                done = fraction

            warp(model, data, wish.seed, progress, resume / "warp.safetensors")
    with watcher.bar(len(data), "recordings", "normalising") as bar:
        adapted = adapted_table(model, data, resume / "adapted", bar.advance)
    memory.check(model, data, adapted, wish.precision)
    plan = Plan(wish.steps, wish.minutes, dict(run.facts["planned"]["phases"]))
    reporter = Reporter(run, plan, place, wish, watcher)

    def watch(told: dict[str, Any]) -> None:
        for held in claims:
            held.check()
        reporter.watch(told)

    state = train(model, data, adapted, wish.seed, plan, resume, watch, wish.precision, begun=begun)
    reporter.close()
    run.facts["planned"]["phases"] = plan.fixed
    run.facts["cost"] = {"seconds": round(reporter.seconds, 1), "processes": share()[1], "threads": torch.get_num_threads(), "device": device}
    if is_first():
        write_voices(path / "voices.safetensors", model, data, adapted)
        run.save_weights(state)
    together()
    model.load_state_dict(state)
    return model.eval()


class Reporter:
    """Turns what the loop tells into a bar and `progress.jsonl`."""

    def __init__(self, run: runs.Run, plan: Plan, place: dict[str, Any] | None, wish: Wish, watcher: Watcher) -> None:
        self.run, self.plan, self.wish, self.watcher = run, plan, wish, watcher
        self.first = is_first()
        at = (str(place.get("name", "")), int(place["step"])) if place else None
        if self.first:
            self.progress = Progress(run.path / "progress.jsonl", at)
        self.phase, self.written = "", 0.0
        self.seconds = float(place["seconds"]) if place else 0.0
        self.bar: Any = None
        self.context: Any = None

    def watch(self, told: dict[str, Any]) -> None:
        """One step or pass was done."""
        self.seconds = told["seconds"]
        if not self.first:
            return
        if self.run.facts["planned"]["phases"] != self.plan.fixed:
            self.run.facts["planned"]["phases"] = dict(self.plan.fixed)
            self.run.write()
        if told["phase"] != self.phase:
            self.close()
            self.phase = told["phase"]
            total = told["steps"] or (self.wish.minutes or 1) * 60
            self.by_steps = bool(told["steps"])
            self.context = self.watcher.bar(total, "steps" if self.by_steps else "seconds", f"training ({self.phase})")
            self.bar, self.shown = self.context.__enter__(), 0.0
        now = float(told["step"] if self.by_steps else min(told["seconds"], (self.wish.minutes or 1) * 60))
        shown = {name.replace("reconstruction", "loss"): f"{value:.2f} {unit}" if name in ("reconstruction", "objective") else f"{value:.2f}" for name, (value, unit) in told["losses"].items()}
        extra = {key: round(value, 1) for key, value in told.items() if isinstance(value, float) and key != "seconds"}
        self.bar.tell(**shown, **{key.replace("_", " "): value for key, value in extra.items()})
        self.bar.advance(now - self.shown)
        self.shown = now
        last = told["step"] == told["steps"]
        if last or told["step"] <= 3 or time.monotonic() - self.written > 2:
            self.written = time.monotonic()
            losses = {name: value for name, (value, _) in told["losses"].items()}
            units = {name: unit for name, (_, unit) in told["losses"].items()}
            self.progress.write(phase=told["phase"], step=told["step"], steps=told["steps"], seconds=round(told["seconds"], 2), losses=losses, units=units, **extra)

    def close(self) -> None:
        """Takes the bar away."""
        if self.context is not None:
            self.context.__exit__(None, None, None)
            self.context = None


def command_line() -> str:
    """What was typed, for run.json."""
    return " ".join(["untold", *sys.argv[1:]])


def usual_minutes(name: str) -> float:
    """The minutes that a recipe is meant for, 10 where it does not say."""
    return float(registry.literals("recipes", name).get("MINUTES", 10.0)) if name in registry.names("recipes") else 10.0


def budget(steps: int | None, minutes: float | None, default: float, seed: int = 0) -> tuple[int | None, float | None]:
    """Steps or minutes; `default` minutes when neither is given. Raises `UntoldError` out of range (the seed too) or for both."""
    if steps is not None and minutes is not None:
        raise UntoldError("give --steps or --minutes, not both")
    if steps is not None and steps < 1:
        raise UntoldError(f"--steps {steps}: at least 1")
    if not 0 <= seed < 1 << 63:
        raise UntoldError(f"--seed {seed}: a whole number from 0 expected")
    if minutes is not None and not (0 < minutes < 1e6 and math.isfinite(minutes)):
        raise UntoldError(f"--minutes {minutes}: more than 0")
    return steps, None if steps is not None else (minutes if minutes is not None else default)


