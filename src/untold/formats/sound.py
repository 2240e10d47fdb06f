"""Sound files: written beside and renamed, 16 bits, 16 kHz."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile

from untold.formats._writing import beside


def write_wav(path: Path, samples: np.ndarray, rate: int = 16000) -> None:
    """Samples (n,) in [-1, 1] as a wav file of 16 bits; what is louder is scaled down as a whole."""
    peak = float(np.abs(samples).max(initial=0.0))
    scaled = samples / peak * 0.99 if peak > 1 else samples
    data = io.BytesIO()  # written by Python: libsndfile has no words for a full disk
    soundfile.write(data, scaled.astype(np.float32), rate, format="WAV", subtype="PCM_16")
    with beside(path) as part:
        part.write_bytes(data.getbuffer())
