"""Other people's models: a frozen checkpoint of Hugging Face (HuBERT, wav2vec 2.0, WavLM), read at any layer.

    h_0 = convolutions(x)        h_l = layer_l(h_{l-1}), l = 1 ... L        nothing is trained here

`hf:PATH` names a folder on disk; nothing is downloaded. Samples are normalised over the recording where the checkpoint was
trained so. A transformer looks at all it is given, so a long recording is *defined* as windows (30 s, two neighbours
share 10 s, of which each gives the half that is nearer to it): what is shorter is exactly what the library gives, and a
two-hour file needs the memory of one window. Hsu et al. 2021 (HuBERT), arXiv 2106.07447; Baevski et al. 2020
(wav2vec 2.0), arXiv 2006.11477; Chen et al. 2022 (WavLM), arXiv 2110.13900.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from untold import settings
from untold.contract import Phase, Stage, Stream, Windows
from untold.encoders import _transformers
from untold.errors import UntoldError
from untold.formats.hugging_face import CheckpointFolder, read_checkpoint
from untold.settings import Choice, setting

CAPABILITIES = ("Encodes",)
PLACE = "path"  # the setting that stands after the name: hf:PATH


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    """Which checkpoint, and how recordings longer than a window are read."""

    path: str = setting("", help="folder with config.json and model.safetensors")
    hash: str = setting("", help="of the checkpoint, kept in run.json: another one at the same place is refused")
    layer: int = setting(-1, low=-1, high=65536, help="the point listed first (-1: the layer half way up)")
    window: float = setting(30.0, low=1.0, high=3600.0, help="seconds that are read at once")
    margin: float = setting(5.0, low=0.0, high=1200.0, help="seconds at a cut that are read and left to the neighbour")

    def __post_init__(self) -> None:
        super().__post_init__()
        if 3 * self.margin > self.window:
            raise UntoldError(f"margin = {self.margin:g}: at most a third of window = {self.window:g}")


class Frozen(nn.Module):
    """Stream `input`, frames of samples; the points are the layers."""

    reads = "input"

    def __init__(self, settings: Settings, fronts: Mapping[str, Any], folder: CheckpointFolder) -> None:
        super().__init__()
        self.settings, self.folder, self.front = settings, folder, fronts["input"]
        first = _first(settings, folder)
        self._layers = {f"layer{number}": number for number in (first, *(n for n in range(folder.layers + 1) if n != first))}
        self.points = tuple(self._layers)
        rate = float(self.front.grid.rate)
        self.windows = Windows(round(settings.window * rate), round(settings.margin * rate))
        self._loaded: dict[torch.device, nn.Module] = {}  # no part of the state: the checkpoint stays where it is

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should be told."""
        if self.folder.normalise is None:
            return (f"{self.folder.path} has no preprocessor_config.json: the samples are taken as they are, not normalised",)
        return ()

    def phases(self) -> Sequence[Phase]:
        """None: it is taken as it is."""
        return ()

    def stages(self, point: str) -> tuple[Stage, ...]:
        """The way from frames of samples to a layer."""
        return (Stage(point, partial(self.run, self._layers[point]), self.windows),)

    def run(self, number: int, x: Stream) -> Stream:
        """What a layer gives (batch, steps, dimensions), each recording by itself: padding would be attended to."""
        network = self._network(x.values.device)
        out = x.values.new_zeros((*x.values.shape[:2], self.folder.dimensions))
        for row, frames, length in zip(out, x.values, x.lengths.tolist(), strict=True):
            for start, end, kept, until in self.windows.cut(length):
                row[kept:until] = self._window(network, frames[start:end], number)[kept - start : until - start]
        return x.with_values(out)

    def _window(self, network: nn.Module, frames: Tensor, number: int) -> Tensor:
        return _transformers.layer(network, self.front.joined(frames), number)

    def _network(self, device: torch.device) -> nn.Module:
        if device not in self._loaded:
            self._loaded[device] = _transformers.load(self.folder, device)
        return self._loaded[device]


def _folder(settings: Settings) -> CheckpointFolder:
    if not settings.path:
        raise UntoldError("hf is read from a checkpoint folder: write hf:PATH")
    return read_checkpoint(Path(settings.path))


def _first(settings: Settings, folder: CheckpointFolder) -> int:
    """The layer that is listed first."""
    first = folder.layers // 2 if settings.layer < 0 else settings.layer
    if first > folder.layers:
        raise UntoldError(f"layer = {first}: {folder.path} has the layers 0 to {folder.layers}")
    return first


def resolved(settings: Settings) -> Settings:
    """The settings with what lies at the path now, so that run.json says which checkpoint it was."""
    _transformers.require()
    folder = _folder(settings)
    return replace(settings, hash=settings.hash or folder.hash(), layer=_first(settings, folder))


def inputs(settings: Settings) -> dict[str, Choice]:
    """Frames as the checkpoint's convolutions see them."""
    folder = _folder(settings)
    length, hop = folder.field
    return {"input": Choice.of("frontends", "frames", length=length, hop=hop, normalise="file" if folder.normalise else "none", rest=True)}


def build(settings: Settings, fronts: Mapping[str, Any], sides: Mapping[str, int]) -> Frozen:
    """The checkpoint as a method; raises `UntoldError` for a folder that is none, or another than the settings say."""
    _transformers.require()
    folder = _folder(settings)
    if settings.hash and settings.hash != folder.hash():
        raise UntoldError(f"{folder.path} is another checkpoint ({folder.hash()[:12]}) than was used here ({settings.hash[:12]}): put that one back, or begin anew")
    return Frozen(settings, fronts, folder)
