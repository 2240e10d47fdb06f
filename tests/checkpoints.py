"""Small checkpoints of Hugging Face's transformers, drawn at random and saved to disk, as `save_pretrained` leaves them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch

SIZES: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48, "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
}
LARGE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}  # as the large ones are built
CLASSES = {"hubert": "Hubert", "wav2vec2": "Wav2Vec2", "wavlm": "WavLM"}


def library() -> Any:
    """transformers; skips the test where it is not installed."""
    return pytest.importorskip("transformers", reason="needs transformers: pip install 'untold[hf]'")


def write(folder: Path, kind: str = "hubert", *, normalise: bool | None = True, head: bool = False, seed: int = 0, **changes: Any) -> Path:
    """A checkpoint folder; with `head` it holds a recogniser's weights, under a prefix."""
    found = library()
    found.utils.logging.disable_progress_bar()  # what tests look for on the terminal is ours
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = getattr(found, f"{CLASSES[kind]}Config")(**{**SIZES, **changes})
        network = getattr(found, f"{CLASSES[kind]}{'ForCTC' if head else 'Model'}")(config)
        for parameter in network.parameters():  # so far from zero that layers differ
            parameter.data += 0.05 * torch.randn_like(parameter)
    network.save_pretrained(folder)
    if normalise is not None:
        told = {"do_normalize": normalise, "feature_extractor_type": "Wav2Vec2FeatureExtractor", "feature_size": 1, "sampling_rate": 16000}
        (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


_PLACE = TemporaryDirectory(prefix="checkpoints-")


@cache
def tiny(kind: str = "hubert") -> Path:
    """One that tests read and do not change."""
    return write(Path(_PLACE.name) / kind, kind)
