"""Recurrent layers that begin anew with each sequence: what was heard before is not known, and nothing is kept."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from untold.contract import Stream

_PIECE = 4096  # steps at once where nothing is learnt: gates of a two-hour recording would take gigabytes


class Recurrent(nn.Module):
    """An LSTM or a GRU over steps, forward: (batch, steps, in) -> (batch, steps, out). It sees all that was, so `reach` is
    `whole`; a long recording goes through in pieces that hand their state on."""

    def __init__(self, kind: str, dimensions: int, out: int, layers: int) -> None:
        super().__init__()
        self.cells = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](dimensions, out, layers, batch_first=True)

    def forward(self, x: Stream) -> Stream:
        if x.values.shape[1] == 0:
            return x.with_values(x.values.new_zeros((*x.values.shape[:2], self.cells.hidden_size)))
        if torch.is_grad_enabled():
            return x.with_values(self.cells(x.values)[0])
        parts: list[Tensor] = []
        state = None
        for part in x.values.split(_PIECE, 1):
            heard, state = self.cells(part, state)
            parts.append(heard)
        return x.with_values(torch.cat(parts, 1))
