"""Networks of Hugging Face's transformers, as frozen as they come: samples -> what a layer gives.

The extra `hf` brings the library, which is imported only where a checkpoint is used: it takes seconds.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

import torch
from torch import Tensor, nn

from untold.errors import UntoldError
from untold.formats.hugging_face import CheckpointFolder

_CLASSES = {"hubert": "Hubert", "wav2vec2": "Wav2Vec2", "wavlm": "WavLM"}
_LEFT_OUT = {"auto_map", "attn_implementation", "quantization_config", "dtype", "torch_dtype"}
_DRAWN = ("masked_spec_embed",)  # used in training only: a checkpoint may leave it out


def require() -> None:
    """Raises `UntoldError` where the extra is not installed."""
    if importlib.util.find_spec("transformers") is None:
        raise UntoldError("checkpoints of Hugging Face need the library transformers: pip install 'untold[hf]'")


def load(folder: CheckpointFolder, device: torch.device) -> nn.Module:
    """The network without its heads, in single precision, for use; raises `UntoldError` when weights and config.json do not fit."""
    require()
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"  # read when the library is imported: it asks nobody
    library: Any = importlib.import_module("transformers")
    logging = importlib.import_module("transformers.utils.logging")
    kind, shown = getattr(library, f"{_CLASSES[folder.kind]}Model"), logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        config = _config(getattr(library, f"{_CLASSES[folder.kind]}Config"), folder)
        with torch.device("meta"):  # nothing is allocated on the word of config.json
            wanted = sum(p.numel() for name, p in kind(config).named_parameters() if name not in _DRAWN)
        if wanted > folder.numbers:
            raise UntoldError(f"{folder.path}: config.json describes a network of {wanted} numbers, the weights hold {folder.numbers}: they do not belong together")
        network, told = kind.from_pretrained(
            str(folder.path), config=config, local_files_only=True, use_safetensors=True, trust_remote_code=False, output_loading_info=True,
            dtype=torch.float32,
        )
    except UntoldError:
        raise
    except Exception as error:  # the library raises what it likes where a folder is odd
        raise UntoldError(f"{folder.path}: transformers cannot load it ({str(error).strip().partition(chr(10))[0][:120]})") from None
    finally:
        logging.set_verbosity(shown)
        if bars:
            logging.enable_progress_bar()
    absent = sorted(set(told["missing_keys"]) - set(_DRAWN)) + sorted(str(key[0]) for key in told["mismatched_keys"])
    if absent:
        raise UntoldError(f"{folder.path} does not hold the weights that config.json describes ({len(absent)} are absent or of another size, such as {absent[0]})")
    if not all(bool(p.isfinite().all()) for p in network.parameters()):
        raise UntoldError(f"{folder.path} holds weights that are not finite: it is damaged")
    return network.requires_grad_(False).eval().to(device)


def _config(kind: Any, folder: CheckpointFolder) -> Any:
    """The sizes and kinds that the network has; what names code, kernels or number formats to be fetched is left out."""
    known = set(kind().to_dict()) - _LEFT_OUT
    return kind.from_dict({key: value for key, value in folder.config.items() if key in known and not key.startswith("_")})


class _Read(Exception):
    """The layer that is wanted was reached."""


def layer(network: Any, samples: Tensor, number: int) -> Tensor:
    """What layer `number` gives of samples (samples,): (steps, dimensions). 0 is what the first layer is given.

    These are the `hidden_states` of the library; layers above are not computed.
    """
    found: list[Tensor] = []

    def given(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        found.append(arguments[0] if arguments else named["hidden_states"])
        raise _Read

    def gave(module: nn.Module, arguments: tuple[Any, ...], result: Any) -> None:
        found.append(result[0] if isinstance(result, tuple) else result)
        raise _Read

    blocks = network.encoder.layers
    hook = blocks[0].register_forward_pre_hook(given, with_kwargs=True) if number == 0 else blocks[number - 1].register_forward_hook(gave)
    try:
        with torch.no_grad():
            network(samples[None])
    except _Read:
        pass
    finally:
        hook.remove()
    return found[0][0]
