"""Several processes of one run: who I am, waiting for the others, and what only the first one does."""

from __future__ import annotations

from collections.abc import Callable

import torch

from untold.errors import UntoldError
from untold.layers.across import spread


def share() -> tuple[int, int]:
    """(rank, processes)."""
    if not spread():
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def is_first() -> bool:
    """Whether this process is the one that speaks and writes."""
    return share()[0] == 0


def together() -> None:
    """Waits until all processes are here."""
    if spread():
        torch.distributed.barrier()


def by_first(work: Callable[[], object]) -> None:
    """Work that the first process does while the others wait. Where it fails all end: the first says why, the others with status 1."""
    failed: UntoldError | OSError | None = None
    if is_first():
        try:
            work()
        except (UntoldError, OSError) as error:
            failed = error
    if spread():
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        told = torch.tensor([0 if failed is None else 1], device=device)
        torch.distributed.broadcast(told, 0)
        if int(told) and failed is None:
            raise SystemExit(1)
    if failed is not None:
        raise failed
