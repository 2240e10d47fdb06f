"""The laws of the house, on every method that is registered: what each capability promises."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from untold import registry
from untold.contract import Batch, Encodes, Fits, Learns, Reconstructs, Recording, Samples, Score, Scores, Tokenizes
from untold.corpora import Corpus
from untold.driver import Model, one_stream
from untold.evaluation._options import TaskOptions
from untold.evaluation.tasks import nats
from untold.frontends import excerpt
from untold.training.loader import Loader, rows
from untold.training.loop import Plan, train
from untold.training.preparation import adapted_table, warp

if TYPE_CHECKING:
    from .conftest import Case

PROTOCOLS = {"Learns": Learns, "Fits": Fits, "Encodes": Encodes, "Tokenizes": Tokenizes, "Reconstructs": Reconstructs, "Samples": Samples, "Scores": Scores}


def trained(case: Case, corpus: Corpus, place: Path, steps: int = 6, seed: int = 0) -> tuple[Model, dict[str, torch.Tensor], dict[str, list[float]]]:
    """A model trained for some steps, its state for use, and its first loss at each step of each phase."""
    model = case.model(corpus, seed)
    warp(model, corpus, seed)
    seen: dict[str, list[float]] = {}
    table = adapted_table(model, corpus, place / "adapted.safetensors")
    state = train(model, corpus, table, seed, Plan(steps=steps), place / "resume", lambda told: seen.setdefault(told["phase"], []).append(next(iter(told["losses"].values()))[0]))
    model.load_state_dict(state)
    return model.eval(), state, seen


def skip_what_is_not_trained(case: Case, corpus: Corpus) -> None:
    """A frozen checkpoint: there is nothing to hold these laws against."""
    if not case.model(corpus).method.phases():
        pytest.skip("is taken as it is, nothing is trained")


def test_what_a_method_claims_it_can_do(case: Case, tiny: Corpus) -> None:
    claimed = set(registry.literals("methods", case.name)["CAPABILITIES"])
    can = {name for name, protocol in PROTOCOLS.items() if isinstance(case.model(tiny).method, protocol)}
    assert claimed == can
    assert registry.literals("methods", case.name)["summary"].endswith((".", ":"))


def test_learning_lowers_the_loss(case: Case, tiny: Corpus, tmp_path: Path) -> None:
    skip_what_is_not_trained(case, tiny)
    phases = case.model(tiny).method.phases()
    _, _, seen = trained(case, tiny, tmp_path, steps=40 * max(1, sum(bool(phase.players) for phase in phases)))
    assert list(seen) == [phase.name for phase in phases]
    for phase in phases:
        losses = seen[phase.name]
        if phase.fit is not None:
            assert all(b <= a + 1e-6 * abs(a) for a, b in pairwise(losses))
        assert (phase.fit is not None and phase.passes == 1) or np.mean(losses[-3:]) < np.mean(losses[:2])


def test_same_seed_same_weights_and_another_seed_others(case: Case, tiny: Corpus, tmp_path: Path) -> None:
    skip_what_is_not_trained(case, tiny)
    _, one, _ = trained(case, tiny, tmp_path / "1", steps=3)
    _, two, _ = trained(case, tiny, tmp_path / "2", steps=3)
    _, three, _ = trained(case, tiny, tmp_path / "3", steps=3, seed=1)
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], three[key]) for key in one)


def test_resumed_equals_uninterrupted(case: Case, tiny: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_what_is_not_trained(case, tiny)
    _, whole, _ = trained(case, tiny, tmp_path / "whole", steps=4)
    monkeypatch.setattr("untold.training.checkpoint.Clock.due", lambda clock: True)

    class Killed(Exception):
        pass

    model = case.model(tiny)
    warp(model, tiny, 0)
    table = adapted_table(model, tiny, tmp_path / "adapted.safetensors")

    def kill(told: dict[str, object]) -> None:
        if told["step"] == 3:
            raise Killed

    with pytest.raises(Killed):
        train(model, tiny, table, 0, Plan(steps=4), tmp_path / "resume", kill)
    again = case.model(tiny)
    warp(again, tiny, 0)
    state = train(again, tiny, table, 0, Plan(steps=4), tmp_path / "resume", lambda told: None)
    assert all(torch.equal(whole[key], state[key]) for key in whole)


def test_gradient_reaches_every_parameter_of_its_player_and_no_other(case: Case, tiny: Corpus, tmp_path: Path) -> None:
    model = case.model(tiny)
    if not isinstance(model.method, Learns):
        pytest.skip("learns without gradients")
    table = adapted_table(model, tiny, tmp_path / "adapted.safetensors")
    for number, phase in enumerate(model.method.phases()):
        batch = Loader(tiny, model, phase, 0, number, table).batch(0)
        for player in phase.players:
            model.train().zero_grad()
            torch.stack([loss.value for loss in model.method.losses(batch, player.name).values()]).sum().backward()
            own = {id(p) for p in player.parameters}
            reached = {name for name, p in model.method.named_parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)}
            expected = {name for name, p in model.method.named_parameters() if id(p) in own}
            assert reached == expected


def test_chunks_equal_the_whole(case: Case, tiny: Corpus, tmp_path: Path) -> None:
    model, *_ = trained(case, tiny, tmp_path, steps=2)
    recording = tiny[2]
    for point in model.points:
        whole = np.concatenate(list(model.chunks(recording, point, steps=10**6)))
        for steps in (7, 20):
            parts = list(model.chunks(recording, point, steps=steps))
            assert len(parts) > 1  # also where a stage needs the whole
            np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5, rtol=1e-5)
        assert np.isfinite(whole).all()
        assert model.grid(point).start(len(whole)) >= float(recording.length) - 1.1 / float(model.fronts[model.method.reads].grid.rate)


def test_alone_equals_in_a_padded_batch(case: Case, tiny: Corpus, tmp_path: Path) -> None:
    model, *_ = trained(case, tiny, tmp_path, steps=2)
    numbers = [0, 2, 3]
    batch = batch_of(model, tiny, tmp_path, numbers)
    for point in model.points:
        together = batch.streams[model.method.reads]
        with torch.no_grad():
            for stage in model.stages(point):
                together = stage.run(together)
        for row, number in enumerate(numbers):
            alone = model.features(tiny[number], point).values
            assert len(alone) == int(together.lengths[row])
            np.testing.assert_allclose(together.values[row, : len(alone)].numpy(), alone, atol=2e-5, rtol=1e-4)
    assert one_stream(torch.zeros(3, 2), batch.streams[model.method.reads].grid).counted.all()


def test_tokens_lie_in_the_alphabet_and_are_found_again(case: Case, tiny: Corpus, tmp_path: Path) -> None:
    model, *_ = trained(case, tiny, tmp_path, steps=3)
    if not model.alphabet:
        with pytest.raises(Exception, match="untold codebook"):
            model.units(tiny[0])
        return
    units = model.units(tiny[0])
    assert units.tokens.min() >= 0
    assert units.tokens.max() < model.alphabet
    vectors = model.method.lookup(torch.from_numpy(units.tokens)[None])
    assert vectors.shape[:2] == (1, len(units.tokens))
    first, second = np.flatnonzero(units.tokens == units.tokens[0])[[0, -1]]
    assert torch.equal(vectors[0, first], vectors[0, second])
    assert np.array_equal(model.units(tiny[0]).tokens, units.tokens)  # nothing is kept between recordings
    model.units(tiny[1])
    assert np.array_equal(model.units(tiny[0]).tokens, units.tokens)


def test_reconstruction_uses_the_latents(case: Case, tiny: Corpus, tmp_path: Path) -> None:
    if not isinstance(case.model(tiny).method, Reconstructs):
        pytest.skip("reconstructs nothing")
    model, *_ = trained(case, tiny, tmp_path, steps=120)
    use = {score.conventions["latents"]: score.value for score in nats_of(model, list(tiny))}
    assert all(np.isfinite(list(use.values())))
    assert use["true"] < use["shuffled"]


def test_what_is_drawn_from_latents_has_the_shape_of_the_target_in_any_company(case: Case, tiny: Corpus, tmp_path: Path) -> None:
    if not isinstance(case.model(tiny).method, Reconstructs):
        pytest.skip("reconstructs nothing")
    model, *_ = trained(case, tiny, tmp_path)
    method: Any = model.method

    def drawn(numbers: list[int], keys: list[int]) -> list[np.ndarray]:
        batch = batch_of(model, tiny, tmp_path, numbers)
        density: Any = method.decode(method.latents(batch), batch.sides)
        target, out = batch.streams[method.target], density.sample(torch.tensor(keys))
        assert out.shape[2:] == target.values.shape[2:]
        assert out.isfinite().all()
        return [row[:length].numpy() for row, length in zip(out, target.lengths.tolist(), strict=True)]

    with torch.no_grad():
        some, alone, other = drawn([0, 3, 1], [5, 6, 7]), drawn([1], [7]), drawn([1], [8])
    assert [len(row) for row in some] == batch_of(model, tiny, tmp_path, [0, 3, 1]).streams[method.target].lengths.tolist()
    np.testing.assert_allclose(alone[0], some[2], atol=1e-4)
    assert not np.allclose(alone[0], other[0], atol=1e-4)


def test_nats_do_not_depend_on_the_order(case: Case, tiny: Corpus, tmp_path: Path) -> None:
    if not isinstance(case.model(tiny).method, Scores | Reconstructs):
        pytest.skip("gives no likelihood")
    model, *_ = trained(case, tiny, tmp_path)
    there, back = nats_of(model, list(tiny)), nats_of(model, list(tiny)[::-1])
    assert there[0].value == pytest.approx(back[0].value, rel=1e-5)
    assert np.isfinite(there[0].value)


def test_samples_are_those_of_their_keys_in_any_company(case: Case, tiny: Corpus, tmp_path: Path) -> None:
    if not isinstance(case.model(tiny).method, Samples):
        pytest.skip("makes nothing of its own")
    model, *_ = trained(case, tiny, tmp_path)
    method: Any = model.method

    def drawn(*keys: int, steps: int = 700) -> np.ndarray:
        sides = {side: torch.ones(len(keys), dtype=torch.int64) for side in model.sides}
        with torch.no_grad():
            return np.concatenate(list(method.draw(steps, sides, torch.tensor(keys))), 1)

    some = drawn(5, 6, 7)
    assert some.shape == (3, 700)
    assert np.array_equal(drawn(7, 5), some[[2, 0]])
    assert not np.array_equal(some[0], some[1])
    assert np.array_equal(drawn(6, steps=300)[0], some[1, :300])


def batch_of(model: Model, corpus: Corpus, place: Path, numbers: list[int]) -> Batch:
    """Whole recordings, as they are read in use."""
    table = adapted_table(model, corpus, place / "adapted.safetensors")
    signals = [corpus[i].signal for i in numbers]
    given = excerpt(signals, [0] * len(numbers), [s.steps for s in signals], model.margin)
    sides = model.side_indices([corpus[i] for i in numbers])
    return model.batch(given, rows(table, numbers, model.device()), sides, torch.tensor(numbers), None)


def nats_of(model: Model, recordings: list[Recording]) -> list[Score]:
    """The rows of the task."""
    subject: Any = SimpleNamespace(name="it", model=model)
    return nats.measure(subject, recordings, TaskOptions())
