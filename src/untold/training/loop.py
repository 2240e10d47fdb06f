"""The loop: phases in order, passes of what `Fits`, steps of what `Learns`. One loop drives every method."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from untold.contract import Loss, Phase, Player, total
from untold.corpora import Corpus
from untold.driver import Model
from untold.errors import UntoldError
from untold.layers.across import spread, summed
from untold.training import checkpoint
from untold.training.averaging import Average
from untold.training.loader import AdaptedTable, Loader

_MEASURE = 30.0  # seconds in which the time of a step is measured
_WARM = 3  # first steps, which are slower


@dataclass
class Plan:
    """How long to train: `steps` of learning, or `minutes` of everything, turned into steps once a step's time is known."""

    steps: int | None = None
    minutes: float | None = None
    fixed: dict[str, int] = field(default_factory=dict)  # phase -> steps, as written to run.json


Watch = Callable[[dict[str, Any]], None]  # told at each step: phase, step, steps, losses, ...


def train(
    model: Model, corpus: Corpus, adapted: AdaptedTable, seed: int, plan: Plan, resume: Path, watch: Watch,
    precision: str = "no", decay: float = 0.9995, begun: float | None = None,
) -> dict[str, Tensor]:
    """Trains `model` and gives the state for use (averaged). Goes on from the newest state in `resume`."""
    begun = time.monotonic() if begun is None else begun
    accelerator = Accelerator(mixed_precision=precision, cpu=model.device().type == "cpu")
    average = Average(model, decay)
    found = checkpoint.load(resume, model, average)
    place, moments = found or ({"phase": 0, "step": 0, "seconds": 0.0}, {})
    state = _State(model, average, place, begun - place["seconds"], resume, checkpoint.Clock(), accelerator)
    phases = model.method.phases()
    for number, phase in enumerate(phases):
        if number < place["phase"]:
            continue
        if number > place["phase"]:
            place["phase"], place["step"], moments = number, 0, {}
        loader = Loader(corpus, model, phase, seed, number, adapted)
        if phase.fit is not None:
            _fit(phase, loader, state, plan, watch)
        else:
            _learn(phase, phases, loader, state, moments, plan, watch)
    return state.average.state(model)


@dataclass
class _State:
    model: Model
    average: Average
    place: dict[str, Any]
    origin: float
    resume: Path
    clock: checkpoint.Clock
    accelerator: Accelerator

    def seconds(self) -> float:
        return time.monotonic() - self.origin

    def save(self, optimisers: dict[str, torch.optim.Optimizer]) -> None:
        self.place |= {"seconds": self.seconds(), "name": self.model.method.phases()[self.place["phase"]].name}
        if self.accelerator.is_main_process:
            checkpoint.save(self.resume, self.place, self.model, self.average, optimisers)


def _fit(phase: Phase, loader: Loader, state: _State, plan: Plan, watch: Watch) -> None:
    assert phase.fit is not None
    passes = phase.passes if plan.steps is None else min(phase.passes, plan.steps)
    plan.fixed.setdefault(phase.name, passes)
    state.model.eval()
    while state.place["step"] < passes:
        steps = loader.steps_a_pass
        with torch.no_grad():
            sums = total(phase.fit.statistics(loader.batch(step, step + 1 if step + 1 < steps else None)) for step in range(steps))
            sums = {key: summed(value) for key, value in sums.items()}
            phase.fit.update(sums)
        state.place["step"] += 1
        state.average = Average(state.model, state.average.decay)
        watch({"phase": phase.name, "step": state.place["step"], "steps": passes, "seconds": state.seconds(),
               "losses": {"objective": (float(sums["objective"] / sums["count"]), "nats per frame")}})
        state.save({})


