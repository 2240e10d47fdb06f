"""Masked units: what is named, what counts, what rounds leave alone, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from untold.contract import Batch, Encodes, Learns, Stream, Tokenizes
from untold.driver import Model
from untold.errors import UntoldError
from untold.frontends._frontend import sound_grid
from untold.layers.adaptation import adapted
from untold.methods import masked_reconstruction, masked_units
from untold.methods.masked_units import MaskedUnits

GRID = sound_grid(160)
SMALL: dict[str, Any] = {"components": [8], "encoder": {"width": 16, "layers": 2, "heads": 2, "window": 6, "kernel": 3}, "batch": 4}


def build(**values: Any) -> MaskedUnits:
    torch.manual_seed(0)
    settings = masked_units.Settings().changed({"context": 0, "adaptation": 0.0, **SMALL, **values})
    method = Model("masked_units", settings, {}).method
    assert isinstance(method, MaskedUnits)
    return method


def batch(lengths: tuple[int, ...] = (120, 87), first: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(3)
    values = torch.randn(len(lengths), max(lengths), 39, generator=draw)
    counted = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    x = Stream(values * counted[..., None], torch.tensor(lengths), counted, GRID)
    return Batch({"input": x, "target": x}, {}, torch.arange(len(lengths)), torch.arange(first, first + len(lengths)))


def clustered(method: MaskedUnits, given: Batch) -> MaskedUnits:
    for phase in method.phases():
        if phase.fit is not None:
            for _ in range(3):
                phase.fit.update(phase.fit.statistics(given))
    return method.eval()


def read(method: MaskedUnits, point: str, x: Stream) -> Stream:
    for stage in method.stages(point):
        x = stage.run(x)
    return x


def test_it_is_what_it_says() -> None:
    method = build(rounds=2)
    assert isinstance(method, Learns)
    assert isinstance(method, Encodes)
    assert isinstance(method, Tokenizes)
    assert [phase.name for phase in method.phases()] == ["clusters", "masked", "clusters 2", "masked 2"]
    assert method.points == ("fused", "root_posteriors", "posteriors", "layer2", "layer1", "encoder")


def test_labels_are_the_likeliest_components_of_the_frames_under_a_step() -> None:
    given = batch()
    method = clustered(build(soft=0.0), given)
    (labels,), counted = method.targets(given, 0)
    x = given.streams["target"]
    assert labels.shape == counted.shape == (2, 60, 2)
    alone = method.clusters[0].mixtures[0].log_likelihoods(x.values).argmax(-1)
    assert torch.equal(labels.flatten(1)[1, :87], alone[1, :87])
    assert counted.flatten(1)[1].tolist() == [True] * 87 + [False] * 33


def test_the_first_teacher_sees_frames_with_their_neighbours() -> None:
    given = batch()
    method = clustered(build(rounds=2, clustered=1, context=2, directions=5), given)
    assert [phase.name for phase in method.phases()] == ["frames", "directions", "clusters", "masked", "clusters 2", "masked 2"]
    (shares,), _ = method.targets(given, 0)
    x = given.streams["target"]
    alone = torch.softmax(method.settings.soft * method.clusters[0].mixtures[0].log_likelihoods(method.clusters[0].seen(x).values), -1)
    assert torch.equal(shares.flatten(1, 2)[1, :87], alone[1, :87])


def test_soft_targets_are_shares() -> None:
    given = batch()
    (shares,), _ = clustered(build(soft=0.3), given).targets(given, 0)
    assert shares.shape == (2, 60, 2, 8)
    torch.testing.assert_close(shares.sum(-1), torch.ones(2, 60, 2))


def test_every_label_counts_once_as_masked_or_seen() -> None:
    given = batch()
    losses = clustered(build(starts=0.1), given).losses(given, "0")
    assert int(losses["masked"].count + losses["seen"].count) == 120 + 87
    assert 0 < int(losses["masked"].count) < 207
    everything = clustered(build(starts=1.0), given).losses(given, "0")
    assert (int(everything["masked"].count), int(everything["seen"].count)) == (207, 0)


def test_what_is_masked_is_not_heard() -> None:
    """With everything masked, another sound gives the same answer; the labels differ, the scores do not."""
    given = batch((120,))
    method = clustered(build(starts=1.0), given)
    other = Batch({**given.streams, "input": given.streams["input"].with_values(torch.randn(1, 120, 39))}, {}, given.index, given.keys)
    one, two = (method.losses(one, "0")["masked"].value for one in (given, other))
    assert torch.equal(one, two)
    some = clustered(build(), given)
    assert not torch.equal(some.losses(given, "0")["masked"].value, some.losses(other, "0")["masked"].value)


def test_a_round_teaches_its_own_network_and_no_other() -> None:
    given = batch()
    method = clustered(build(rounds=2, clustered=1, soft=0.0), given)
    for loss in method.losses(given, "1").values():
        loss.value.backward(retain_graph=True)
    assert all(parameter.grad is None for parameter in method.networks[0].parameters())
    assert all(parameter.grad is not None for name, parameter in method.networks[1].named_parameters() if not name.startswith("heads.1"))
    (labels,), counted = method.targets(given, 1)
    assert labels.shape == counted.shape == (2, 60, 1)  # a cluster for each step of the network before


@pytest.mark.parametrize("point", [0, 1, 2])
def test_what_the_next_round_clusters(point: int) -> None:
    given = batch()
    method = build(rounds=2, clustered=point)
    x = method.clustered(given, 1)
    first = method.networks[0]
    if point:
        way = first.encoder.way()
        expected = given.streams["target"]
        for stage in way[: point + 1]:
            expected = stage.run(expected)
        assert torch.equal(x.values, expected.values)
    else:
        assert torch.equal(x.values, first.logits(first.encoder(given.streams["target"]).values)[0].mean(-2))
    assert x.values.shape[-1] == method.clusters[1].mixtures[0].means.shape[1]


def test_posteriors_of_all_teachers_sum_to_one_and_tokens_are_the_first_ones() -> None:
    given = batch()
    method = clustered(build(components=[8, 5]), given)
    shares = read(method, "posteriors", given.streams["input"])
    assert shares.values.shape == (2, 120, 13)  # for each frame, though a step has two
    assert (shares.grid, shares.lengths.tolist()) == (GRID, [120, 88])
    torch.testing.assert_close(shares.values[0].sum(-1), torch.ones(120))
    x = given.streams["input"]
    for stage in method.token_stages():
        x = stage.run(x)
    assert x.values.shape == (2, 60, 1)
    assert method.alphabet == 8
    assert int(x.values.max()) < 8
    assert x.values[1, 44:].eq(-1).all()


@pytest.mark.parametrize(("wanted", "layer"), [(1, "layer1"), (2, "layer2"), (7, "layer2")])
def test_fused_is_the_roots_beside_a_layer_of_a_given_length(wanted: int, layer: str) -> None:
    given = batch()
    method = clustered(build(fused_layer=wanted, fused_weight=0.5), given)
    x = given.streams["input"]
    fused, roots, inner = (read(method, point, x) for point in ("fused", "root_posteriors", layer))
    assert (fused.grid, fused.lengths.tolist()) == (GRID, [120, 88])
    assert torch.equal(fused.values[..., :8], roots.values)
    each = torch.nn.functional.normalize(inner.values, dim=-1).repeat_interleave(2, 1)  # two frames a step
    torch.testing.assert_close(fused.values[..., 8:], 0.5 * each)


def test_without_a_layer_there_is_no_fused_point() -> None:
    assert "fused" not in build(fused_layer=0).points


def test_several_networks_have_teachers_of_their_own_and_are_read_side_by_side() -> None:
    given = batch()
    method = build(networks=2, rounds=2, clustered=1)
    assert [phase.name for phase in method.phases()] == ["clusters", "masked", "clusters 2", "masked 2", "clusters, network 2", "masked, network 2", "clusters 2, network 2", "masked 2, network 2"]
    clustered(method, given)
    assert not torch.equal(method.clusters[0].mixtures[0].means, method.clusters[2].mixtures[0].means)
    x = given.streams["input"]
    for number in (1, 3):
        method.losses(given, str(number))["masked"].value.backward()
        assert [any(p.grad is not None for p in network.parameters()) for network in method.networks] == [False, True, False, number == 3]
    both = {point: read(method, point, x).values for point in method.points}
    torch.testing.assert_close(both["posteriors"][0].sum(-1), torch.ones(60))
    for place, network in enumerate((method.networks[1], method.networks[3])):
        one = build(rounds=2, clustered=1)
        one.networks[1] = network
        for point, share in (("layer2", 1.0), ("posteriors", 0.5), ("fused", 0.5**0.5)):
            torch.testing.assert_close(both[point].chunk(2, -1)[place], share * read(one, point, x).values)
    tokens = x
    for stage in method.token_stages():
        tokens = stage.run(tokens)
    assert torch.equal(tokens.values[0, :, 0], method.networks[1].logits(method.networks[1].encoder(x).values)[0].mean(-2).argmax(-1)[0])


ADAPTED: dict[str, Any] = {"context": 2, "directions": 5, "adaptation": 30.0}


def test_with_adaptation_it_hears_directions_without_the_speaker_beside_frames() -> None:
    given = batch()
    method = clustered(build(components=[8, 4], **ADAPTED), given)
    x = given.streams["input"]
    heard = method.adapted(method.with_directions(x, 0), 0)
    assert torch.equal(heard.values[..., :39], x.values)
    clusters, place = method.clusters[0], 39
    for mixture, part in zip(clusters.mixtures, clusters.parts(clusters.seen(x).values), strict=True):
        expected = adapted(mixture, x.with_values(part), 30.0).values
        assert not torch.allclose(expected, part, atol=0.1)
        torch.testing.assert_close(heard.values[0, :, place : place + part.shape[-1]], expected[0])
        place += part.shape[-1]
    assert place == heard.values.shape[-1] == method.networks[0].hidden.shape[0]
    assert heard.values[1, 87:].eq(0).all()
    expected = method.networks[0].encoder(heard).values
    torch.testing.assert_close(read(method, "encoder", x).values[0], expected[0])


def test_with_adaptation_labels_are_of_directions_without_the_speaker() -> None:
    given = batch()
    method = clustered(build(soft=0.01, **ADAPTED), given)
    (shares,), _ = method.targets(given, 0)
    seen = method.clusters[0].seen(given.streams["target"])
    with_speaker, without = (torch.softmax(0.01 * method.clusters[0].log_likelihoods(one.values)[0], -1) for one in (seen, method.clusters[0].adapted(seen, 30.0, 2, 3)))
    torch.testing.assert_close(shares.flatten(1, 2)[1, :87], without[1, :87])
    assert (shares.flatten(1, 2)[1, :87] - with_speaker[1, :87]).abs().max() > 0.001


def test_with_adaptation_each_network_hears_the_directions_of_its_own_first_teacher() -> None:
    given = batch()
    method = clustered(build(rounds=2, networks=2, clustered=1, **ADAPTED), given)
    x = given.streams["input"]
    for number in range(4):
        directions = method.clusters[number // 2 * 2].seen(x).values
        assert torch.equal(method.with_directions(x, number).values[..., 39:], directions)
        assert method.losses(given, str(number))["masked"].value.isfinite()
    found = method.clustered(given, 3)  # what the network before says of what it hears
    heard = method.adapted(method.with_directions(x, 2), 2, 2, 3)
    for stage in method.networks[2].encoder.way()[:2]:
        heard = stage.run(heard)
    assert torch.equal(found.values, heard.values)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(UntoldError, match=r"components = \(1,\): one or more sizes of 2 to 65536"):
        build(components=[1])
    with pytest.raises(UntoldError, match="clustered = 3: the encoder has 2 layers to cluster"):
        build(rounds=2, clustered=3)
    with pytest.raises(UntoldError, match="must have the same dimensions"):
        build(rounds=2, input={"deltas": False})
    with pytest.raises(UntoldError, match="adaptation is of the directions, which frames without context do not have"):
        build(adaptation=30.0)
    with pytest.raises(UntoldError, match=r"adaptation = 30: .* must have the same dimensions"):
        build(**ADAPTED, input={"deltas": False})
    with pytest.raises(UntoldError, match="span = 400: a training example has 160 steps"):
        build(span=400)


def test_more_components_than_frames_is_one_line() -> None:
    method = build(components=[300])
    with pytest.raises(UntoldError, match="components = 300: there are only 207 frames to begin from, take fewer components"):
        clustered(method, batch())


def test_reconstruction_counts_masked_frames_alone_unless_told_otherwise() -> None:
    settings = masked_reconstruction.Settings().changed({"encoder": SMALL["encoder"], "decoder": {"width": 16}, "starts": 1.0})
    torch.manual_seed(0)
    method = Model("masked_reconstruction", settings, {}).method
    losses = method.losses(batch(), "all")
    assert list(losses) == ["masked"]
    assert int(losses["masked"].count) == 207
    assert method.points == ("layer2", "layer1", "encoder")
    with pytest.raises(UntoldError, match="span = 400: a training example has 160 steps"):
        Model("masked_reconstruction", settings.changed({"span": 400}), {})
