"""wav2vec and vq-wav2vec: the fast loss against a loop, what the context hears, and codes of two groups."""

from __future__ import annotations

import pytest
import torch

from untold import runs
from untold.contract import Batch, Stream
from untold.errors import UntoldError
from untold.frontends._frontend import sound_grid
from untold.methods import wav2vec

SMALL = {
    "input": {"name": "mfcc", "deltas": False, "warp": "none"}, "predicted": "heard", "encoder": {"name": "causal", "width": 12, "dense": 1, "stack": 1},
    "bottleneck": {"name": "identity", "dimensions": 12}, "context_dimensions": 12, "context_layers": 2, "temperature": 0.3, "first_step": 1, "steps": 4, "batch": 4,
}  # fmt: skip
PRODUCT = {"name": "product", "code": {"size": 6, "dimensions": 5}}


def built(**changes):
    return runs.build("wav2vec", wav2vec.Settings().changed({**SMALL, **changes}), {}, 0).method


def batch(lengths=(30, 21, 30, 4)):
    draw = torch.Generator().manual_seed(1)
    counted = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    values = torch.randn(len(lengths), max(lengths), 13, generator=draw) * counted[..., None]
    count = len(lengths)
    return Batch({"input": Stream(values, torch.tensor(lengths), counted, sound_grid(160))}, {}, torch.arange(count), torch.arange(count) + 9)


def test_the_loss_is_that_of_a_loop_over_steps_and_all_other_steps_as_negatives():
    method, given = built(), batch()
    q = method.project(method.encoder(given.streams["input"]))
    h = method.predictor(method.context(q).values)
    lost, missed = [], []
    for row, length in enumerate(given.streams["input"].lengths.tolist()):
        for t in range(length - 4):
            for k in range(4):
                right = q.values[row, t + 1 + k] @ h[row, k, t] / 12 / 0.3
                wrong = torch.stack([q.values[row, s] @ h[row, k, t] / 12 / 0.3 for s in range(length) if s != t + 1 + k])
                lost.append(-torch.sigmoid(right).log() - 10 * torch.sigmoid(-wrong).log().mean())
                missed.append(float(wrong.max() >= right))
    found = method.losses(given)
    assert float((found["contrast"].value / found["contrast"].count).detach()) == pytest.approx(float(torch.stack(lost).mean().detach()), rel=1e-5)
    assert float(found["missed"].value / found["missed"].count) == pytest.approx(sum(missed) / len(missed))


def test_the_context_hears_so_many_steps_before_its_own_and_none_after():
    method = built(context_layers=3).eval()
    x = batch((40,)).streams["input"]
    other = x.with_values(x.values.clone())
    other.values[:, 20] += 1
    with torch.no_grad():
        one, two = (method.context(method.project(method.encoder(v))).values[0] for v in (x, other))
    assert (one != two).any(-1).nonzero()[:, 0].tolist() == list(range(20, 27))
    assert method.stages("c")[-1].reach == (6, 0)


def test_the_waveform_has_the_sizes_of_the_papers():
    name, settings = runs.resolve("wav2vec_waveform", {})
    model = runs.build(name, settings, {}, 0)
    context = model.method.context
    assert [tuple(layer.convolution.weights.weight.shape) for layer in context] == [(512, 512, 3)] * 9
    assert (settings.steps, settings.negatives, model.method.alphabet) == (12, 10, None)
    assert model.stages("c")[-1].reach == (18, 0)  # 19 steps of 10 ms, each of some 30 ms: 210 ms
    name, settings = runs.resolve("vq_wav2vec_waveform", {})
    method = runs.build(name, settings, {}, 0).method
    assert (method.alphabet, method.bottleneck.dimensions, len(method.bottleneck.codes)) == (320 * 320, 512, 2)
    assert len(method.encoder.layers) == 8


def test_tokens_are_pairs_and_their_vectors_are_what_the_context_hears():
    method = runs.build("wav2vec", wav2vec.Settings().changed({**SMALL, "bottleneck": PRODUCT}), {}, 0).method.eval()
    x = batch().streams["input"]
    tokens = heard = x
    with torch.no_grad():
        for stage in method.token_stages():
            tokens = stage.run(tokens)
        for stage in method.stages("bottleneck"):
            heard = stage.run(heard)
    assert method.alphabet == 36
    assert (tokens.values[1, 21:] == -1).all()
    assert 0 <= int(tokens.values[x.counted].min()) <= int(tokens.values.max()) < 36
    torch.testing.assert_close(method.lookup(tokens.values[..., 0])[x.counted], heard.values[x.counted])


def test_a_waveform_cannot_be_predicted_through_another_tract():
    with pytest.raises(UntoldError, match="predicted = file: waveform has no warp, take predicted=heard"):
        wav2vec.Settings().changed({"input": "waveform", "predicted": "file"})


def test_without_a_recording_longer_than_the_horizon_it_is_said():
    with pytest.raises(UntoldError, match=r"steps = 4 from first_step = 1 on reach 0\.05 s, and the longest of 2 examples has 0\.04 s"):
        built().losses(batch((4, 3)))
