"""The mixture as a method: rows that sum to one, units that are the likeliest, and chunks that do not show."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from sklearn.metrics import homogeneity_score

from untold.contract import Batch, Encodes, Fits, Stream, Tokenizes, total
from untold.errors import UntoldError
from untold.frontends._frontend import sound_grid
from untold.layers import posteriors
from untold.methods import mixture

GRID = sound_grid(160)


def stream(lengths=(300, 280), dimensions=6, seed=0):
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(len(lengths), max(lengths), dimensions, generator=draw)
    counted = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return Stream(values * counted[..., None], torch.tensor(lengths), counted, GRID)


def batch(x, first=0):
    count = len(x.lengths)
    return Batch({"input": x}, {}, torch.arange(count), torch.arange(first, first + count))


def build(dimensions=6, **values):
    return mixture.build(mixture.Settings().changed({"components": 16, "context": 0, **values}), {"input": SimpleNamespace(dimensions=dimensions)}, {})


def fit(method, given, passes=5):
    for phase in method.phases():
        for _ in range(min(passes, phase.passes)):
            phase.fit.update(phase.fit.statistics(given))


def fitted(x=None, passes=5, **values):
    method = build(**values)
    fit(method, batch(stream() if x is None else x), passes)
    return method


def run(stages, x):
    for stage in stages:
        x = stage.run(x)
    return x


def test_it_is_what_it_says():
    method = build()
    assert isinstance(method, Encodes)
    assert isinstance(method, Tokenizes)
    (phase,) = method.phases()
    assert isinstance(phase.fit, Fits)
    assert (phase.name, phase.passes, phase.frames) == ("mixture", 20, 300_000)
    parts = build(context=2, directions=5).phases()
    assert [(phase.name, phase.passes) for phase in parts] == [("frames", 20), ("directions", 1), ("mixture", 20)]


def test_too_many_directions_are_refused_and_there_are_fewer_than_components():
    with pytest.raises(UntoldError, match="directions = 19: a frame of 6 numbers with 1 frames on either side has 18"):
        build(context=1, directions=19, components=64)
    assert build(context=1, directions=18, components=8).mixture.means.shape == (8, 7)


def test_neighbours_make_up_for_noise():
    """Two kinds of sound that last for fifteen frames, in noise: with its neighbours a frame is named rightly more often."""
    draw = torch.Generator().manual_seed(0)
    kind = (torch.rand(1, 300, generator=draw) < 0.5).repeat_interleave(15, 1)
    values = torch.where(kind, 0.7, -0.7)[..., None] + torch.randn(1, 4500, 2, generator=draw)
    x = Stream(values, torch.tensor([4500]), torch.ones(1, 4500, dtype=torch.bool), GRID)
    right = {}
    for context in (0, 3):
        method = fitted(x, 20, dimensions=2, components=2, context=context, directions=1)
        same = float((run(method.token_stages(), x).values[..., 0] == kind.long()).float().mean())
        right[context] = max(same, 1 - same)
    assert right[3] > right[0] + 0.02


def test_posteriors_sum_to_one_and_their_roots_have_length_one():
    method, x = fitted(), stream((90, 41), seed=4)
    posteriors, roots = (run(method.stages(point), x).values for point in ("posteriors", "root_posteriors"))
    assert torch.allclose(posteriors.sum(-1), torch.ones(2, 90), atol=1e-5)
    assert torch.allclose(roots.square(), posteriors, atol=1e-6)


def test_smoothing_is_one_two_one_with_the_ends_repeated():
    x = Stream(torch.tensor([[[4.0], [8.0], [0.0], [99.0]]]), torch.tensor([3]), torch.tensor([[True, True, True, False]]), GRID)
    assert posteriors.smooth(x).values[0, :3, 0].tolist() == [5.0, 5.0, 2.0]


def test_alone_equals_in_a_padded_batch_and_chunks_the_whole():
    method, x = fitted(), stream((90, 41), seed=5)
    short = Stream(x.values[1:, :41], x.lengths[1:], x.counted[1:, :41], GRID)
    for stages in (method.stages("root_posteriors"), method.token_stages()):
        batched, alone = run(stages, x).values, run(stages, short).values
        assert torch.allclose(batched[1, :41].double(), alone[0].double(), atol=1e-6)
        part = Stream(x.values[:1, 20:52], torch.tensor([32]), x.counted[:1, 20:52], GRID)
        assert torch.allclose(run(stages, part).values[0, 1:-1].double(), batched[0, 21:51].double(), atol=1e-6)


def test_units_are_the_likeliest_components_and_none_beyond_the_end():
    method, x = fitted(), stream((90, 41), seed=6)
    tokens = run(method.token_stages(), x).values
    assert tokens.shape == (2, 90, 1)
    assert (tokens[1, 41:] == -1).all()
    hard = method.mixture.log_likelihoods(x.values).argmax(-1)
    assert torch.equal(tokens[0, :, 0], hard[0])
    vectors = method.lookup(tokens[..., 0])
    assert torch.equal(vectors[0, 0], method.mixture.means[tokens[0, 0, 0]])
    assert (vectors[1, 41:] == 0).all()


def test_padding_is_not_learnt_from_and_parts_sum_to_the_whole():
    x = stream((300, 100, 200))
    method = fitted(x, 1)
    part = method.phases()[0].fit
    whole = part.statistics(batch(x))
    rows = [Stream(x.values[i : i + 1], x.lengths[i : i + 1], x.counted[i : i + 1], GRID) for i in range(3)]
    parts = total(part.statistics(batch(row, i)) for i, row in enumerate(rows))
    assert float(whole["count"]) == 600
    for key, value in whole.items():
        assert torch.allclose(value, parts[key], rtol=1e-5, atol=1e-3)


def test_the_means_begin_at_frames_that_do_not_depend_on_the_order():
    x = stream((300, 300), seed=3)
    turned = Stream(x.values.flip(0), x.lengths.flip(0), x.counted.flip(0), GRID)
    one, two = build(), build()
    one.phases()[0].fit.statistics(batch(x))
    two.phases()[0].fit.statistics(Batch({"input": turned}, {}, torch.tensor([1, 0]), torch.tensor([1, 0])))
    assert torch.equal(one.mixture.means, two.mixture.means)
    assert all(any(torch.equal(mean, frame) for frame in x.values.flatten(0, 1)) for mean in one.mixture.means)


def test_it_goes_on_between_passes():
    given, whole, parted = batch(stream()), build(), build()
    fit(whole, given, 4)
    fit(parted, given, 2)
    again = build()
    again.load_state_dict(parted.state_dict())
    fit(again, given, 2)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])


def test_more_components_than_frames_is_refused():
    with pytest.raises(UntoldError, match="components = 4000: there are only 580 frames"):
        fit(build(components=4000), batch(stream()))


def of_speakers(count=6, frames=600):
    """Frames of a few kinds of sound, as each of some speakers says them."""
    draw = torch.Generator().manual_seed(0)
    means = 2.5 * torch.randn(8, 6, generator=draw)
    own = torch.eye(6) + 0.25 * torch.randn(count, 6, 6, generator=draw)
    kinds = torch.randint(8, (count, frames // 6), generator=draw).repeat_interleave(6, 1)
    values = means[kinds] + 0.7 * torch.randn(count, frames, 6, generator=draw)
    counted = torch.ones(count, frames, dtype=torch.bool)
    plain, said = (Stream(x, torch.full((count,), frames), counted, GRID) for x in (values, values @ own + 0.8 * torch.randn(count, 1, 6, generator=draw)))
    return plain, said, kinds


def test_what_is_a_speakers_own_is_taken_out():
    plain, said, kinds = of_speakers()
    found = {}
    for adaptation in (0.0, 20.0):
        method = build(components=8, context=1, directions=5, adaptation=adaptation)
        fit(method, batch(plain), 20)
        found[adaptation] = homogeneity_score(kinds.flatten(), run(method.token_stages(), said).values.flatten())
    assert found[20.0] > found[0.0] + 0.05


def test_a_recording_that_is_adapted_to_is_read_whole():
    method = build(components=8, context=1, directions=5, adaptation=20.0)
    assert {stage.point: stage.reach for stage in method.stages("posteriors")} == {"with_speaker": (1, 1), "directions": "whole", "soft": (0, 0), "posteriors": (1, 1)}
    with pytest.raises(UntoldError, match="adaptation is of the directions"):
        build(adaptation=20.0)


def test_several_mixtures_stand_side_by_side_and_units_are_of_the_first():
    x = stream()
    one, three = (fitted(x, context=1, directions=5, components=sizes) for sizes in (16, [16, 16, 4]))
    assert three.alphabet == 16
    assert torch.equal(run(one.token_stages(), x).values, run(three.token_stages(), x).values)
    alone, together = (run(method.stages("posteriors"), x).values for method in (one, three))
    assert together.shape == (*alone.shape[:-1], 36)
    torch.testing.assert_close(3 * together[..., :16], alone)
    torch.testing.assert_close(together.sum(-1)[x.counted], torch.ones(580))
    assert not torch.allclose(together[..., :16], together[..., 16:32], atol=0.01)  # the same size, begun elsewhere
    assert run(three.stages("directions"), x).values.shape[-1] == 5 + 5 + 3


def test_each_of_several_mixtures_adapts_its_own_directions():
    x = stream()
    one, two = (fitted(x, context=1, directions=5, components=sizes, adaptation=50.0) for sizes in (8, [8, 6]))
    alone, together = (run(method.stages("directions"), x).values for method in (one, two))
    torch.testing.assert_close(together[..., :5], alone)


def test_a_mixture_of_one_is_refused():
    with pytest.raises(UntoldError, match=r"components = \(16, 1\): one or more sizes of 2 to 65536"):
        build(components=[16, 1])
