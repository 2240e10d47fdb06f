"""The WaveNet: gradients, densities that add up to one, and sampling that is the full network's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from untold.contract import Conditions, Grid, Stream
from untold.decoders import _walk, wavenet
from untold.decoders.wavenet import Settings, WaveNet, build, logistics
from untold.errors import UntoldError
from untold.layers.dilated import stack

SAMPLES = Grid("second", Fraction(16000), Fraction(1, 32000))
CLASSES = SimpleNamespace(grid=SAMPLES, classes=256, dimensions=1)
VALUES = SimpleNamespace(grid=SAMPLES, dimensions=1)
SMALL = Settings(channels=16, skips=16, cycles=2, layers=5, head=32, components=3, side_dimensions=4)


def stream(values: torch.Tensor) -> Stream:
    return Stream(values, torch.tensor([values.shape[1]] * len(values)), torch.ones(values.shape[:2], dtype=torch.bool), SAMPLES)


def given(latents: torch.Tensor | None, speakers: list[int]) -> Conditions:
    return Conditions({} if latents is None else {"latents": stream(latents)}, {"speaker": torch.tensor(speakers)})


def decoder(target: object = CLASSES, dimensions: int = 6, ratio: int = 320) -> WaveNet:
    torch.manual_seed(1)
    return build(SMALL, dimensions, target, ratio, {"speaker": 3})


def plainly(x, conditions, past, present, residual, skip, dilations):
    """The stack as it is written in the paper."""
    hold, out, channels = x.shape[1] // conditions.shape[1], 0, x.shape[2]
    for n, dilation in enumerate(dilations):
        before = functional.pad(x, (0, 0, dilation, 0))[:, : x.shape[1]]
        u = x @ present[n] + before @ past[n] + conditions[:, :, n].repeat_interleave(hold, 1)
        g = torch.tanh(u[..., :channels]) * torch.sigmoid(u[..., channels:])
        out, x = out + g @ skip[n], x + g @ residual[n]
    return out


def test_the_stack_and_its_gradients_are_those_of_autograd() -> None:
    draw = torch.Generator().manual_seed(0)
    shapes = ((2, 24, 4), (2, 6, 4, 8), (4, 4, 8), (4, 4, 8), (4, 4, 4), (4, 4, 3))
    parts = [torch.randn(shape, generator=draw, dtype=torch.float64).requires_grad_() for shape in shapes]
    dilations = (1, 2, 16, 32)  # the last reaches beyond the beginning
    ours, theirs = stack(*parts, dilations), plainly(*parts, dilations)
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
    weights = torch.randn(ours.shape, generator=draw, dtype=torch.float64)
    for one, other in zip(torch.autograd.grad((ours * weights).sum(), parts), torch.autograd.grad((theirs * weights).sum(), parts), strict=True):
        torch.testing.assert_close(one, other, atol=1e-11, rtol=1e-11)
    with torch.no_grad():
        torch.testing.assert_close(stack(*parts, dilations), theirs.detach(), atol=1e-12, rtol=1e-12)


def test_no_examples_are_no_loss_and_no_gradient() -> None:
    net = decoder()
    x = Stream(torch.zeros(0, 640, 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 640, dtype=torch.bool), SAMPLES)
    nats = net(Conditions({"latents": stream_of_none(2, 6)}, {"speaker": torch.zeros(0, dtype=torch.int64)})).log_prob(x).sum()
    nats.backward()
    assert float(nats.detach()) == 0
    assert all(p.grad is None or not p.grad.any() for p in net.parameters())


def stream_of_none(steps: int, dimensions: int) -> Stream:
    return Stream(torch.zeros(0, steps, dimensions), torch.zeros(0, dtype=torch.int64), torch.zeros(0, steps, dtype=torch.bool), SAMPLES)


def test_a_sample_depends_on_the_past_as_far_as_the_receptive_field_and_on_nothing_after() -> None:
    net = decoder()
    assert net.receptive_field == 1 + 2 * 31
    x = torch.randint(0, 256, (1, 320))
    conditions = net(given(torch.randn(1, 1, 6), [1])).conditions
    base = net.scores(x, conditions)
    for at in (100, 250):
        changed = x.clone()
        changed[0, at] = (x[0, at] + 99) % 256
        moved = (net.scores(changed, conditions) - base).abs().amax(-1)[0] > 0
        # a sample is heard from the next one on
        assert moved.nonzero().min() == at + 1
        assert moved.nonzero().max() <= at + net.receptive_field


def predicting(order: int = 8, longest: int = 0) -> WaveNet:
    torch.manual_seed(1)
    net = build(replace(SMALL, prediction=order, longest_period=longest), 6, VALUES, 320, {"speaker": 3})
    with torch.no_grad():
        net.predictor[2].weight.mul_(3)  # type: ignore[index, operator, union-attr]
    return net


def seeking() -> WaveNet:
    return predicting(longest=100)


@pytest.mark.parametrize("kind", ["classes", "values", "left", "periods"])
@pytest.mark.parametrize("rows", [1, 3, 5])
def test_cached_sampling_says_what_the_full_network_says(rows: int, kind: str) -> None:
    net = {"classes": decoder, "values": lambda: decoder(VALUES), "left": predicting, "periods": seeking}[kind]()
    latents, x = torch.randn(rows, 4, 6), torch.randint(0, 256, (rows, 1280)) if kind == "classes" else 0.4 * torch.rand(rows, 1280) - 0.2
    density = net(given(latents, [n % 3 for n in range(rows)]))
    with torch.no_grad():
        wanted = net.scores(x, density.conditions, net.predicted(x, density.filters)).numpy()
    for exact, near in ((True, 1e-5), (False, 2e-5)):
        walker = density.walker(rows, exact)
        said = []
        for start in (0, 640):  # in pieces: the state goes on
            part = density.part(start // 320, start // 320 + 2)
            told = part.conditions.detach().numpy(), part.filters.detach().numpy()
            said.append(walker.go_on(*told, 320, start, np.zeros((rows, 640, 2), np.float32), forced=x[:, start : start + 640].numpy(), scores=True)[1])
        assert np.abs(np.concatenate(said, 1) - wanted).max() < near


def test_a_predictor_is_the_recursion_of_its_reflections_and_is_stable() -> None:
    net, told = predicting(), torch.randn(2, 3, 10)
    filters = net.filters(told).detach().double()
    assert filters.shape == (2, 3, 9)
    for row in filters.flatten(0, 1):
        roots = np.roots([1, *(-row[:8]).tolist()])
        assert np.abs(roots).max() < 1
    x = torch.rand(2, 960) - 0.5
    predicted, gain = net.predicted(x, filters.float())
    for at in (0, 5, 319, 320, 700):
        past = [x[1, at - k - 1] if at > k else 0.0 for k in range(8)]
        assert float(predicted[1, at]) == pytest.approx(sum(float(a) * float(b) for a, b in zip(filters[1, at // 320], past, strict=False)), abs=1e-5)
        assert float(gain[1, at]) == pytest.approx(float(filters[1, at // 320, 8].exp()), rel=1e-5)


def test_what_is_drawn_around_a_prediction_is_the_density_that_is_scored() -> None:
    net = predicting(2)
    with torch.no_grad():
        for part in (net.predictor[2], net.last):  # type: ignore[index, union-attr]
            part.weight.zero_()  # type: ignore[operator, union-attr]
        net.predictor[2].bias.copy_(torch.tensor([0.9, -0.6, 0.5]))  # type: ignore[index, operator, union-attr]
        net.last.bias.copy_(torch.tensor([0.0, 0.0, -50, 0.0, 1.0, 0.0, -1.0, -0.5, 0.0]))
        drawn = net(given(torch.randn(6, 20, 6), [0] * 6)).sample(torch.arange(6))[..., 0].double()
        coefficients = net.filters(torch.zeros(1, 1, 10))[0, 0].double()
    left = (drawn[:, 2:] - coefficients[0] * drawn[:, 1:-1] - coefficients[1] * drawn[:, :-2]) / coefficients[2].exp()
    ordered = left.flatten().sort().values
    wanted = 0.5 * torch.sigmoid(ordered / np.exp(-1.0)) + 0.5 * torch.sigmoid((ordered - 1) / np.exp(-0.5))
    assert float((wanted - torch.linspace(0, 1, len(ordered), dtype=torch.float64)).abs().max()) < 0.015  # Kolmogorov and Smirnov


def test_fast_gates_are_near_the_exact_ones() -> None:
    x = np.linspace(-12, 12, 100_001).astype(np.float32)
    assert max(abs(float(_walk.fast_tanh(v)) - np.tanh(float(v))) for v in x[::7]) < 3e-7


@pytest.mark.parametrize("make", [decoder, predicting, seeking])
def test_samples_are_the_same_whatever_the_batch_and_the_threads(make: Callable[[], WaveNet]) -> None:
    net, latents, keys = make(), torch.randn(5, 11, 6), torch.arange(5)
    whole = net(given(latents, [0, 1, 2, 0, 1])).sample(keys)
    assert whole.shape == (5, 11 * 320, 1)
    assert len(whole.unique()) > 20
    for row in (0, 3):
        alone = net(given(latents[row : row + 1], [row % 3])).sample(keys[row : row + 1])
        assert torch.equal(alone[0], whole[row])
    again = net(given(latents, [0, 1, 2, 0, 1]))
    walker = again.walker(5)
    halves = [again.part(0, 10), again.part(10, 11)]
    pieces = [piece for half in halves for piece in half.pieces(keys, walker=walker)]
    assert np.array_equal(np.concatenate(pieces, 1), whole[..., 0].numpy())


def test_drawn_classes_follow_the_softmax() -> None:
    net = decoder()
    with torch.no_grad():
        net.last.weight.zero_()
        net.last.bias.copy_(torch.randn(256))
        net.last.bias[7] = 4
    drawn = net(given(torch.randn(40, 2, 6), [0] * 40)).sample(torch.arange(40))
    found = torch.bincount(drawn.flatten(), minlength=256) / drawn.numel()
    wanted = torch.softmax(net.last.bias.detach(), 0)
    assert float((found - wanted).abs().max()) < 5 * float((wanted.max() / drawn.numel()) ** 0.5)
    cold = net(given(torch.randn(4, 2, 6), [0] * 4)).sample(torch.arange(4), temperature=0.05)
    assert (cold == wanted.argmax()).all()


def test_logistics_are_masses_that_add_up_to_one_and_are_drawn_so() -> None:
    torch.manual_seed(2)
    parameters = torch.cat([torch.randn(3), 0.4 * torch.randn(3), torch.tensor([-2.0, -3.5, -5.0])]).double()
    values = torch.linspace(-1, 1, 65536, dtype=torch.float64)
    mass = logistics(parameters.expand(65536, -1), values).exp()
    assert float(mass.sum()) == pytest.approx(1, abs=1e-6)
    net = decoder(VALUES)
    with torch.no_grad():
        net.last.weight.zero_()
        net.last.bias.copy_(parameters.float())
    drawn = net(given(torch.randn(20, 4, 6), [0] * 20)).sample(torch.arange(20)).flatten().double()
    ordered = drawn.sort().values
    below = torch.searchsorted(values, ordered).clamp(max=65535)
    assert float((mass.cumsum(0)[below] - torch.linspace(0, 1, len(ordered), dtype=torch.float64)).abs().max()) < 0.015  # Kolmogorov and Smirnov


def test_nats_are_finite_masked_and_of_the_target() -> None:
    values = torch.rand(2, 600, 1) * 2 - 1
    for net, x in ((decoder(), torch.randint(0, 256, (2, 600, 1))), (decoder(VALUES), values), (predicting(), values), (seeking(), values)):
        density = net(given(torch.randn(2, 2, 6), [1, 2]))
        whole = stream(x)
        counted = whole.counted.clone()
        counted[1, 300:] = False
        nats = density.log_prob(Stream(x, torch.tensor([600, 300]), counted, SAMPLES))
        assert nats.shape == (2, 600)
        assert torch.isfinite(nats).all()
        assert (nats[1, 300:] == 0).all()
        assert (nats[0] < 0).all()


@pytest.mark.parametrize("make", [decoder, predicting, seeking])
def test_long_recordings_score_in_parts_as_they_do_whole(make: Callable[[], WaveNet], monkeypatch: pytest.MonkeyPatch) -> None:
    net = make()
    x = stream(torch.randint(0, 256, (2, 3100, 1)) if net.classes else 0.1 * torch.rand(2, 3100, 1) - 0.05)
    for conditions in (given(torch.randn(2, 10, 6), [1, 2]), given(torch.randn(2, 1, 6), [1, 2])):
        with torch.no_grad():
            whole = net(conditions).log_prob(x)
            monkeypatch.setattr(wavenet, "_AT_ONCE", 700)
            parts = net(conditions).log_prob(x)
            monkeypatch.undo()
        torch.testing.assert_close(parts, whole, atol=1e-4, rtol=1e-4)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(UntoldError, match="channels = 20: a multiple of 16"):
        build(Settings(channels=20), 6, CLASSES, 320, {})
    with pytest.raises(UntoldError, match="prediction = 8: a sum of past samples"):
        build(replace(SMALL, prediction=8), 6, CLASSES, 320, {})
    with pytest.raises(UntoldError, match="longest_period = 400: what came a period ago"):
        build(replace(SMALL, longest_period=400), 6, VALUES, 320, {})
    with pytest.raises(UntoldError, match="longest_period = 20: 32 samples or more"):
        build(replace(SMALL, prediction=8, longest_period=20), 6, VALUES, 320, {})
    with pytest.raises(UntoldError, match="mulaw or waveform"):
        build(Settings(), 6, SimpleNamespace(grid=Grid("second", Fraction(100), Fraction(1, 200)), dimensions=39), 2, {})
