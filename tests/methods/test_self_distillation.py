"""Self-distillation: who follows whom, what is named, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from untold.contract import Batch, Encodes, Learns, Stream, Tokenizes
from untold.driver import Model
from untold.errors import UntoldError
from untold.frontends._frontend import sound_grid
from untold.methods import self_distillation
from untold.methods.self_distillation import SelfDistillation, over_time

SMALL: dict[str, Any] = {"encoder": {"width": 16, "layers": 3, "heads": 2, "window": 6, "kernel": 3}, "clustered": 2, "size": 8, "batch": 4}


def build(**values: Any) -> SelfDistillation:
    torch.manual_seed(0)
    method = Model("self_distillation", self_distillation.Settings().changed({**SMALL, **values}), {}).method
    assert isinstance(method, SelfDistillation)
    return method


def batch(lengths: tuple[int, ...] = (120, 86)) -> Batch:
    draw = torch.Generator().manual_seed(3)
    values = torch.randn(len(lengths), max(lengths), 39, generator=draw)
    counted = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    x = Stream(values * counted[..., None], torch.tensor(lengths), counted, sound_grid(160))
    return Batch({"input": x, "target": x}, {}, torch.arange(len(lengths)), torch.arange(len(lengths)))


def learn(method: SelfDistillation, given: Batch, steps: int) -> list[float]:
    (phase,) = method.phases()
    optimiser = torch.optim.Adam(phase.players[0].parameters, 3e-3)
    out = []
    for _ in range(steps):
        losses = method.train().losses(given)
        value = sum(loss.value / loss.count * loss.weight for loss in losses.values())
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        out.append(float(value.detach()))
    return out


def test_it_is_what_it_says() -> None:
    method = build()
    assert isinstance(method, Learns)
    assert isinstance(method, Encodes)
    assert isinstance(method, Tokenizes)
    assert method.points == ("root_posteriors", "posteriors", "layer3", "layer2", "layer1", "encoder")
    assert method.alphabet == 8
    assert list(method.losses(batch())) == ["layer2", "layer2_seen", "encoder", "encoder_seen"]


def test_the_average_follows_the_network_and_learns_nothing_itself() -> None:
    method, given = build(decay=0.5), batch()
    (phase,) = method.phases()
    moved = {id(p) for p in phase.players[0].parameters}
    assert not moved & {id(p) for p in method.average.parameters()}
    learn(method, given, 30)
    assert all(p.grad is None for p in method.average.parameters())
    now, mean = method.encoder.blocks[0].state_dict(), method.average.module.blocks[0].state_dict()
    start = build().encoder.blocks[0].state_dict()
    for name, value in now.items():
        if value.is_floating_point() and not torch.equal(value, start[name]):
            assert (mean[name] - value).norm() < 0.5 * (start[name] - value).norm(), name


def test_what_is_masked_comes_to_be_told_from_what_is_not() -> None:
    told = learn(build(decay=0.99), batch(), 60)
    assert told[-1] < 0.8 * told[0]


def test_names_hang_on_the_target_alone_and_stay_as_they_are_out_of_training() -> None:
    method, given = build(), batch()
    learn(method, given, 3)
    method.eval()
    names, counted = method._names(given)
    other = Batch({"input": given.streams["input"].with_values(given.streams["input"].values * 0), "target": given.streams["target"]}, {}, given.index, given.keys)
    state = {name: value.clone() for name, value in method.state_dict().items()}
    again, _ = method._names(other)
    method.losses(given)
    assert all(torch.equal(a, b) for a, b in zip(names, again, strict=True))
    assert all(bool((one[counted] >= 0).all()) and bool((one[~counted] == -1).all()) for one in names)
    assert all(torch.equal(value, method.state_dict()[name]) for name, value in state.items())


def test_normalised_over_the_steps_of_each_recording_alone() -> None:
    x = batch().streams["input"]
    for row, length in enumerate((120, 86)):
        alone = x.values[row, :length].double()
        expected = (alone - alone.mean(0)) / (alone.var(0, unbiased=False) + 1e-5).sqrt()
        assert torch.allclose(over_time(x).values[row, :length].double(), expected, atol=1e-5)


def test_each_layer_can_name_its_own_or_the_last_all() -> None:
    given = batch()
    for own in (True, False):
        method = build(own_layer=own).eval()
        losses = method.losses(given)
        method.heads[0].requires_grad_(False)
        (grad,) = torch.autograd.grad(losses["layer2"].value, method.encoder.blocks[2].parameters().__next__(), allow_unused=True)
        assert (grad is None) == own


def test_what_cannot_be_is_one_line() -> None:
    with pytest.raises(UntoldError, match="clustered = 5: the encoder has 3 layers to cluster"):
        build(clustered=5)
    with pytest.raises(UntoldError, match="the network and its average read the same frames: input has 13 dimensions, 100 a second, target 39, 100"):
        build(input={"deltas": False})
    with pytest.raises(UntoldError, match="span = 400: a training example has 160 steps"):
        build(span=400)
    with pytest.raises(UntoldError, match="clustered = 2: the encoder has 0 layers to cluster"):
        build(encoder="convolutions")  # it names none of its layers
