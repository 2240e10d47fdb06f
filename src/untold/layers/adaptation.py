"""What is a speaker's own taken out of a recording: an affine transform of its frames, the likeliest under a mixture.

    y = A x + b        maximise  sum_t log sum_k w_k N(A x_t + b; m_k, v_k) + T log |det A|

No labels are needed: which component a frame comes of is summed over (EM), and the rows of (A b) are found one after
another in closed form. `prior` frames as the mixture itself would make them are counted beside those that were heard, so
that little speech moves little: of none, nothing. Source: Gales 1998, "Maximum likelihood linear transformations for
HMM-based speech recognition", section 2.2 (constrained transforms) and appendix B (their rows).
"""

from __future__ import annotations

import torch
from torch import Tensor

from untold.contract import Stream
from untold.layers.gaussians import DiagonalMixture

_ROWS = 4096  # frames at once
_SWEEPS = 12  # over the rows of a transform
_ROUNDS = 3  # of EM


def plain(dimensions: int) -> Tensor:
    """The transform that changes nothing (D, D + 1)."""
    return torch.eye(dimensions, dimensions + 1)


def transformed(x: Tensor, transform: Tensor) -> Tensor:
    """A x + b for frames (steps, D) and a transform (D, D + 1)."""
    return x @ transform[:, :-1].T + transform[:, -1]


def likelier(mixture: DiagonalMixture, x: Tensor, transform: Tensor, prior: float) -> Tensor:
    """One round of EM over frames x (steps, D): from a transform (D, D + 1) to one under which they are likelier."""
    precisions, weights, means = 1 / mixture.variances.double(), mixture.weights.double(), mixture.means.double()
    whole = torch.cat([means, torch.ones_like(means[:, :1])], 1)
    square = whole[:, :, None] * whole[:, None]
    square[:, :-1, :-1] += torch.diag_embed(mixture.variances.double())
    outer = prior * torch.einsum("k,ki,kab->iab", weights, precisions, square)  # of row i (D + 1, D + 1)
    cross = prior * torch.einsum("k,ki,ka->ia", weights, means * precisions, whole)
    for rows in x.split(_ROWS):
        shares = torch.softmax(mixture.log_likelihoods(transformed(rows, transform)), 1)
        heard = torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
        weighted = (shares @ (1 / mixture.variances))[:, :, None] * heard[:, None]
        outer += (weighted.flatten(1).T @ heard).view_as(outer)
        cross += (shares @ (mixture.means / mixture.variances)).T @ heard
    count, inverse, found = len(x) + prior, torch.linalg.inv(outer), transform.double().clone()
    for _ in range(_SWEEPS):
        for row in range(len(found)):
            cofactors = torch.linalg.inv(found[:, :-1])[:, row] * torch.linalg.det(found[:, :-1])
            turned = cofactors @ inverse[row, :-1]
            bent, mixed = turned[:-1] @ cofactors, turned @ cross[row]
            root = (mixed.square() + 4 * bent * count).sqrt()
            steps = torch.stack([root - mixed, -root - mixed]) / (2 * bent)
            gains = count * (steps * bent + mixed).abs().log() - 0.5 * steps.square() * bent
            found[row] = steps[gains.argmax()] * turned + cross[row] @ inverse[row]
    return found.to(transform.dtype)


def adapted(mixture: DiagonalMixture, x: Stream, prior: float) -> Stream:
    """Whole recordings (batch, steps, D), each through its own transform."""
    out = []
    for values, length in zip(x.values.float(), x.lengths.tolist(), strict=True):
        transform = plain(values.shape[1]).to(values)
        for _ in range(_ROUNDS if length else 0):
            transform = likelier(mixture, values[:length], transform, prior)
        out.append(transformed(values, transform))
    return x.with_values(torch.stack(out)) if out else x
