"""Segmentation: exact by brute force, the same in pieces, and what a price, a count and lengths do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untold.errors import UntoldError
from untold.layers.segmentation import (
    Path,
    decode,
    decode_count,
    decode_lengths,
    gamma_price,
    histogram_price,
    merge_greedily,
    poisson_price,
)

SIZES = (st.integers(1, 7), st.integers(1, 4), st.integers(0, 10_000))


def drawn(steps: int, size: int, seed: int) -> np.ndarray:
    """Costs, some of them whole numbers, so that there are ties."""
    draw = np.random.default_rng(seed)
    return draw.integers(0, 5, (steps, size)).astype(np.float64) if seed % 2 else draw.random((steps, size))


def cost(costs: np.ndarray, tokens: np.ndarray, penalty: float) -> float:
    return float(costs[np.arange(len(tokens)), tokens].sum() + penalty * (tokens[1:] != tokens[:-1]).sum())


def every(steps: int, size: int) -> list[np.ndarray]:
    return [np.array(tokens) for tokens in itertools.product(range(size), repeat=steps)]


def runs(tokens: np.ndarray) -> int:
    return 1 + int((tokens[1:] != tokens[:-1]).sum())


@given(*SIZES, st.sampled_from([0.0, 0.3, 1.0, 2.5, 100.0]))
def test_a_price_is_exact(steps: int, size: int, seed: int, penalty: float) -> None:
    costs = drawn(steps, size, seed)
    tokens, total = decode(costs[None], np.array([steps]), penalty)
    best = min(cost(costs, some, penalty) for some in every(steps, size))
    assert total[0] == pytest.approx(best, abs=1e-12)
    assert cost(costs, tokens[0], penalty) == pytest.approx(best, abs=1e-12)


@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 2.0]), st.integers(1, 9))
def test_pieces_give_what_the_whole_gives(steps: int, size: int, seed: int, penalty: float, width: int) -> None:
    costs = drawn(steps, size, seed)
    whole, total = decode(costs[None], np.array([steps]), penalty)
    path = Path(size, penalty)
    parts = [path.push(costs[start : start + width]) for start in range(0, steps, width)]
    rest, found = path.finish()
    assert np.array_equal(np.concatenate([*parts, rest]), whole[0])
    assert found == total[0]


def all_pairs(costs: np.ndarray, penalty: float) -> float:
    """The least cost by the table of all transitions, in float64: the oracle of sizes that no list of all paths can hold."""
    change = penalty * (1 - np.eye(costs.shape[1]))
    best = costs[0].astype(np.float64)
    for row in costs[1:]:
        best = (best[:, None] + change).min(0) + row
    return float(best.min())


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("size", [15, 16, 17, 63, 64, 65, 79, 130, 1100])
def test_vectors_of_states_and_what_is_left_over_are_exact(size: int, kind: type) -> None:
    """Sizes about those of the vectors, recordings decoded together, whole numbers so that there are ties."""
    draw = np.random.default_rng(size)
    costs = np.stack([draw.random((40, size)), draw.integers(0, 3, (40, size)), draw.random((40, size)) * (1 - np.eye(40, size, size - 1 - 20))]).astype(kind)
    lengths = np.array([40, 33, 40])
    tokens, totals = decode(costs, lengths, 0.25)
    for row, length in enumerate(lengths):
        assert totals[row] == pytest.approx(all_pairs(costs[row, :length], 0.25), abs=1e-12)
        assert cost(costs[row].astype(np.float64), tokens[row, :length], 0.25) == pytest.approx(totals[row], abs=1e-12)
        path = Path(size, 0.25)
        parts = [path.push(costs[row, start : start + 7][: length - start]) for start in range(0, length, 7)]
        rest, found = path.finish()
        assert found == totals[row]
        assert np.array_equal(np.concatenate([*parts, rest]), tokens[row, :length])


@pytest.mark.parametrize("place", [0, 14, 63, 64, 78])
def test_a_cost_that_is_no_number_is_seen_wherever_it_stands(place: int) -> None:
    costs = np.zeros((2, 5, 79), np.float32)
    costs[1, 3, place] = np.nan
    with pytest.raises(UntoldError, match="of recording 1 are not numbers at step 3"):
        decode(costs, np.array([5, 5]), 1.0)
    decode(costs, np.array([5, 3]), 1.0)  # beyond the length it does not matter
    path = Path(79, 1.0)
    with pytest.raises(UntoldError, match="are not numbers at step 3"):
        path.push(costs[1])


def test_what_is_settled_comes_early_and_little_is_remembered() -> None:
    draw = np.random.default_rng(0)
    truth = np.repeat(draw.integers(0, 8, 4000), 5)
    costs = draw.random((20_000, 8)) + 2.0 * (np.arange(8) != truth[:, None])
    path, late = Path(8, 1.5), 0
    for start in range(0, 20_000, 100):
        path.push(costs[start : start + 100])
        late = max(late, path.at - path.settled)
        assert len(path.before) < 400
    assert late < 300


def test_recordings_are_decoded_alone_and_ties_stay() -> None:
    costs = np.random.default_rng(1).random((3, 9, 4)).astype(np.float32)
    tokens, totals = decode(costs, np.array([9, 4, 0]), 0.4)
    assert (tokens[1, 4:] == -1).all()
    assert (tokens[2] == -1).all()
    assert totals[2] == 0
    alone, total = decode(costs[1:2, :4], np.array([4]), 0.4)
    assert np.array_equal(alone[0], tokens[1, :4])
    assert total[0] == totals[1]
    tie = np.array([[0.0, 1.0], [1.0, 0.0]])  # a change gains what it costs
    assert runs(decode(tie[None], np.array([2]), 1.0)[0][0]) == 1


@given(*SIZES, st.integers(1, 5))
def test_a_count_is_exact(steps: int, size: int, seed: int, count: int) -> None:
    if count > steps or (count > 1 and size < 2):
        return
    costs = drawn(steps, size, seed)
    tokens, totals = decode_count(costs, count)
    by_count = [min((cost(costs, some, 0) for some in every(steps, size) if runs(some) == c), default=np.inf) for c in range(1, count + 1)]
    np.testing.assert_allclose(totals, by_count, atol=1e-12)
    assert runs(tokens) == count
    assert cost(costs, tokens, 0) == pytest.approx(by_count[-1], abs=1e-12)


def test_a_count_that_no_price_gives() -> None:
    costs = np.array([[3, 1, 0], [2, 0, 1], [0, 3, 3], [3, 1, 3.0]])
    assert decode_count(costs, 4)[1].tolist() == [5, 4, 2, 1]
    found = {runs(decode(costs[None], np.array([4]), penalty)[0][0]) for penalty in np.linspace(0, 6, 601)}
    assert 2 not in found
    assert runs(decode_count(costs, 2)[0]) == 2


@given(st.integers(1, 7), st.integers(2, 3), st.integers(0, 10_000), st.integers(1, 3), st.integers(0, 4))
def test_lengths_are_exact(steps: int, size: int, seed: int, shortest: int, more: int) -> None:
    costs, longest = drawn(steps, size, seed), shortest + more
    price = np.random.default_rng(seed + 1).random(longest)
    best = np.inf
    for tokens in every(steps, size):
        spans = np.diff(np.r_[0, np.flatnonzero(tokens[1:] != tokens[:-1]) + 1, steps])
        if spans.max() <= longest and (spans[:-1] >= shortest).all():
            best = min(best, cost(costs, tokens, 0) + price[spans - 1].sum())
    tokens, spans, total = decode_lengths(costs, price, shortest)
    if not np.isfinite(best):  # lengths that no sum of spans gives
        assert not np.isfinite(total)
        return
    assert total == pytest.approx(best, abs=1e-12)
    path = np.repeat(tokens, spans)
    assert len(path) == steps
    assert cost(costs, path, 0) + price[spans - 1].sum() == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("price", [poisson_price(5, 30), gamma_price(3, 2.5, 30), histogram_price(np.array([5, 5, 6, 9]), 30)])
def test_prices_are_those_of_distributions_and_draw_lengths_to_them(price: np.ndarray) -> None:
    assert np.exp(-price).sum() == pytest.approx(1)
    assert np.isfinite(price).all()
    assert price.argmin() + 1 in (4, 5)


def test_lengths_that_are_cheap_are_taken() -> None:
    noise = 1e-3 * np.random.default_rng(0).random((600, 40))
    price = histogram_price(np.full(10**6, 5), 30)
    assert set(decode_lengths(noise, price)[1].tolist()) == {5}
    assert decode_lengths(noise, np.zeros(30))[1].mean() < 1.2  # where no length costs anything, the nearest


def test_greedy_merging_gives_the_count_and_costs_no_less() -> None:
    above = []
    for seed in range(30):
        costs = np.random.default_rng(seed).random((24, 5))
        tokens = merge_greedily(costs, 8)
        assert runs(tokens) <= 8
        above.append(cost(costs, tokens, 0) / decode_count(costs, runs(tokens))[1][-1] - 1)
    assert min(above) > -1e-12
    assert 0 < np.mean(above) < 0.2


@pytest.mark.parametrize("word", ["nan", "inf", "price", "none"])
def test_what_cannot_be_decoded_is_said(word: str) -> None:
    costs = np.zeros((1, 4, 3))
    if word in ("nan", "inf"):
        costs[0, 2, 1] = float(word)
    with pytest.raises(UntoldError, match={"price": "0 or more", "none": "no codewords"}.get(word, "of recording 0 are not numbers at step 2")):
        decode(costs[:, :, :0] if word == "none" else costs, np.array([4]), -1.0 if word == "price" else 1.0)
