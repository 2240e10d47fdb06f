"""Mel-frequency cepstra with deltas and accelerations every 10 ms, as Kaldi defines them.

13 cepstra of 23 mel bins, without dither, `snip_edges` and energy, of samples at the scale of 16-bit integers
(Davis and Mermelstein 1980; the details are Kaldi's). Without settings it is the yardstick of every table here: 39
dimensions, each with mean 0 and population standard deviation 1 over the file.
"""

from __future__ import annotations

from dataclasses import dataclass

from untold.errors import UntoldError
from untold.frontends import _mel
from untold.frontends._spectral import SpectralFrontEnd, SpectralSettings
from untold.settings import setting


@dataclass(frozen=True, kw_only=True)
class Settings(SpectralSettings):
    """What the frames are made of."""

    cepstra: int = setting(13, help="cepstra a frame, the zeroth included", low=1, high=80)
    mel_bins: int = setting(23, help="mel filters", low=3, high=80)
    deltas: bool = setting(True, help="slopes over two frames each side, and the slopes' slopes, beside the cepstra")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cepstra > self.mel_bins:
            raise UntoldError(f"cepstra = {self.cepstra}: at most as many as mel_bins = {self.mel_bins}")


def build(settings: Settings) -> SpectralFrontEnd:
    """The front end: (batch, steps, 39) with the default settings."""
    matrix = _mel.cepstral_matrix(settings.mel_bins, settings.cepstra)
    return SpectralFrontEnd(settings.mel_bins, matrix, settings.deltas, settings)
