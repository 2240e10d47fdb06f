"""A gated residual stack of dilated causal convolutions (WaveNet), forward and backward with few passes over memory.

Per layer, with taps at t and t - d:

    a | b = x(t) present + x(t - d) past + condition,   g = tanh(a) sigmoid(b),   x <- x + g residual

and over all layers the skip sum g skip. Conditions come at a rate of their own: each row of them holds for as many
samples as there are samples to a row, and nothing is computed per sample. Source: van den Oord et al. 2016, arXiv
1609.03499, sections 2.3 to 2.5.

It is one function of autograd, because elementwise passes and allocations cost more than the products. The sigmoid is
the tanh of half its argument, so both gates are one pass; the skip sum of all layers is one product. The halves are
folded into the weights, which is exact in floating point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor


def stack(
    x: Tensor, conditions: Tensor, past: Tensor, present: Tensor, residual: Tensor, skip: Tensor, dilations: Sequence[int]
) -> Tensor:
    """The skip sum (batch, samples, skips).

    x (batch, samples, channels); conditions (batch, rows, layers, 2 channels), rows dividing samples; past and present
    (layers, channels, 2 channels); residual (layers, channels, channels); skip (layers, channels, skips). What lies
    before the first sample is zero. The last layer's residual is not used.
    """
    if torch.is_autocast_enabled(x.device.type):
        low = torch.get_autocast_dtype(x.device.type)
        x, conditions, past, present, residual, skip = (part.to(low) for part in (x, conditions, past, present, residual, skip))
    with torch.autocast(x.device.type, enabled=False):
        return cast(Tensor, _Stack.apply(x, conditions, past, present, residual, skip, tuple(dilations)))


class _Stack(torch.autograd.Function):
    """See `stack`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, conditions: Tensor, past: Tensor, present: Tensor, residual: Tensor, skip: Tensor, dilations: tuple[int, ...]
    ) -> Tensor:
        batch, samples, channels = x.shape
        layers, rows = len(dilations), conditions.shape[1]
        half = _halves(channels, x)
        keep = any(ctx.needs_input_grad)
        heard = x.new_empty((layers if keep else 2, batch, samples, channels))
        gates = x.new_empty((layers if keep else 1, batch, samples, 2 * channels))
        gated = x.new_empty((batch, samples, (layers if keep else 1) * channels))
        skips = x.new_zeros((batch, samples, skip.shape[2]))
        heard[0] = x
        for number, dilation in enumerate(dilations):
            now, u = heard[number if keep else number % 2], gates[number if keep else 0]
            g = gated[..., number * channels : (number + 1) * channels] if keep else gated
            u.view(batch, rows, samples // rows, 2 * channels).copy_((conditions[:, :, number] * half)[:, :, None])
            u.view(batch * samples, 2 * channels).addmm_(now.view(batch * samples, channels), present[number] * half)
            if dilation < samples:
                _add(u[:, dilation:], now[:, : samples - dilation], past[number] * half)
            u.tanh_()
            torch.addcmul(u[..., :channels], u[..., :channels], u[..., channels:], out=g)  # twice the gated value
            if number + 1 < layers:
                following = heard[number + 1 if keep else (number + 1) % 2]
                torch.addmm(now.view(batch * samples, channels), g.flatten(0, 1), residual[number], alpha=0.5, out=following.view(batch * samples, channels))
            if not keep:
                skips.view(batch * samples, skips.shape[-1]).addmm_(g.flatten(0, 1), skip[number], alpha=0.5)
        if keep:
            ctx.save_for_backward(heard, gates, gated, past, present, residual, skip)
            ctx.dilations, ctx.rows = dilations, rows
            torch.mm(gated.view(batch * samples, layers * channels), skip.flatten(0, 1) * 0.5, out=skips.view(batch * samples, skips.shape[-1]))
        return skips

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        heard, gates, gated, past, present, residual, skip = ctx.saved_tensors
        layers, batch, samples, channels = heard.shape
        half = _halves(channels, grad)
        flat = grad.reshape(batch * samples, grad.shape[-1])
        d_skip = (torch.mm(gated.view(batch * samples, layers * channels).T, flat) * 0.5).view_as(skip)
        d_gated = torch.mm(flat, skip.flatten(0, 1).T * 0.5).view(batch, samples, layers * channels)
        d_past, d_present, d_residual = torch.zeros_like(past), torch.empty_like(present), torch.zeros_like(residual)
        d_conditions = grad.new_empty((batch, ctx.rows, layers, 2 * channels))
        d_u, d_x = grad.new_empty((batch, samples, 2 * channels)), grad.new_zeros((batch, samples, channels))
        flat_u, flat_x = d_u.view(batch * samples, 2 * channels), d_x.view(batch * samples, channels)
        d_g = grad.new_empty((batch, samples, channels))
        for number in reversed(range(layers)):
            dilation, now, u = ctx.dilations[number], heard[number], gates[number]
            part = slice(number * channels, (number + 1) * channels)
            if number + 1 < layers:
                torch.mm(gated[..., part].flatten(0, 1).T, flat_x, out=d_residual[number])
                torch.addmm(d_gated[..., part].flatten(0, 1), flat_x, residual[number].T, alpha=0.5, out=d_g.view(batch * samples, channels))
            else:
                d_g.copy_(d_gated[..., part])
            torch.addcmul(d_g, d_g, u[..., channels:], out=d_u[..., :channels])
            torch.mul(d_g, u[..., :channels], out=d_u[..., channels:])
            torch.ops.aten.tanh_backward.grad_input(d_u, u, grad_input=d_u)
            d_conditions[:, :, number] = d_u.view(batch, ctx.rows, samples // ctx.rows, 2 * channels).sum(2)
            torch.mm(now.view(batch * samples, channels).T, flat_u, out=d_present[number])
            flat_x.addmm_(flat_u, (present[number] * half).T)
            if dilation < samples:
                _add_outer(d_past[number], now[:, : samples - dilation], d_u[:, dilation:])
                _add(d_x[:, : samples - dilation], d_u[:, dilation:], (past[number] * half).T)
        return d_x, d_conditions * half, d_past * half, d_present * half, d_residual * 0.5, d_skip, None


def _add(out: Tensor, x: Tensor, weight: Tensor) -> None:
    """out (batch, n, b) += x (batch, n, a) weight (a, b), of stretches of longer rows: row by row on a CPU, at once on a GPU."""
    if out.is_cuda:
        out.baddbmm_(x, weight.expand(len(x), -1, -1))
        return
    for row in range(len(out)):
        out[row].addmm_(x[row], weight)


def _add_outer(out: Tensor, x: Tensor, y: Tensor) -> None:
    """out (a, b) += the sum over rows of x (batch, n, a) transposed times y (batch, n, b)."""
    if out.is_cuda:
        out.add_(torch.bmm(x.transpose(1, 2), y).sum(0))
        return
    for row in range(len(x)):
        out.addmm_(x[row].T, y[row])


def _halves(channels: int, like: Tensor) -> Tensor:
    """1 for the half of the gates that is a tanh, 1/2 for the half that is a sigmoid."""
    out = like.new_ones(2 * channels)
    out[channels:] = 0.5
    return out
