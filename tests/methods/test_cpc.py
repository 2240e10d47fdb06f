"""Contrastive prediction: the fast loss against a loop over every step and negative, and what must not leak."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from untold import runs
from untold.cli import main
from untold.contract import Batch, Stream
from untold.errors import UntoldError
from untold.frontends._frontend import sound_grid
from untold.layers import negatives
from untold.methods import cpc

from ..sounds import sets, write_sounds

SMALL = {
    "encoder": {"width": 12, "dense": 1, "stack": 1}, "context_dimensions": 12, "heads": 2, "steps": 4, "first_step": 2, "drawn": 9, "batch": 4, "predicted": "heard",
    "input": {"warp": "none"}, "temperature": 0.3,
}  # fmt: skip


def built(**changes):
    return runs.build("cpc", cpc.Settings().changed({**SMALL, **changes}), {"speaker": ["a", "b"]}, 0).method


def batch(lengths=(30, 21, 30, 5), speakers=(1, 2, 1, 0)):
    draw = torch.Generator().manual_seed(1)
    counted = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    values = torch.randn(len(lengths), max(lengths), 13, generator=draw) * counted[..., None]
    x = Stream(values, torch.tensor(lengths), counted, sound_grid(160))
    count = len(lengths)
    return Batch({"input": x}, {"speaker": torch.tensor(speakers)}, torch.arange(count), torch.arange(count) + 9)


def in_a_loop(method, given):
    """The mean loss, and the share of steps that are missed, one prediction and one negative after the other."""
    settings = method.settings
    z = method.encoder(given.streams["input"])
    p = method.predictor(method.context(z).values)  # of all steps: what comes after a step does not change its prediction
    drawn = negatives.draw(z, given.keys, given.sides["speaker"], settings.negatives, settings.drawn)
    lost, missed = [], []
    for row in range(len(z.lengths)):
        for t in range(int(z.lengths[row]) - settings.first_step - settings.steps + 1):
            for k in range(settings.steps):
                at = t + settings.first_step + k
                scores = [(p[row, k, t] * z.values[row, at]).mean() / settings.temperature]
                for vector, place, there in zip(drawn.vectors[row], drawn.places[row], drawn.there[row], strict=True):
                    if there and int(place) != at:
                        scores.append((p[row, k, t] * vector).mean() / settings.temperature)
                lost.append(-torch.log_softmax(torch.stack(scores), 0)[0])
                missed.append(float(max(scores[1:]) >= scores[0]))
    return torch.stack(lost).mean(), sum(missed) / len(missed)


@pytest.mark.parametrize("where", negatives.WHERE)
@pytest.mark.parametrize("predictor", ["linear", "transformer"])
def test_the_loss_is_that_of_a_loop_over_steps_and_negatives(where, predictor):
    method, given = built(negatives=where, predictor=predictor), batch()
    losses = method.losses(given)
    fast = losses["contrast"].value / losses["contrast"].count
    plain, missed = in_a_loop(method, given)
    assert float(fast.detach()) == pytest.approx(float(plain.detach()), rel=1e-5)
    assert float(losses["missed"].value / losses["missed"].count) == pytest.approx(missed)
    weights = list(method.parameters())
    for ours, theirs in zip(torch.autograd.grad(fast, weights), torch.autograd.grad(plain, weights), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_as_many_aligned_predictions_as_steps_are_a_prediction_a_step():
    """One way to share them out; the negatives differ only in that none is of the steps ahead."""
    given = batch()
    plain, method = built(first_step=2, drawn=1000), built(first_step=2, drawn=1000, aligned=4)
    method.load_state_dict(plain.state_dict())
    z = plain.encoder(given.streams["input"]).values
    p = plain.predictor(plain.context(plain.encoder(given.streams["input"])).values)
    lost = []
    for row, length in enumerate(given.streams["input"].lengths.tolist()):
        for t in range(length - 5):
            others = torch.tensor([s for s in range(length) if not t + 2 <= s <= t + 5])
            for k in range(4):
                scores = torch.cat([z[row, t + 2 + k][None], z[row, others]]) @ p[row, k, t] / 12 / 0.3
                lost.append(-torch.log_softmax(scores, 0)[0])
    found = method.losses(given)["contrast"]
    assert float((found.value / found.count).detach()) == pytest.approx(float(torch.stack(lost).mean().detach()), rel=1e-5)


def test_the_context_hears_the_past_only_and_nothing_of_other_recordings():
    method = built(encoder={"width": 12, "stack": 1, "layers": 1}).eval()
    x = batch().streams["input"]
    later = x.with_values(x.values.clone())
    later.values[:, 15:] += 1

    def read(given):
        for stage in method.stages("c"):
            given = stage.run(given)
        return given.values

    with torch.no_grad():
        once, changed, again = read(x), read(later), read(x)
    assert torch.equal(once[:, :15], changed[:, :15])
    assert not torch.equal(once[:, 15], changed[:, 15])
    assert torch.equal(once, again)


def test_what_is_predicted_is_heard_through_another_tract():
    settings = cpc.Settings()
    wanted = cpc.inputs(settings)
    assert (wanted["input"].settings.warp, wanted["target"].settings.warp) == ("random", "file")
    assert set(cpc.inputs(settings.changed({"predicted": "heard"}))) == {"input"}


def test_the_waveform_has_the_sizes_of_the_papers():
    name, settings = runs.resolve("cpc_waveform", {})
    model = runs.build(name, settings, {}, 0)
    method = model.method
    assert [p.shape[1:] for n, p in method.encoder.named_parameters() if n.endswith("convolution.weights.weight")] == [(1, 10), (256, 8), (256, 4), (256, 4), (256, 4)]
    (phase,) = method.phases()
    assert phase.crop == Fraction(20480, 16000)
    assert (settings.steps, settings.drawn, settings.negatives, method.predictor.count) == (12, 128, "same_speaker", 12)
    assert model.grid("c").rate == 100


@pytest.mark.parametrize(("changes", "said"), [
    ({"batch": 1, "negatives": "same_speaker"}, "batch = 1: negatives = same_speaker are of other examples too: take a batch of 2 or more, or negatives=same_recording"),
    ({"aligned": 9, "steps": 4}, "aligned = 9: at most as many predictions as steps = 4 ahead"),
    ({"heads": 5, "predictor": "transformer"}, "heads = 5: they must divide context_dimensions = 12"),
    ({"input": "waveform"}, "predicted = file: waveform has no warp, take predicted=heard"),
])  # fmt: skip
def test_settings_that_do_not_go_together_are_one_line(changes, said):
    with pytest.raises(UntoldError) as error:
        cpc.Settings().changed({**SMALL, "predicted": "file", **changes})
    assert str(error.value) == said


def test_recordings_shorter_than_the_horizon_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    source = write_sounds(tmp_path / "sounds", (0.15, 0.13, 0.15))
    words = ["train", "cpc", str(source), "--steps", "2", "--threads", "1", "--quiet", "--out", str(tmp_path / "run")]
    small = ["encoder.width=12", "encoder.stack=1", "context_dimensions=12", "batch=3", "steps=12", "first_step=9", "predicted=heard"]
    assert main([*words, *sets(small)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "steps = 12 from first_step = 9 on reach 0.21 s, and the longest of 1 examples has 0.15 s: take longer recordings, a longer crop, or fewer steps" in said
    assert main([*words[:-1], str(tmp_path / "other"), *sets([*small[:-2], "first_step=2", "predicted=heard"])]) == 0  # 0.14 s: two of three are long enough


def test_one_speaker_only_is_trained_with_negatives_of_the_same_speaker(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    source = write_sounds(tmp_path / "sounds", (0.7, 0.6))
    (source / "s1" / "r1.wav").rename(source / "s0" / "r1.wav")
    small = ["encoder.width=12", "context_dimensions=12", "batch=2", "crop=0.4", "predicted=heard", "negatives=same_speaker"]
    assert main(["train", "cpc", str(source), "--steps", "2", "--threads", "1", "--quiet", "--out", str(tmp_path / "run"), *sets(small)]) == 0, capsys.readouterr().err
    assert main(["tokenize", str(tmp_path / "run"), str(source), "--out", str(tmp_path / "units"), "--quiet"]) == 1
    assert "untold codebook" in capsys.readouterr().err
