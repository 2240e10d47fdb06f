"""A checkpoint folder as `save_pretrained` of Hugging Face's transformers leaves it: looked at before anything is built of it.

Nothing is fetched, no pickle is read, nothing in the folder is run. Sizes in config.json are compared with the header of
the weights, so that a folder of a stranger cannot ask for more memory than it holds numbers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from untold.errors import UntoldError
from untold.formats._writing import read_json

KINDS = ("hubert", "wav2vec2", "wavlm")  # config.json's model_type
RATE = 16000
WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_MOST = 1 << 16  # of any size in config.json
_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "num_conv_pos_embeddings", "num_conv_pos_embedding_groups")
_LISTS = ("conv_dim", "conv_kernel", "conv_stride")
_BEGINNINGS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # of pickles, and of the archives that hold them


@dataclass(frozen=True)
class CheckpointFolder:
    """What a checkpoint folder says of itself; `numbers` is how many its weights hold, `normalise` whether it was trained on
    recordings with mean 0 and variance 1 (None: it does not say)."""

    path: Path
    kind: str
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    numbers: int
    normalise: bool | None

    @property
    def layers(self) -> int:
        """Layers of its transformer."""
        return int(self.config["num_hidden_layers"])

    @property
    def dimensions(self) -> int:
        """Of what each layer gives."""
        return int(self.config["hidden_size"])

    @property
    def field(self) -> tuple[int, int]:
        """How many samples the convolutions look at for a step, and how many lie from a step to the next."""
        length, hop = 1, 1
        for kernel, stride in zip(self.config["conv_kernel"], self.config["conv_stride"], strict=True):
            length, hop = length + (kernel - 1) * hop, hop * stride
        return length, hop

    def hash(self) -> str:
        """SHA-256 of weights, config.json and what is done to the samples: what makes the numbers."""
        return _hash(tuple(_state(path) for path in (self.path / "config.json", *self.weights)), bool(self.normalise))


def read_checkpoint(path: Path) -> CheckpointFolder:
    """Looks at a folder; raises `UntoldError` for one without weights, with pickles only, damaged, or of an unknown kind."""
    if not path.is_dir():
        raise UntoldError(f"{path}: no such folder: a checkpoint is read from disk (config.json, {WEIGHTS}), nothing is downloaded")
    config = _mapping(path / "config.json")
    kind = str(config.get("model_type"))
    if kind not in KINDS:
        raise UntoldError(f"{path}: model_type {kind[:60]!r} is not known: {', '.join(KINDS)} are")
    config = {**_defaults(kind), **config}
    for key in _SIZES:
        if type(config[key]) is not int or not 1 <= config[key] <= _MOST:
            raise UntoldError(f"{path / 'config.json'}: {key} = {str(config[key])[:40]}: a whole number from 1 to {_MOST} expected")
    for key in _LISTS:
        if not isinstance(config[key], list | tuple) or not 1 <= len(config[key]) <= 32 or not all(type(n) is int and 1 <= n <= _MOST for n in config[key]):
            raise UntoldError(f"{path / 'config.json'}: {key}: a list of whole numbers from 1 to {_MOST} expected")
    if len({len(config[key]) for key in _LISTS}) != 1:
        raise UntoldError(f"{path / 'config.json'}: {', '.join(_LISTS)} are of different lengths")
    if (path / "adapter_config.json").exists():
        raise UntoldError(f"{path} is an adapter for another checkpoint (adapter_config.json): merge it into that one, and save the whole")
    weights = _weights(path)
    tensors, numbers = _counted(weights)
    if config["num_hidden_layers"] > tensors:
        raise UntoldError(f"{path}: config.json tells of {config['num_hidden_layers']} layers, the weights hold {tensors} tensors: they do not belong together")
    found = CheckpointFolder(path, kind, config, weights, numbers, _normalise(path))
    length, hop = found.field
    if not hop <= length <= _MOST:
        raise UntoldError(f"{path / 'config.json'}: convolutions that look at {length} samples every {hop}: {hop} to {_MOST} expected")
    return found


def _defaults(kind: str) -> dict[str, Any]:
    """What transformers takes where config.json leaves something out (a file written by `save_pretrained` leaves nothing out)."""
    return {
        "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072, "num_conv_pos_embeddings": 128,
        "num_conv_pos_embedding_groups": 16, "conv_dim": [512] * 7, "conv_kernel": [10, 3, 3, 3, 3, 2, 2], "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    }


def _mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UntoldError(f"{path.parent} has no {path.name}: a folder as save_pretrained of transformers writes it is expected")
    said = read_json(path, most=1 << 24)
    if not isinstance(said, dict):
        raise UntoldError(f"{path}: an object expected")
    return said


def _weights(path: Path) -> tuple[Path, ...]:
    """The files of weights: one, or those that an index names."""
    if (path / WEIGHTS).is_file():
        return (path / WEIGHTS,)
    if (path / _INDEX).is_file():
        named = _mapping(path / _INDEX).get("weight_map")
        parts = sorted(set(named.values())) if isinstance(named, dict) and all(isinstance(v, str) for v in named.values()) else []
        if not parts or not all(re.fullmatch(r"[\w.-]+\.safetensors", part) and (path / part).is_file() for part in parts):
            raise UntoldError(f"{path / _INDEX}: files of weights beside it expected, by name; one of them is not there")
        return tuple(path / part for part in parts)
    pickles = sorted(p.name for p in path.iterdir() if p.suffix in _PICKLES)
    if pickles:
        raise UntoldError(
            f"{path} holds its weights as a pickle only ({pickles[0]}), which is never read, since it could run anything: take the checkpoint's {WEIGHTS}, "
            f"or load it with transformers where you trust it and save_pretrained(folder, safe_serialization=True)"
        )
    raise UntoldError(f"{path} holds no weights: {WEIGHTS} expected beside config.json")


def _counted(weights: tuple[Path, ...]) -> tuple[int, int]:
    """How many tensors and numbers the headers tell of; the sizes of the files were compared with them."""
    tensors = numbers = 0
    for path in weights:
        with path.open("rb") as file:
            if file.read(4).startswith(_BEGINNINGS):
                raise UntoldError(f"{path} is a pickle under another name, which is never read: save the weights as safetensors")
        try:
            with safe_open(path, "np") as file:  # type: ignore[no-untyped-call]
                for key in file.keys():  # noqa: SIM118 - no mapping
                    size = 1
                    for length in file.get_slice(key).get_shape():
                        size *= length
                    tensors, numbers = tensors + 1, numbers + size
        except (SafetensorError, OSError, ValueError) as error:
            raise UntoldError(f"{path}: not readable as tensors ({str(error).partition(chr(10))[0][:100]}): it is damaged") from None
    return tensors, numbers


def _normalise(path: Path) -> bool | None:
    """What preprocessor_config.json says of the samples; None where there is none."""
    if not (path / "preprocessor_config.json").is_file():
        return None
    said = _mapping(path / "preprocessor_config.json")
    rate, size = said.get("sampling_rate", RATE), said.get("feature_size", 1)
    if rate != RATE or size != 1:
        raise UntoldError(f"{path / 'preprocessor_config.json'}: {str(size)[:20]} values at {str(rate)[:20]} hertz: the samples themselves at {RATE} hertz are what is given here")
    normalise = said.get("do_normalize", True)
    if type(normalise) is not bool:
        raise UntoldError(f"{path / 'preprocessor_config.json'}: do_normalize = {str(normalise)[:40]!r}: true or false expected")
    return normalise


def _state(path: Path) -> tuple[str, int, int]:
    told = path.stat()
    return str(path), told.st_mtime_ns, told.st_size


@lru_cache(maxsize=32)
def _hash(files: tuple[tuple[str, int, int], ...], normalise: bool) -> str:
    found = hashlib.sha256(b"mean 0, variance 1" if normalise else b"")
    for name, *_ in files:
        with Path(name).open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()
