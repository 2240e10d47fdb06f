"""Reading in chunks: whatever the stages, what is read in pieces is what is read at once."""

from __future__ import annotations

from fractions import Fraction

import torch
from hypothesis import given
from hypothesis import strategies as st

from untold.contract import Grid, Stage, Stream
from untold.driver import _Way
from untold.layers.convolution import strided


def boxes(before: int, after: int, stride: int) -> Stage:
    """Sums over the `stride` steps under an output step and so many on each side."""

    def run(x: Stream) -> Stream:
        steps = -(-x.values.shape[1] // stride)
        padded = torch.nn.functional.pad(x.values, (0, 0, before, after + stride))
        sums = padded.unfold(1, before + stride + after, stride)[:, :steps].sum(-1)
        return strided(x, sums, torch.full_like(x.lengths, steps), stride)

    return Stage("boxes", run, (before, after), stride)


def split() -> Stage:
    """Two steps for each."""

    def run(x: Stream) -> Stream:
        return Stream(torch.stack([x.values, -2 * x.values], 2).flatten(1, 2), x.lengths * 2, x.counted.repeat_interleave(2, 1), x.grid.strided(Fraction(1, 2)))

    return Stage("split", run, (0, 0), Fraction(1, 2))


STAGES = st.one_of(st.builds(boxes, st.integers(0, 4), st.integers(0, 4), st.integers(1, 3)), st.builds(split))


@given(stages=st.lists(STAGES, min_size=1, max_size=4), total=st.integers(1, 60), chunk=st.integers(1, 25))
def test_chunks_equal_the_whole(stages: list[Stage], total: int, chunk: int) -> None:
    values = torch.randint(-9, 10, (total, 1), generator=torch.Generator().manual_seed(total)).double()
    way = _Way(lambda start, stop: values[start:stop], total, Grid("second", Fraction(100), Fraction(0)), torch.device("cpu")).through(stages)
    whole = way.read(0, way.total)
    assert len(whole) == way.total
    assert torch.equal(torch.cat(list(way.parts(chunk))), whole)