def _learn(phase: Phase, phases: Any, loader: Loader, state: _State, moments: dict[str, Tensor], plan: Plan, watch: Watch) -> None:
    model, place = state.model, state.place
    optimisers: dict[str, torch.optim.Optimizer] = {
        p.name: torch.optim.AdamW(p.parameters, lr=p.learning_rate, betas=p.betas, weight_decay=p.weight_decay, fused=True)
        for p in phase.players
    }
    checkpoint.restore(optimisers, moments)
    shares = sum(other.share for other in phases if other.players)
    if plan.steps is not None:
        plan.fixed.setdefault(phase.name, max(1, round(plan.steps * phase.share / shares)))
    model.train()
    times: list[float] = []
    while place["step"] < plan.fixed.get(phase.name, 1 << 62):
        step, started = place["step"], time.monotonic()
        steps = plan.fixed.get(phase.name)
        losses: dict[str, Loss] = {}
        for turn, player in enumerate(p for p in phase.players for _ in range(p.steps_per_turn)):
            batch = loader.batch(step, step + 1)
            with state.accelerator.autocast():
                losses |= model.method.losses(batch, player.name)
            told, finite = _step(losses, player, optimisers[player.name], rate(player, step, steps), state)
            if not finite:
                raise UntoldError(
                    f"the loss became {told} at step {step} ({player.name}, turn {turn}); the last good state is kept in "
                    f"{state.resume}: try a smaller learning_rate, and look for odd recordings with 'untold inspect'"
                )
        place["step"] += 1
        state.average.follow(model)
        times.append(time.monotonic() - started)
        if steps is None:
            _measure(phase, times, state, plan, phase.share / shares)
        extra = model.method.report() if hasattr(model.method, "report") else {}
        watch({"phase": phase.name, "step": place["step"], "steps": plan.fixed.get(phase.name), "seconds": state.seconds(), "losses": told, **extra})
        if state.clock.due():
            state.save(optimisers)
    state.save(optimisers)


def _measure(phase: Phase, times: list[float], state: _State, plan: Plan, share: float) -> None:
    """Fixes the number of steps once enough of them were timed."""
    assert plan.minutes is not None
    budget = plan.minutes * 60 - (state.seconds() - sum(times))  # what earlier work left
    timed = times[_WARM:]
    if len(timed) >= 2 and sum(timed) >= min(_MEASURE, budget * share / 8):
        mean = torch.tensor([sum(timed) / len(timed)])
        if spread():
            mean = summed(mean) / torch.distributed.get_world_size()
        plan.fixed[phase.name] = max(len(times), int(budget * share / float(mean)))


def rate(player: Player, step: int, steps: int | None) -> float:
    """The learning rate of a step: rises over `warm_up` steps, stays, and falls to zero after `constant` of the phase."""
    value = player.learning_rate * min(1.0, (step + 1) / max(1, player.warm_up))
    if steps is not None and player.constant < 1:
        value *= min(1.0, (steps - step) / (steps * (1 - player.constant)))
    return value


def _step(losses: dict[str, Loss], player: Player, optimiser: torch.optim.Optimizer, learning_rate: float, state: _State) -> tuple[dict[str, tuple[float, str]], bool]:
    """One step down the sum of the losses per count, over all processes; no step is taken where something is not finite."""
    counts = {name: summed(loss.count.detach()).clamp(min=1) for name, loss in losses.items()}
    objective = torch.stack([loss.value / counts[name] for name, loss in losses.items()]).sum()
    optimiser.zero_grad(set_to_none=True)
    state.accelerator.backward(objective)
    gradients = [p.grad for p in player.parameters if p.grad is not None]
    if spread():
        flat = torch.cat([g.flatten() for g in gradients])
        torch.distributed.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
    length = float(torch.nn.utils.clip_grad_norm_(player.parameters, player.clip or math.inf))
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
    told = {name: (float(summed(loss.value.detach()) / counts[name]), loss.unit) for name, loss in losses.items()}
    finite = math.isfinite(length) and all(math.isfinite(value) for value, _ in told.values())
    if finite:
        optimiser.step()
    return told, finite
