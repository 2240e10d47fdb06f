"""The autoencoder: what its second decoder learns from, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch

from untold.contract import Batch
from untold.corpora import open_source
from untold.methods.autoencoder import Autoencoder
from untold.runs import build, resolve
from untold.settings import parse_assignments
from untold.training.loader import Loader
from untold.training.preparation import adapted_table

from ..sounds import SMALL, write_sounds


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Autoencoder, list[Batch]]:
    folder = tmp_path_factory.mktemp("autoencoder")
    corpus = open_source(str(write_sounds(folder / "sounds")))
    name, settings = resolve("vq_vae", parse_assignments([*SMALL, "sound_phase=0.4", "sound_share=0.5", "input.warp=none", "target.warp=none"]))
    model = build(name, settings, {"speaker": corpus.speakers}, 0)
    table, method = adapted_table(model, corpus, folder / "adapted"), model.method
    assert isinstance(method, Autoencoder)
    return method, [Loader(corpus, model, phase, 0, number, table).batch(0) for number, phase in enumerate(method.phases())]


def test_the_second_decoder_has_a_phase_of_its_own(built: tuple[Autoencoder, list[Batch]]) -> None:
    method, batches = built
    code, sound = method.phases()
    assert (code.name, sound.name) == ("train", "sound")
    assert (code.share, sound.share) == (0.6, 0.4)
    assert (len(batches[0].keys), len(batches[1].keys)) == (6, 3)
    (learns,), (speaks,) = code.players, sound.players
    assert not {id(p) for p in learns.parameters} & {id(p) for p in speaks.parameters}
    assert len(learns.parameters) + len(speaks.parameters) == len(list(method.parameters()))


def test_the_code_stands_still_while_the_second_decoder_learns(built: tuple[Autoencoder, list[Batch]]) -> None:
    method, batches = built
    method.train()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    losses = method.losses(batches[1], "sound")
    assert set(losses) == {"sound"}
    losses["sound"].value.backward()
    taught = {name for name, parameter in method.named_parameters() if parameter.grad is not None}
    assert taught == {f"sound.{name}" for name, _ in method.sound.named_parameters()}
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())  # no statistic, no codeword
    assert method.training
    assert all(module.training for module in method.modules())
    assert "sound" not in method.losses(batches[0], "all")
    assert any(not torch.equal(value, before[name]) for name, value in method.state_dict().items())  # in the first phase they move
