"""Will a step of training fit in memory? Reckoned before it begins, from what one example keeps for its gradient."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from untold.contract import Phase
from untold.corpora import Corpus, Pieces
from untold.driver import Model
from untold.errors import UntoldError
from untold.frontends import excerpt
from untold.training.loader import AdaptedTable, rows
from untold.training.processes import share

_COPIES = 5  # of each weight: itself, its gradient, two moments of Adam, the average
_CGROUP = Path("/sys/fs/cgroup")


def check(model: Model, corpus: Corpus | Pieces, adapted: AdaptedTable, precision: str) -> None:
    """Raises `UntoldError` with the numbers where a step of a learning phase keeps more than there is."""
    free = available(model.device())
    weights = sum(p.numel() * p.element_size() for p in model.parameters()) * _COPIES
    for phase in model.method.phases():
        if not phase.players:
            continue
        mine = -(-phase.batch // share()[1])
        example = kept_by_an_example(model, corpus, adapted, phase, precision)
        needed = weights + mine * example
        if needed > free:
            fits = max(0, int((free - weights) / max(1, example)) * share()[1])
            what = f"a batch of {fits} would fit (--set batch={fits})" if fits else "take a smaller network or shorter examples"
            raise UntoldError(
                f"{model.name} does not fit in memory: a step of {phase.batch} examples of {float(phase.crop):g} {corpus.medium.unit}s keeps at least "
                f"{needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; {what}"
            )


def kept_by_an_example(model: Model, corpus: Corpus | Pieces, adapted: AdaptedTable, phase: Phase, precision: str) -> float:
    """Bytes that autograd keeps of one example, measured on a copy of the model."""
    twin = copy.deepcopy(model).train()
    own = {p.untyped_storage().data_ptr() for p in twin.parameters()}
    place, wanted = int(np.argmax(corpus.steps())), round(phase.crop * corpus.medium.rate)
    recording = corpus[place]
    given = excerpt([recording.signal], [0], [min(wanted, recording.signal.steps)], twin.margin)
    index, device = torch.tensor([place], device=twin.device()), twin.device()
    batch = twin.batch(given.to(device), rows(adapted, [place], device), twin.side_indices([recording]), index, index)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast(model.device().type, torch.bfloat16, enabled=precision == "bf16"):
        losses = twin.method.losses(batch, phase.players[0].name)
    del losses
    return float(sum(kept.values()))


def available(device: torch.device) -> int:
    """Bytes that can still be taken on a device, as its system and the limits of a container say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return min(free, int(limit) - int(used))
    except (OSError, ValueError):  # no such limit here
        return free
