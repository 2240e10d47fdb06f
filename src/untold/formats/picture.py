"""Lines of handwriting as pictures: ink black on white, PNG, written beside and renamed."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from untold.formats._writing import beside


def grey(columns: np.ndarray) -> np.ndarray:
    """Columns of ink (pixels, height) in [0, 1] as a grey picture (height, pixels) uint8; 0 is ink, 255 paper."""
    return np.round(255 * (1 - np.clip(columns, 0, 1).T)).astype(np.uint8)


def as_written(columns: np.ndarray, sides: Mapping[str, str]) -> np.ndarray:
    """Columns (pixels, height) from left to right: those of a line that is read from the right are kept in reading order."""
    return columns[::-1] if sides.get("direction") == "rtl" else columns


def write_png(path: Path, columns: np.ndarray) -> None:
    """Columns of ink (pixels, height) in [0, 1] as a grey PNG; of none, one white column."""
    data = io.BytesIO()
    Image.fromarray(grey(columns if len(columns) else np.zeros((1, 64), np.float32)), "L").save(data, "PNG", optimize=True)
    with beside(path) as part:
        part.write_bytes(data.getbuffer())
