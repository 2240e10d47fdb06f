"""The recipes that carry a paper's name have its sizes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from untold import runs
from untold.training.loop import rate


def test_paper_has_the_sizes_of_the_paper() -> None:
    name, settings = runs.resolve("paper", {})
    method = runs.build(name, settings, {"speaker": ["a", "b"]}, 0).method
    decoder, encoder = method.decoder, method.encoder
    assert (encoder.dimensions, 2 * encoder.reach + encoder.stride) == (768, 16)  # 16 frames of 25 ms every 10 ms: 175 ms
    assert [tuple(p.shape[1:]) for p in encoder.parameters() if p.dim() == 3] == [(39, 3), (768, 3), (768, 4), (768, 3), (768, 3), *[(768, 1)] * 4]
    assert (method.bottleneck.alphabet, method.bottleneck.dimensions) == (2**14, 64)
    assert method.ratio == 320
    assert (len(decoder.dilations), max(decoder.dilations), decoder.receptive_field) == (20, 512, 2047)
    assert tuple(decoder.residual.shape) == (20, 368, 368)
    assert tuple(decoder.skip.shape) == (20, 368, 256)
    assert (decoder.head.out_features, decoder.last.out_features, decoder.classes) == (256, 256, 256)
    (phase,) = method.phases()
    assert (phase.batch, phase.crop * 16000) == (64, 5120)
    assert round(settings.window * 16000) == 5120  # type: ignore[attr-defined]
    (player,) = phase.players
    assert [rate(player, step, 10**6) for step in (1000, 400_000, 600_000, 800_000)] == [4e-4, 2e-4, 1e-4, 5e-5]
    assert set(map(id, player.parameters)) == set(map(id, method.parameters()))


def test_rates_of_a_paper_fall_as_its_schedule_says_even_where_training_is_longer() -> None:
    (phase,) = runs.build("wavenet", runs.resolve("wavenet", {})[1], {}, 0).method.phases()
    player = replace(phase.players[0], learning_rate=1.0, warm_up=0, constant=1.0, halved_at=(10, 20))
    assert [rate(player, step, None) for step in (0, 9, 10, 19, 20, 30)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert phase.crop == Fraction(8, 25)
