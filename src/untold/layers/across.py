"""Sums over the processes of a distributed run; with one process, nothing."""

from __future__ import annotations

import torch
import torch.distributed
from torch import Tensor


def spread() -> bool:
    """Whether several processes train together."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def summed(value: Tensor) -> Tensor:
    """The sum of `value` over all processes; gradients flow back to every process' share."""
    if not spread():
        return value
    if value.requires_grad:
        from torch.distributed.nn.functional import all_reduce

        return all_reduce(value.contiguous())  # type: ignore[no-any-return,no-untyped-call]
    value = value.clone()
    torch.distributed.all_reduce(value)
    return value


def from_first(value: Tensor) -> Tensor:
    """The first process' `value`, in every process."""
    if spread():
        value = value.contiguous()
        torch.distributed.broadcast(value, 0)
    return value


def gathered(value: Tensor) -> Tensor:
    """The rows (n, ...) of all processes, in the order of the processes; n may differ."""
    if not spread():
        return value
    world = torch.distributed.get_world_size()
    counts = [torch.zeros(1, dtype=torch.int64, device=value.device) for _ in range(world)]
    torch.distributed.all_gather(counts, torch.tensor([len(value)], device=value.device))
    most = int(max(int(c) for c in counts))
    padded = value.new_zeros((most, *value.shape[1:]))
    padded[: len(value)] = value
    parts = [torch.empty_like(padded) for _ in range(world)]
    torch.distributed.all_gather(parts, padded)
    return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])
