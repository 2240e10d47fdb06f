"""The loop: phases in order, passes of what `Fits`, steps of what `Learns`. One loop drives every method."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from untold.contract import Loss, Phase, Player, Reports, Restarts
from untold.corpora import Corpus, Pieces
from untold.driver import Model
from untold.errors import UntoldError
from untold.layers.across import from_first, spread, summed
from untold.training import checkpoint
from untold.training.averaging import Average
from untold.training.interruption import Interruption
from untold.training.loader import AdaptedTable, Loader
from untold.training.processes import together

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
    model: Model, corpus: Corpus | Pieces, adapted: AdaptedTable, seed: int, plan: Plan, resume: Path, watch: Watch,
    precision: str = "no", decay: float = 0.9995, begun: float | None = None,
) -> dict[str, Tensor]:
    """Trains `model` and gives the state for use (averaged). Goes on from the newest state in `resume`.

    Ctrl-C saves the state after the step in hand, then raises `KeyboardInterrupt`. Raises `UntoldError` when a loss is
    no longer finite; the state before is kept.
    """
    begun = time.monotonic() if begun is None else begun
    AcceleratorState._reset_state()  # a training before this one, in the same process, may have had another precision
    accelerator = Accelerator(mixed_precision=precision, cpu=model.device().type == "cpu")
    average = Average(model, decay)
    found = checkpoint.load(resume, model, average)
    together()  # nobody saves while another still loads
    place, kept = found or ({"phase": 0, "step": 0, "seconds": 0.0}, {})
    phases = model.method.phases()
    with Interruption() as interruption:
        state = _State(model, average, place, begun - place["seconds"], resume, checkpoint.Clock(), accelerator, interruption)
        if found is None and phases:
            state.save({})
        for number, phase in enumerate(phases):
            if number < place["phase"]:
                continue
            if number > place["phase"]:
                place["phase"], place["step"], kept = number, 0, {}
                state.average.settle(model)  # what is frozen from here on is what will be used
                state.average = Average(model, decay)
            loader = Loader(corpus, model, phase, seed, number, adapted)
            if phase.fit is not None:
                _fit(phase, phases[number + 1 :], loader, state, kept, plan, watch)
            else:
                _learn(phase, phases[number:], loader, state, kept, plan, watch)
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
    interruption: Interruption

    def seconds(self) -> float:
        return time.monotonic() - self.origin

    def save(self, optimisers: dict[str, torch.optim.Optimizer], sums: dict[str, Tensor] | None = None) -> None:
        started = time.monotonic()
        self.place |= {"seconds": self.seconds(), "name": self.model.method.phases()[self.place["phase"]].name}
        if self.accelerator.is_main_process:
            checkpoint.save(self.resume, self.place, self.model, self.average, optimisers, sums)
        self.clock.cost = time.monotonic() - started

    def keep(self, optimisers: dict[str, torch.optim.Optimizer], sums: dict[str, Tensor] | None = None) -> None:
        """Saves when it is time to, and stops after saving when somebody asked for it."""
        if self.clock.due() or self.interruption.asked:
            self.save(optimisers, sums)
        self.stop_if_asked()

    def stop_if_asked(self) -> None:
        """After a Ctrl-C; the state was saved."""
        if self.interruption.asked:
            raise KeyboardInterrupt(f"go on with --resume {self.resume.parent}")


def _fit(phase: Phase, after: Sequence[Phase], loader: Loader, state: _State, kept: dict[str, Tensor], plan: Plan, watch: Watch) -> None:
    """Passes over the phase's batches. Half a pass can be resumed too, in one process: sums grow in the same order."""
    assert phase.fit is not None
    place, device = state.place, state.model.device()
    sums = {name[5:]: value.to(device) for name, value in kept.items() if name.startswith("sums/")}
    if plan.steps is not None:
        plan.fixed.setdefault(phase.name, min(phase.passes, plan.steps))
    state.model.eval()
    while place["step"] < plan.fixed.get(phase.name, phase.passes):
        batches, first, started = loader.steps_a_pass, int(place.get("batch", 0)) if sums else 0, state.seconds()
        for step in range(first, batches):
            with torch.no_grad():
                found = phase.fit.statistics(loader.batch(step, step + 1 if step + 1 < batches else None))
            sums = {name: sums[name] + value for name, value in found.items()} if sums else dict(found)
            if not spread() and step + 1 < batches:
                place["batch"] = step + 1
                state.keep({}, sums)
        total = {name: summed(value) for name, value in sums.items()}
        objective = float(total["objective"] / total["count"])
        if not math.isfinite(objective):
            raise UntoldError(
                f"the objective became {objective} in pass {place['step'] + 1} of {phase.name}; the last good state is kept in "
                f"{state.resume}: look for odd recordings with 'untold inspect'"
            )
        with torch.no_grad():
            phase.fit.update(total)
        sums = {}
        place["step"], place["batch"] = place["step"] + 1, 0
        state.average = Average(state.model, state.average.decay)
        if phase.name not in plan.fixed:
            left = (plan.minutes or math.inf) * 60 - state.seconds()
            most = left / (2 if after else 1) / max(1e-9, (state.seconds() - started) * batches / (batches - first))
            said = from_first(torch.tensor([min(phase.passes, place["step"] + max(0.0, most))], dtype=torch.float64, device=device))
            plan.fixed[phase.name] = int(said)
        watch({"phase": phase.name, "step": place["step"], "steps": plan.fixed[phase.name], "seconds": state.seconds(),
               "losses": {"objective": (objective, phase.unit)}})
        state.save({})
        state.stop_if_asked()


