"""Compiled warping against paper, pencil and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untold.evaluation import _dtw
from untold.evaluation._abx_frames import prepare

from .abx_by_hand import item_distance


def distances(name, x, others):
    """d(x, y) for y of `others`, all in one bundle."""
    kind = _dtw.DISTANCES[name]
    every = np.concatenate(
        [np.asarray(x, float).reshape(len(x), -1), *(np.asarray(y, float).reshape(len(y), -1) for y in others)]
    )
    frames, more = prepare(kind, every)
    more = more if len(more) else frames
    lanes = -(-len(others) // _dtw.STEP) * _dtw.STEP
    longest = max(map(len, others))
    y, more_y = np.zeros((2, frames.shape[1], longest, lanes), np.float32)
    ends, at = np.zeros(lanes, np.int64), len(x)
    for lane, other in enumerate(others):
        y[:, : len(other), lane] = frames[at : at + len(other)].T
        more_y[:, : len(other), lane] = more[at : at + len(other)].T
        ends[lane] = len(other) - 1
        at += len(other)
    room, out = np.zeros((6, longest * lanes), np.float32), np.zeros(lanes, np.float32)
    flat = (frames.shape[1], longest * lanes)
    _dtw.against_bundle(
        kind,
        frames[: len(x) + 1],
        more[: len(x) + 1],
        len(x),
        y.reshape(flat),
        more_y.reshape(flat),
        lanes,
        ends,
        room,
        out,
    )
    return out[: len(others)].tolist()


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([0, 1], [1, 0], 1.0), ([0, 1, 2], [0, 2], 1 / 3), ([0, 0, 1], [0, 1, 1], 0.0), ([0, 1, 2, 3], [3], 0.75),
        ([1, 2, 3], [1, 3, 3, 4], 0.5), ([0, 2, 1, 0], [1, 0, 1], 0.6), ([1, 0, 1], [0, 2, 1, 0], 0.75),
    ],
)  # fmt: skip
def test_tokens_by_paper_and_pencil(x, y, expected):
    assert distances("identical", x, [y]) == pytest.approx([expected], abs=1e-7)


def test_vectors_of_libri_lights_tests():
    y = [(0, 1), (1, 2), (0, 0)]
    found = [
        distances("euclidean", x, [y])[0]
        for x in ([(0, 1), (0, 0), (1, 1)], [(0, 2), (0, 1), (1, 1), (-1, 0)], [(0, 0), (0, 1)])
    ]
    assert found == pytest.approx([math.sqrt(2) / 2, 0.75, (2 + math.sqrt(2)) / 3], abs=1e-6)


def test_null_vectors_lie_at_the_maximal_distance_from_others_and_at_none_from_each_other():
    assert distances("angular", [(0.0, 0.0)], [[(0.0, 0.0)], [(3.0, 1.0)], [(-1e-30, 0.0)]]) == [0, 1, 1]
    assert distances(
        "angular", [(1.0, 2.0)], [[(0.0, 0.0)], [(2.0, 4.0)], [(-2.0, 1.0)], [(-3.0, -6.0)]]
    ) == pytest.approx([1, 0, 0.5, 1], abs=1e-7)


def test_equal_frames_are_at_distance_zero_and_small_angles_are_exact():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 40))
    turned = x + 1e-5 * rng.normal(size=(1, 40))
    found = distances("angular", x, [x, 7 * x, turned])
    assert found[0] == found[1] == 0
    cross = math.asin(np.linalg.norm(x / np.linalg.norm(x) - turned / np.linalg.norm(turned)) / 2) * 2 / math.pi
    assert found[2] == pytest.approx(cross, rel=1e-2)


@given(st.data())
def test_a_bundle_equals_plain_loops(data):
    name = data.draw(st.sampled_from(list(_dtw.DISTANCES)))
    seed = data.draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    width = 1 if name == "identical" else data.draw(st.integers(2, 9))

    def stretch(low=1):
        steps = int(rng.integers(low, 12))
        values = rng.integers(0, 3, (steps, 1)) if name == "identical" else rng.normal(size=(steps, width))
        if name == "kl_symmetric":
            values = np.abs(values) + 0.01
            values /= values.sum(axis=1, keepdims=True)
        return values.astype(np.float32)

    x, others = stretch(), [stretch() for _ in range(data.draw(st.integers(1, 40)))]
    expected = [item_distance(name, x.tolist(), y.tolist()) for y in others]
    assert distances(name, x, others) == pytest.approx(expected, abs=3e-6)
