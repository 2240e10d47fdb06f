"""Columns and pixels of lines: what a step stands for, blocks that equal the whole, and bending that only the encoder sees."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.datasets import load_digits

from untold.contract import Grid
from untold.errors import UntoldError
from untold.frontends import columns, pixels, read_frames
from untold.frontends._excerpt import excerpt
from untold.settings import Choice


class Ink:
    """A line that lies in memory: ink (columns, 64) in [0, 1]."""

    grid, shape = Grid("pixel", Fraction(1), Fraction(1, 2)), (64,)

    def __init__(self, ink: np.ndarray) -> None:
        self.ink, self.steps = ink.astype(np.float32), len(ink)

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.ink[start:stop]


def noise(width: int, seed: int = 0) -> Ink:
    return Ink(np.random.default_rng(seed).random((width, 64)))


def stroke(width: int = 100, at: int = 50) -> Ink:
    """One upright stroke, 32 rows high, in the middle of a line."""
    ink = np.zeros((width, 64))
    ink[at - 2 : at + 2, 16:48] = 1
    return Ink(ink)


def test_a_step_is_the_mean_of_its_square_and_its_grid_says_so() -> None:
    line = noise(96)
    for height, hop in ((64, 1), (32, 2), (16, 4)):
        front = Choice.of("frontends", "columns", height=height).build()
        found = read_frames(front, line, 0, front.steps(96), {}).numpy()
        np.testing.assert_allclose(found, line.ink.reshape(96 // hop, hop, height, hop).mean((1, 3)), atol=1e-6)
        assert (front.grid.unit, front.grid.step, front.grid.start(1), front.dimensions) == ("pixel", "column", hop, height)


def test_height_is_a_number_of_three() -> None:
    assert Choice.of("frontends", "columns", height="16").build().dimensions == 16
    with pytest.raises(UntoldError, match=r"height = 24: one of 16, 32, 64 expected"):
        Choice.of("frontends", "pixels", height=24)


@pytest.mark.parametrize("width", [97, 98, 99])
def test_blocks_equal_the_whole_and_alone_equals_in_a_padded_batch(width: int) -> None:
    lines = [noise(width), noise(160, 1)]
    for front in (Choice.of("frontends", "columns").build(), Choice.of("frontends", "columns", height=16).build(), Choice.of("frontends", "pixels").build()):
        steps = front.steps(width)
        assert abs(steps * front.hop - width) <= front.hop // 2  # half of the last step is there
        whole = read_frames(front, lines[0], 0, steps, {})
        parts = [read_frames(front, lines[0], a, min(steps, a + 7), {}) for a in range(0, steps, 7)]
        torch.testing.assert_close(torch.cat(parts), whole)
        together = front(excerpt(lines, [0, 0], [width, 160], front.margin), {})
        assert together.lengths.tolist() == [steps, front.steps(160)]
        torch.testing.assert_close(together.values[0, :steps], whole)
        assert not together.values[0, steps:].any()
        assert together.counted.sum(1).tolist() == together.lengths.tolist()


def test_bending_moves_and_slants_strokes_in_training_only_and_by_keys() -> None:
    front = Choice.of("frontends", "columns", height=64, bend="random").build()
    given = excerpt([stroke()] * 8, [0] * 8, [100] * 8, 0)
    straight, keys = front(given, {}).values, torch.arange(8)
    assert torch.equal(straight, given.samples)
    bent = front(given, {}, keys).values
    assert torch.equal(bent, front(given, {}, keys).values)
    assert torch.equal(bent[3], front(excerpt([stroke()], [0], [100], 0), {}, keys[3:4]).values[0])
    across = torch.arange(100) + 0.5
    slants, heights, middles = [], [], []
    for line in bent:
        rows = line.sum(0).ge(1).nonzero()[:, 0]
        place = [float((line[:, row] * across).sum() / line[:, row].sum()) for row in rows.tolist()]
        slants.append((place[-3] - place[2]) / (len(place) - 5))
        heights.append(len(rows))
        middles.append(float(rows.float().mean()))
    assert max(slants) - min(slants) > 0.1  # rows move along the line
    assert max(map(abs, slants)) < 0.35
    assert len(set(heights)) > 2
    assert 26 <= min(heights) <= max(heights) <= 38
    assert 24 < min(middles) < max(middles) < 40
    centre = (bent.sum(2) * across).sum(1) / bent.sum((1, 2))
    assert float((centre - 50).abs().max()) < 2.5  # letters stay in their places, for the target is not bent


def test_what_a_decoder_is_asked_for_is_never_bent() -> None:
    front = Choice.of("frontends", "pixels").build()
    given = excerpt([stroke()], [0], [100], 0)
    assert torch.equal(front(given, {}, torch.tensor([5])).values, front(given, {}).values)


def test_levels_are_the_nearest_and_lead_back_to_ink() -> None:
    front = pixels.build(pixels.Settings(height=64, levels=4))
    line = noise(40)
    classes = read_frames(front, line, 0, 40, {})
    assert classes.dtype == torch.int64
    assert classes.unique().tolist() == [0, 1, 2, 3]
    assert float((front.ink(classes) - torch.from_numpy(line.ink)).abs().max()) <= 1 / 6 + 1e-6
    picture = pixels.invert(classes.numpy())
    assert picture.shape == (64, 40)
    assert picture[0, 0] == 255 - 85 * int(classes[0, 0])


def test_a_picture_of_columns_is_the_line_again() -> None:
    digits = np.concatenate(load_digits().images[:6], 1) / 16
    line = Ink(ndimage.zoom(digits, 8, order=1).clip(0, 1).T)
    picture = columns.invert(read_frames(columns.build(columns.Settings()), line, 0, line.steps // 2, {}).numpy())
    assert picture.shape == (64, line.steps)
    assert picture.dtype == np.uint8
    assert np.abs(1 - picture.T / 255 - line.ink).mean() < 0.03
    assert line.ink.mean() > 0.2