def _learn(phase: Phase, left: Sequence[Phase], loader: Loader, state: _State, kept: dict[str, Tensor], plan: Plan, watch: Watch) -> None:
    """Steps of a phase; `left` are the phases that are not over, this one first."""
    model, place = state.model, state.place
    optimisers: dict[str, torch.optim.Optimizer] = {
        p.name: torch.optim.AdamW(_groups(p), lr=p.learning_rate, betas=p.betas, weight_decay=p.weight_decay, fused=True)
        for p in phase.players
    }
    checkpoint.restore(optimisers, kept)
    if plan.steps is not None:
        every = sum(other.share for other in model.method.phases() if other.players)
        plan.fixed.setdefault(phase.name, max(1, round(plan.steps * phase.share / every)))
    share = phase.share / sum(other.share for other in left if other.players)
    model.train()
    times: list[float] = []
    while place["step"] < plan.fixed.get(phase.name, 1 << 62):
        step, started = place["step"], time.monotonic()
        steps = plan.fixed.get(phase.name)
        told: dict[str, tuple[float, str]] = {}
        for turn, player in enumerate(p for p in phase.players for _ in range(p.steps_per_turn)):
            batch = loader.batch(step, step + 1)
            with state.accelerator.autocast():
                losses = model.method.losses(batch, player.name)
            if isinstance(model.method, Restarts):
                _restart(model.method.restarted(), optimisers, state)
            found, finite = _step(losses, player, optimisers[player.name], rate(player, step, steps), state)
            told |= found
            if not finite:
                raise UntoldError(
                    f"the loss became {_odd(found)} at step {step + 1} ({player.name}, turn {turn + 1}); the last good state is kept in "
                    f"{state.resume}: try a smaller learning_rate, and look for odd recordings with 'untold inspect'"
                )
        place["step"] += 1
        state.average.follow(model)
        times.append(time.monotonic() - started)
        if steps is None:
            _plan(phase, times, state, plan, share)
        extra = model.method.report() if isinstance(model.method, Reports) else {}
        watch({"phase": phase.name, "step": place["step"], "steps": plan.fixed.get(phase.name), "seconds": state.seconds(), "losses": told, **extra})
        state.keep(optimisers)
    if times:
        state.save(optimisers)


def _groups(player: Player) -> list[dict[str, Any]]:
    """Its parameters, those with a rate of their own by themselves."""
    own = {id(parameter) for parameter, _ in player.faster}
    rest = [parameter for parameter in player.parameters if id(parameter) not in own]
    return [{"params": rest}, *({"params": [parameter], "factor": factor} for parameter, factor in player.faster)]


@torch.no_grad()
def _restart(moved: Sequence[tuple[torch.nn.Parameter, Tensor]], optimisers: dict[str, torch.optim.Optimizer], state: _State) -> None:
    """Moments of what was put elsewhere are forgotten, and averages begin where it is now."""
    names = {id(parameter): name for name, parameter in state.model.named_parameters()}
    for parameter, rows in moved:
        for optimiser in optimisers.values():
            for key in ("exp_avg", "exp_avg_sq"):
                if key in optimiser.state.get(parameter, {}):
                    optimiser.state[parameter][key][rows] = 0
        state.average.values[names[id(parameter)]][rows] = parameter[rows]


def _odd(told: dict[str, tuple[float, str]]) -> str:
    """The losses that are not finite, in words."""
    return ", ".join(f"{value} ({name})" for name, (value, _) in told.items() if not math.isfinite(value)) or "infinite in its gradient"


def _plan(phase: Phase, times: list[float], state: _State, plan: Plan, share: float) -> None:
    """Fixes the number of steps once enough of them were timed; the first process' watch counts for all."""
    assert plan.minutes is not None
    seen = torch.tensor([sum(times[_WARM:]), state.seconds() - sum(times)], dtype=torch.float64, device=state.model.device())
    timed, earlier = from_first(seen).tolist()
    budget = (plan.minutes * 60 - earlier) * share  # what earlier work left
    count = len(times) - _WARM
    if count >= 2 and timed >= min(_MEASURE, budget / 8):
        begun_at = state.place["step"] - len(times)
        plan.fixed[phase.name] = begun_at + max(len(times), int(budget / (timed / count)))


def rate(player: Player, step: int, steps: int | None) -> float:
    """The learning rate of a step: rises over `warm_up` steps, halves where it should, and falls to zero after `constant` of the phase."""
    value = player.learning_rate * min(1.0, (step + 1) / max(1, player.warm_up)) * 0.5 ** sum(step >= at for at in player.halved_at)
    if steps is not None and player.constant < 1:
        value *= min(1.0, (steps - step) / (steps * (1 - player.constant)))
    return value


def _step(losses: dict[str, Loss], player: Player, optimiser: torch.optim.Optimizer, learning_rate: float, state: _State) -> tuple[dict[str, tuple[float, str]], bool]:
    """One step down the weighted sum of the losses per count, over all processes; no step is taken where something is not finite."""
    counts = {name: summed(loss.count.detach()).clamp(min=1) for name, loss in losses.items()}
    objective = torch.stack([loss.weight * loss.value / counts[name] for name, loss in losses.items()]).sum()
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
        group["lr"] = learning_rate * group.get("factor", 1.0)
    told = {name: (float(summed(loss.value.detach()) / counts[name]), loss.unit) for name, loss in losses.items()}
    finite = math.isfinite(length) and all(math.isfinite(value) for value, _ in told.values())
    if finite:
        optimiser.step()
    return told, finite
