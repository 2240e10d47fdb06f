"""Polyak averages of weights: what is used after training (Polyak & Juditsky 1992; decay 0.9999 in arXiv 1901.08810).

Only parameters are averaged. Buffers (codewords, counts, batch statistics) are averages of their own already, and a
mean over a re-initialised codeword would mix unrelated vectors: they are taken as they stand.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """Exponential averages of a module's parameters; short runs forget their beginning sooner than `decay` says."""

    def __init__(self, module: nn.Module, decay: float = 0.9995) -> None:
        self.decay, self.steps = decay, 0
        self.values = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def follow(self, module: nn.Module) -> None:
        """One step nearer to the module's parameters."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (20 + self.steps))
        parameters = dict(module.named_parameters())
        names = list(self.values)
        torch._foreach_lerp_([self.values[n] for n in names], [parameters[n].detach() for n in names], 1 - decay)

    @torch.no_grad()
    def settle(self, module: nn.Module) -> None:
        """Puts the averages in the place of the module's parameters."""
        for name, parameter in module.named_parameters():
            parameter.copy_(self.values[name])

    def state(self, module: nn.Module) -> dict[str, Tensor]:
        """The module's state with averaged parameters."""
        return {name: self.values.get(name, value).detach() for name, value in module.state_dict().items()}
