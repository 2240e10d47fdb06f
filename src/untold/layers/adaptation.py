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

_STEPS = 1024  # of each recording at once
_SWEEPS = 4  # over the rows of a transform: twelve move frames by less than three thousandths more
_ROUNDS = 3  # of EM


def plain(recordings: int, dimensions: int) -> Tensor:
    """The transforms that change nothing (recordings, D, D + 1)."""
    return torch.eye(dimensions, dimensions + 1).repeat(recordings, 1, 1)


def transformed(x: Tensor, transforms: Tensor) -> Tensor:
    """A x + b for frames (recordings, steps, D), each recording through its own transform (recordings, D, D + 1)."""
    return x @ transforms[..., :-1].mT + transforms[..., None, :, -1]


def likelier(mixture: DiagonalMixture, x: Stream, transforms: Tensor, prior: float, sweeps: int = _SWEEPS) -> Tensor:
    """One round of EM over recordings (recordings, steps, D): from transforms (recordings, D, D + 1) to some under which they are likelier."""
    precisions, weights, means = 1 / mixture.variances.double(), mixture.weights.double(), mixture.means.double()
    whole = torch.cat([means, torch.ones_like(means[:, :1])], 1)
    square = whole[:, :, None] * whole[:, None]
    square[:, :-1, :-1] += torch.diag_embed(mixture.variances.double())
    outer = prior * torch.einsum("k,ki,kab->iab", weights, precisions, square).expand(len(x.values), -1, -1, -1)  # of row i (D + 1, D + 1)
    cross = prior * torch.einsum("k,ki,ka->ia", weights, means * precisions, whole).expand(len(x.values), -1, -1)
    natural = torch.cat([1 / mixture.variances, mixture.means / mixture.variances], 1)
    for values, counted in zip(x.values.split(_STEPS, 1), x.counted.split(_STEPS, 1), strict=True):
        shares = torch.softmax(mixture.log_likelihoods(transformed(values, transforms)), -1)
        heard = torch.cat([values, torch.ones_like(values[..., :1])], -1) * counted[..., None]
        pairs = (heard[..., None] * heard[..., None, :]).flatten(2)
        sure, drawn = (shares @ natural).chunk(2, -1)
        outer = outer + (sure.mT @ pairs).view_as(outer)
        cross = cross + drawn.mT @ heard
    count, inverse, found = x.counted.sum(1) + prior, torch.linalg.inv(outer), transforms.double().clone()
    middle = (cross[:, :, None] @ inverse)[:, :, 0]  # of each row: where it would be, were there no determinant
    for _ in range(sweeps):
        undone = torch.linalg.inv(found[..., :-1])
        for row in range(found.shape[1]):
            cofactors = undone[..., row]  # of the row, but for the determinant: their length does not matter
            turned = (cofactors[:, None] @ inverse[:, row, :-1])[:, 0]
            bent, mixed = (turned[:, :-1] * cofactors).sum(1), (turned * cross[:, row]).sum(1)
            root = (mixed.square() + 4 * bent * count).sqrt()
            steps = torch.stack([root - mixed, -root - mixed]) / (2 * bent)
            gains = count * (steps * bent + mixed).abs().log() - 0.5 * steps.square() * bent
            moved = steps.gather(0, gains.argmax(0)[None])[0, :, None] * turned + middle[:, row] - found[:, row]
            found[:, row] += moved
            # the inverse after a change of one row (Sherman and Morrison 1950)
            along = (moved[:, None, :-1] @ undone)[:, 0]
            undone = undone - cofactors[..., None] * (along / (1 + along[:, row, None]))[:, None]
    return found.to(transforms.dtype)


def adapted(mixture: DiagonalMixture, x: Stream, prior: float, rounds: int = _ROUNDS, sweeps: int = _SWEEPS) -> Stream:
    """Recordings (recordings, steps, D), each through its own transform, found in so many rounds of EM with so many sweeps over its rows."""
    x = x.with_values(x.values.float())
    transforms = plain(*x.values.shape[::2]).to(x.values)
    for _ in range(rounds if x.values.numel() else 0):
        transforms = likelier(mixture, x, transforms, prior, sweeps)
    return x.with_values(transformed(x.values, transforms))
