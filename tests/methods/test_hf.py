"""Frozen checkpoints: what the library itself gives, in windows where a recording is long; folders that are none."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from untold import runs
from untold.contract import Recording, Windows
from untold.encoders import _transformers
from untold.errors import UntoldError
from untold.formats.hugging_face import read_checkpoint
from untold.subjects import Subject, open_subject

from .. import checkpoints
from ..checkpoints import LARGE
from ..frontends.in_memory import Samples, noise


def recording(seconds: float, seed: int = 0) -> Recording:
    return Recording(f"noise-{seconds}", {"audio": noise(round(seconds * 16000), seed)})


def samples(one: Recording) -> np.ndarray:
    return one.signal.read(0, one.signal.steps)


@cache
def network(folder: Path, kind: str = "hubert") -> Any:
    found: Any = getattr(checkpoints.library(), f"{checkpoints.CLASSES[kind]}Model")
    return found.from_pretrained(folder, dtype=torch.float32).eval()


def theirs(folder: Path, x: np.ndarray, kind: str = "hubert", *, normalise: bool = True) -> list[np.ndarray]:
    """The library's own hidden states of samples, its own feature extractor before it."""
    extractor = checkpoints.library().Wav2Vec2FeatureExtractor(do_normalize=normalise, sampling_rate=16000)
    with torch.no_grad():
        given = extractor(x, sampling_rate=16000, return_tensors="pt").input_values
        return [h[0].numpy() for h in network(folder, kind)(given, output_hidden_states=True).hidden_states]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("kind", ["hubert", "wav2vec2", "wavlm"])
def test_every_layer_is_that_of_the_library(kind: str, large: bool, tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path / "it", kind, normalise=large, **(LARGE if large else {}))
    one, subject = recording(2.34), open_subject(f"hf:{folder}")
    wanted = theirs(folder, samples(one), kind, normalise=large)
    assert set(subject.points) == {"layer0", "layer1", "layer2", "layer3"}
    assert len(wanted) == 4
    for number, hidden in enumerate(wanted):
        np.testing.assert_allclose(subject.features(one, f"layer{number}").values, hidden, atol=1e-4)
    assert np.abs(wanted[1] - wanted[2]).max() > 0.01  # the test could tell them apart


def test_what_fits_into_a_window_is_exactly_what_the_library_gives() -> None:
    folder, one = checkpoints.tiny(), recording(25)
    found = open_subject(f"hf:{folder}:layer=2").features(one, "layer2")
    np.testing.assert_allclose(found.values, theirs(folder, samples(one))[2], atol=1e-4)
    assert found.grid.rate == 50
    assert found.grid.first == Fraction(1, 80)


@pytest.mark.parametrize(("total", "steps", "margin"), [(0, 50, 5), (1, 50, 5), (50, 50, 5), (51, 50, 5), (90, 50, 5), (91, 50, 5), (1234, 60, 20), (500, 50, 0)])
def test_windows_keep_every_step_once_with_its_margin(total: int, steps: int, margin: int) -> None:
    seen: list[int] = []
    for start, end, kept, until in Windows(steps, margin).cut(total):
        assert 0 <= start <= kept < until <= end <= total
        assert end - start == min(steps, total)
        assert start == 0 or kept - start >= margin
        assert end == total or end - until >= margin
        seen += range(kept, until)
    assert seen == list(range(total))


def test_a_long_recording_is_its_windows_however_it_is_cut_up() -> None:
    folder, one = checkpoints.tiny(), recording(11.7283)
    subject: Any = open_subject(f"hf:{folder}:layer=3,window=4,margin=1")
    x = samples(one).astype(np.float64)
    x = ((x - x.mean()) / np.sqrt(x.var() + 1e-7)).astype(np.float32)
    whole = subject.features(one, "layer3").values
    total = (len(x) - 400) // 320 + 1
    assert len(whole) == total == 586
    parts = []  # windows of 200 steps, 50 of them left out at each cut: the rule of the documents, written out
    for start, first, last in [(0, 0, 150), (100, 150, 250), (200, 250, 350), (300, 350, 450), (total - 200, 450, total)]:
        window = theirs(folder, x[320 * start : 320 * (start + 200) + 399], normalise=False)[3]
        parts.append(window[first - start : last - start])
    np.testing.assert_allclose(whole, np.concatenate(parts), atol=1e-4)
    for steps in (7, 150, 151, 10**6):
        np.testing.assert_allclose(np.concatenate(list(subject.model.chunks(one, "layer3", steps=steps))), whole, atol=1e-6)


