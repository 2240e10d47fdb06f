"""Sound files: written beside and renamed, 16 bits, 16 kHz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from untold.formats._writing import beside


def write_wav(path: Path, samples: np.ndarray, rate: int = 16000) -> None:
    """Samples (n,) in [-1, 1] as a wav file of 16 bits; what is louder is scaled down as a whole."""
    peak = float(np.abs(samples).max(initial=0.0))
    scaled = samples / peak * 0.99 if peak > 1 else samples
    with beside(path) as part:
        soundfile.write(part, scaled.astype(np.float32), rate, format="WAV", subtype="PCM_16")
