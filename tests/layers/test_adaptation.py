"""Transforms that take out what is a speaker's own: against a general optimiser, and what no speech and padding do."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from untold.contract import Stream
from untold.frontends._frontend import sound_grid
from untold.layers.adaptation import adapted, likelier, plain, transformed
from untold.layers.gaussians import DiagonalMixture


def mixture(seed: int = 0, components: int = 6, dimensions: int = 3) -> DiagonalMixture:
    draw = torch.Generator().manual_seed(seed)
    found = DiagonalMixture(components, dimensions)
    found.means.copy_(2 * torch.randn(components, dimensions, generator=draw))
    found.variances.copy_(0.3 + torch.rand(components, dimensions, generator=draw))
    found.weights.copy_(torch.softmax(torch.randn(components, generator=draw), 0))
    return found


def spoken(by: DiagonalMixture, frames: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames as somebody says them, and the transform that takes back what is theirs."""
    draw = torch.Generator().manual_seed(seed)
    dimensions = by.means.shape[1]
    said = torch.multinomial(by.weights, frames, True, generator=draw)
    y = by.means[said] + by.variances[said].sqrt() * torch.randn(frames, dimensions, generator=draw)
    own = plain(1, dimensions)[0] + 0.2 * torch.randn(dimensions, dimensions + 1, generator=draw)
    return (y - own[:, -1]) @ torch.linalg.inv(own[:, :-1]).T, own


def recording(x: torch.Tensor) -> Stream:
    """Frames (steps, D) as a batch of one."""
    return Stream(x[None], torch.tensor([len(x)]), torch.ones(1, len(x), dtype=torch.bool), sound_grid(160))


def better(by: DiagonalMixture, x: torch.Tensor, transform: torch.Tensor, prior: float) -> torch.Tensor:
    """One round for one recording (steps, D)."""
    return likelier(by, recording(x), transform[None], prior)[0]


def objective(by: DiagonalMixture, x: torch.Tensor, transform: torch.Tensor) -> torch.Tensor:
    """What is to be small, in nats."""
    likelihoods = torch.logsumexp(by.log_likelihoods(transformed(x, transform)).double(), 1)
    return -likelihoods.sum() - len(x) * torch.linalg.slogdet(transform[:, :-1].double()).logabsdet


def likeliest(by: DiagonalMixture, x: torch.Tensor, rounds: int) -> torch.Tensor:
    transform = plain(1, x.shape[1])[0]
    for _ in range(rounds):
        transform = better(by, x, transform, 1e-9)
    return transform


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 20))
def test_each_round_makes_the_frames_likelier(seed: int) -> None:
    by = mixture(seed)
    x, _ = spoken(by, 2000, seed + 1)
    transform, before = plain(1, 3)[0], float("inf")
    for _ in range(20):
        now = float(objective(by, x, transform))
        assert now <= before + 0.05  # of ten thousand nats, summed of float32
        before, transform = now, better(by, x, transform, 1e-9)


def test_the_speaker_is_found() -> None:
    by = mixture()
    x, own = spoken(by, 20_000)
    transform = likeliest(by, x, 40)
    torch.testing.assert_close(transform, own, atol=0.05, rtol=0)
    assert objective(by, x, transform) < objective(by, x, own)  # likelier than the truth, as the likeliest is


def test_the_likeliest_is_that_of_a_general_optimiser() -> None:
    by = mixture()
    x, _ = spoken(by, 400)
    ours = likeliest(by, x, 100)
    theirs = plain(1, 3)[0].double().requires_grad_()
    peer = DiagonalMixture(6, 3).double()
    for name in ("weights", "means", "variances"):
        getattr(peer, name).copy_(getattr(by, name))
    steps = torch.optim.LBFGS([theirs], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        steps.zero_grad()
        nats = objective(peer, x.double(), theirs)
        nats.backward()
        return nats

    steps.step(loss)
    torch.testing.assert_close(ours.double(), theirs.detach(), atol=2e-3, rtol=0)


def test_no_speech_moves_nothing_and_little_speech_little() -> None:
    by = mixture()
    x, own = spoken(by, 3000)
    as_it_is = plain(1, 3)[0]
    assert (better(by, x[:0], as_it_is, 100.0) - as_it_is).abs().max() < 1e-5
    away = [float((better(by, x[:n], as_it_is, 300.0) - as_it_is).norm()) for n in (10, 300, 3000)]
    assert away[0] < away[1] < away[2] < float((own - as_it_is).norm())


def test_a_recording_alone_is_that_of_a_padded_batch() -> None:
    by = mixture()
    x, _ = spoken(by, 500)
    lengths = torch.tensor([500, 200])
    counted = torch.arange(500) < lengths[:, None]
    both = Stream(torch.stack([x, x.flip(0)]) * counted[..., None], lengths, counted, sound_grid(160))
    alone = Stream(both.values[1:, :200], lengths[1:], counted[1:, :200], both.grid)
    torch.testing.assert_close(adapted(by, both, 50.0).values[1, :200], adapted(by, alone, 50.0).values[0])
    nothing = Stream(x[None, :0], torch.tensor([0]), torch.zeros(1, 0, dtype=torch.bool), both.grid)
    assert adapted(by, nothing, 50.0).values.shape == (1, 0, 3)