def test_a_long_recording_needs_the_memory_of_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    asked = _transformers.layer

    def counted(found: Any, given: torch.Tensor, number: int) -> torch.Tensor:
        seen.append(len(given))
        return asked(found, given, number)

    monkeypatch.setattr(_transformers, "layer", counted)
    one = recording(70)
    signal: Any = one.signal
    signal.most = 0
    subject: Any = open_subject(f"hf:{checkpoints.tiny()}:window=3,margin=0.5")
    chunks = [len(chunk) for chunk in subject.model.chunks(one, "layer1", steps=64)]
    assert max(seen) <= 3 * 16000 + 399
    assert len(seen) == 35  # 3499 steps, 100 more with each window: each is computed once
    assert signal.most <= 31 * 16000
    assert max(chunks) == 64
    assert sum(chunks) == 3499


def test_order_changes_nothing_and_nothing_is_kept() -> None:
    some = [recording(1.0, 1), recording(0.5, 2), recording(1.7, 3)]
    one, two = open_subject(f"hf:{checkpoints.tiny()}"), open_subject(f"hf:{checkpoints.tiny()}")
    there = [one.features(r, "layer3").values for r in some]
    back = [two.features(r, "layer3").values for r in reversed(some)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(there, back, strict=True))


def test_a_checkpoint_with_a_head_in_half_precision_and_in_parts(tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path / "it", head=True)
    one = recording(1.0)
    wanted = open_subject(f"hf:{folder}").features(one, "layer2").values
    np.testing.assert_allclose(wanted, theirs(folder, samples(one))[2], atol=1e-4)
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    save_file({k: tensors[k].half() for k in names[:20]}, folder / "model-00001-of-00002.safetensors", {"format": "pt"})
    save_file({k: tensors[k].half() for k in names[20:]}, folder / "model-00002-of-00002.safetensors", {"format": "pt"})
    parts = {k: f"model-0000{1 + (i >= 20)}-of-00002.safetensors" for i, k in enumerate(names)}
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": parts}))
    found = open_subject(f"hf:{folder}").features(one, "layer2").values
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=0.05)
    parts[names[0]] = "../model.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    with pytest.raises(UntoldError, match="beside it expected"):
        open_subject(f"hf:{folder}")


def test_without_a_preprocessor_the_samples_are_taken_as_they_are_and_that_is_said(tmp_path: Path) -> None:
    folder, one = checkpoints.write(tmp_path / "it", normalise=None), recording(1.0)
    subject = open_subject(f"hf:{folder}")
    assert "not normalised" in subject.notes[0]
    np.testing.assert_allclose(subject.features(one, "layer1").values, theirs(folder, samples(one), normalise=False)[1], atol=1e-4)


def test_the_hash_tells_checkpoints_apart_and_not_where_they_lie(tmp_path: Path) -> None:
    one = checkpoints.write(tmp_path / "one")
    moved = shutil.copytree(one, tmp_path / "moved")
    other = checkpoints.write(tmp_path / "other", seed=1)
    plain = checkpoints.write(tmp_path / "plain", normalise=False)

    def hash_of(what: str) -> str:
        return open_subject(what).fingerprint()

    first = hash_of(f"hf:{one}")
    assert first == hash_of(f"hf:{moved}") == hash_of(f"hf:{one}:layer=3")
    assert len({first, hash_of(f"hf:{other}"), hash_of(f"hf:{plain}"), hash_of(f"hf:{one}:window=20")}) == 4


def test_nobody_is_asked_for_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkpoints.write(tmp_path / "it")
    asked: list[Any] = []

    def refuse(*words: Any, **more: Any) -> None:
        asked.append(words)
        raise OSError("no network here")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    open_subject(f"hf:{folder}").features(recording(0.5), "layer1")
    assert not asked


# folders that are none ---------------------------------------------------------------------------------------------


