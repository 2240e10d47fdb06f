"""A codebook DIR: codewords, and exactly what they were fitted on, so that they are never put on anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from untold.contract import Grid
from untold.errors import UntoldError
from untold.formats._writing import beside, read_json, write_json
from untold.formats.features import read_grid

_AT_ONCE = 1 << 20  # steps x codewords: what stays near to the processor


@dataclass(frozen=True)
class Codebook:
    """Codewords (K, dimensions) float32 of the features `what` gives at `point`, after `normalisation` (none, or mean and
    scale of each dimension). `distance` is `plain` or `squared`; `hash` of the extractor is empty where nobody told; `fitted`
    is what a person may want to know of the fit: source, frames, seed."""

    codewords: np.ndarray
    what: str
    point: str
    grid: Grid
    normalisation: str = "none"
    distance: str = "squared"
    hash: str = ""
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None
    fitted: Mapping[str, Any] = field(default_factory=dict)

    def normalised(self, values: np.ndarray) -> np.ndarray:
        """Features (steps, dimensions) in the space of the codewords."""
        if values.shape[-1] != self.codewords.shape[1]:
            raise UntoldError(f"features of {values.shape[-1]} dimensions, and codewords of {self.codewords.shape[1]}: they do not belong together")
        return values if self.mean is None else (values - self.mean) / self.scale

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """Tokens (steps,) int64 of features (steps, dimensions); ties to the lowest."""
        out, rows = np.empty(len(values), np.int64), max(16, _AT_ONCE // len(self.codewords))
        turned, squares = np.ascontiguousarray(self.codewords.T), np.square(self.codewords).sum(1) / 2
        for start in range(0, len(values), rows):
            near = self.normalised(values[start : start + rows]).astype(np.float32, copy=False) @ turned
            near -= squares
            near.argmax(1, out=out[start : start + rows])
        return out


def write_codebook(folder: Path, book: Codebook) -> None:
    """Writes `codebook.safetensors` and `codebook.json`, each whole or not at all."""
    arrays = {"codewords": book.codewords.astype(np.float32)}
    if book.mean is not None and book.scale is not None:
        arrays |= {"mean": book.mean.astype(np.float32), "scale": book.scale.astype(np.float32)}
    with beside(folder / "codebook.safetensors") as part:
        save_file(arrays, part)
    write_json(folder / "codebook.json", {
        "what": book.what, "point": book.point, "rate": str(book.grid.rate), "first": str(book.grid.first), "axis": book.grid.unit,
        "size": len(book.codewords), "normalisation": book.normalisation, "distance": book.distance, "hash": book.hash,
        "fitted": dict(book.fitted),
    })


def read_codebook(folder: Path) -> Codebook:
    """Reads a codebook; raises `UntoldError` when a file is missing, damaged, or says what cannot be."""
    said: Any = read_json(folder / "codebook.json")
    try:
        arrays = load_file(folder / "codebook.safetensors")
    except (SafetensorError, OSError, ValueError) as error:
        raise UntoldError(f"{folder / 'codebook.safetensors'}: not readable ({str(error)[:100]})") from None
    words = arrays.get("codewords")
    if words is None or words.ndim != 2 or not words.size or not np.isfinite(words).all():
        raise UntoldError(f"{folder / 'codebook.safetensors'}: 'codewords' must be finite numbers, K x dimensions")
    mean, scale = arrays.get("mean"), arrays.get("scale")
    if (mean is None) != (scale is None) or any(a is not None and (a.shape != words.shape[1:] or not np.isfinite(a).all()) for a in (mean, scale)):
        raise UntoldError(f"{folder / 'codebook.safetensors'}: 'mean' and 'scale' must both be there, finite, a number a dimension")
    if scale is not None and not (scale > 0).all():
        raise UntoldError(f"{folder / 'codebook.safetensors'}: 'scale' must be above 0")
    if not isinstance(said, dict) or not all(isinstance(said.get(key), str) for key in ("what", "point")):
        raise UntoldError(f"{folder / 'codebook.json'}: 'what' and 'point' are missing")
    if said.get("distance", "squared") not in ("plain", "squared"):
        raise UntoldError(f"{folder / 'codebook.json'}: distance {said.get('distance')!r}: plain or squared expected")
    if mean is None and said.get("normalisation", "none") != "none":
        raise UntoldError(f"{folder}: normalised by {str(said['normalisation'])[:40]!r}, and no 'mean' and 'scale' to do so with")
    if mean is not None and said.get("normalisation", "dimension") == "none":
        raise UntoldError(f"{folder}: 'mean' and 'scale' are there, and codebook.json says normalisation 'none': which of them holds? Make the codebook again")
    size = said.get("size", len(words))
    if size != len(words):
        raise UntoldError(f"{folder}: codebook.json tells of {str(size)[:20]} codewords, codebook.safetensors holds {len(words)}: they do not belong together")
    grid = read_grid(said, folder / "codebook.json")
    fitted = said.get("fitted")
    return Codebook(
        words.astype(np.float32), said["what"], said["point"], grid, str(said.get("normalisation", "none")),
        said.get("distance", "squared"), str(said.get("hash") or ""), mean, scale, fitted if isinstance(fitted, dict) else {},
    )

