"""A cache of its own for each test, and small recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import soundfile


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("UNTOLD_CACHE", str(place))
    return place


class Write(Protocol):
    def __call__(self, path: Path, seconds: float = 1.0, rate: int = 16000, channels: int = 1, **more: Any) -> np.ndarray: ...


@pytest.fixture(name="write")
def _write() -> Write:
    """Writes a recording of noise and gives its samples (frames, channels) int16."""

    def write(path: Path, seconds: float = 1.0, rate: int = 16000, channels: int = 1, **more: Any) -> np.ndarray:
        path.parent.mkdir(parents=True, exist_ok=True)
        draw = np.random.default_rng(sum(path.name.encode()))
        samples = draw.integers(-8000, 8000, (round(seconds * rate), channels)).astype(np.int16)
        soundfile.write(path, samples, rate, **more)
        return samples

    return write