def edited(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def only(name: str, data: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(data)

    return change


def removed(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def with_file(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_text(text)

    return change


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def spoilt(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return spoil


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (removed("model.safetensors"), "holds no weights"),
        (only("pytorch_model.bin", b"PK\x03\x04"), "as a pickle only \\(pytorch_model.bin\\), which is never read"),
        (only("model.safetensors", b"PK\x03\x04 archive"), "is a pickle under another name"),
        (only("model.safetensors", b"\x80\x04pickle"), "is a pickle under another name"),
        (only("model.safetensors", b""), "not readable as tensors"),
        (only("model.safetensors", b"\xff" * 64), "not readable as tensors"),
        (cut, "not readable as tensors"),
        (removed("config.json"), "has no config.json"),
        (with_file("config.json", "[]"), "an object expected"),
        (with_file("config.json", "{"), "not readable as JSON"),
        (edited(model_type="whisper"), "model_type 'whisper' is not known: hubert, wav2vec2, wavlm are"),
        (edited(model_type=None), "model_type 'None' is not known"),
        (edited(hidden_size=10**9), "hidden_size = 1000000000: a whole number from 1 to"),
        (edited(hidden_size="32"), "hidden_size = 32: a whole number"),
        (edited(num_hidden_layers=60000), "60000 layers, the weights hold"),
        (edited(intermediate_size=60000), "describes a network of"),
        (edited(conv_stride=[5, 2]), "of different lengths"),
        (edited(conv_kernel=[0] * 7), "conv_kernel: a list of whole numbers"),
        (edited(conv_stride=[50] * 7), "convolutions that look at"),
        (with_file("preprocessor_config.json", '{"sampling_rate": 8000}'), "8000 hertz"),
        (with_file("preprocessor_config.json", '{"do_normalize": 3}'), "true or false expected"),
        (with_file("adapter_config.json", "{}"), "is an adapter for another checkpoint"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_checkpoint_is_refused_before_anything_is_built(change: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoints.tiny(), tmp_path / "it"))
    change(folder)
    with pytest.raises(UntoldError, match=said) as error:
        open_subject(f"hf:{folder}").features(recording(0.1), "layer1")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (spoilt(lambda t: t.pop("encoder.layers.1.feed_forward.output_dense.weight")), "does not hold the weights|describes a network"),
        (spoilt(lambda t: t.update({"encoder.layer_norm.weight": torch.zeros(31), "more": torch.zeros(9)})), "does not hold the weights|cannot load it"),
        (spoilt(lambda t: t["encoder.layer_norm.weight"].fill_(float("nan"))), "not finite"),
        (edited(num_conv_pos_embedding_groups=5), "cannot load it"),
        (edited(hidden_act="no such thing"), "cannot load it"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_never_filled_up_at_random(change: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoints.tiny(), tmp_path / "it"))
    change(folder)
    with pytest.raises(UntoldError, match=said):
        open_subject(f"hf:{folder}").features(recording(0.1), "layer1")


def test_what_names_code_or_kernels_in_config_json_is_left_alone(tmp_path: Path) -> None:
    folder, one = Path(shutil.copytree(checkpoints.tiny(), tmp_path / "it")), recording(0.5)
    edited(auto_map={"AutoModel": "evil.Evil"}, _attn_implementation="someone/kernel", attn_implementation="someone/kernel", quantization_config={"quant_method": "bitsandbytes"})(folder)
    (folder / "evil.py").write_text("raise SystemExit")
    assert np.array_equal(open_subject(f"hf:{folder}").features(one, "layer2").values, open_subject(f"hf:{checkpoints.tiny()}").features(one, "layer2").values)


@pytest.mark.parametrize(
    ("words", "said"),
    [("", "write hf:PATH"), (":nowhere", "nowhere: no such folder: a checkpoint is read from disk"), (":{}:layer=4", "has the layers 0 to 3"), (":{}:layers=4", "no setting of hf"), (":{}:window=4,margin=3", "at most a third")],
)  # fmt: skip
def test_words_that_name_none(words: str, said: str) -> None:
    with pytest.raises(UntoldError, match=said):
        open_subject("hf" + words.format(checkpoints.tiny()))


def test_a_name_may_hold_colons_and_commas(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoints.tiny(), tmp_path / "a:b=c,d"))
    assert runs.wished(f"hf:{folder}") == ("hf", {"path": str(folder)})
    assert runs.wished(f"hf:{folder}:layer=2", ["window=20"]) == ("hf", {"path": str(folder), "layer": "2", "window": "20"})
    assert open_subject(f"hf:{folder}:layer=2").points[0] == "layer2"


def test_without_the_library_it_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkpoints.tiny()
    monkeypatch.setattr(_transformers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UntoldError, match=r"pip install 'untold\[hf\]'"):
        open_subject(f"hf:{folder}")


def test_sizes_are_those_of_config_json() -> None:
    found = read_checkpoint(checkpoints.tiny())
    assert (found.layers, found.dimensions, found.field) == (3, 32, (400, 320))
    subject: Subject = open_subject(f"hf:{checkpoints.tiny()}")
    assert subject.points == ("layer1", "layer0", "layer2", "layer3")  # the one half way up first
    assert isinstance(recording(0.1).signal, Samples)
