"""Tensors in safetensors files: written beside and renamed, read with every kind of damage said in words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from untold.errors import UntoldError
from untold.formats._writing import beside


def packed(tensors: Mapping[str, Tensor]) -> bytes:
    """The bytes of a safetensors file. Written by Python, so that a full disk is an `OSError` like any other."""
    return save({key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()})


def digest(data: bytes) -> str:
    """SHA-256 of a file's bytes: what tells a flipped bit in weights, whose shapes still fit."""
    return hashlib.sha256(data).hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Writes the whole file or nothing; gives its digest."""
    data = packed(tensors)
    with beside(path) as part:
        part.write_bytes(data)
    return digest(data)


def read_tensors(path: Path, expected: str | None = None) -> dict[str, Tensor]:
    """Reads a file; raises `UntoldError` when it is absent, no safetensors file, cut off, or has another digest."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UntoldError(f"{path}: not readable ({error.strerror})") from None
    if expected is not None and digest(data) != expected:
        raise UntoldError(f"{path} is not what was written (its SHA-256 differs): it is damaged")
    try:
        return load(data)
    except (SafetensorError, RuntimeError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise UntoldError(f"{path}: not readable as tensors ({str(error).partition(chr(10))[0][:120]})") from None
