"""Boundaries: published answers, the assignment optimum, conventions, and both ends of the scale."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.optimize import linear_sum_assignment

from untold.contract import Grid, Interval, Units
from untold.errors import UntoldError
from untold.evaluation import boundaries
from untold.evaluation._options import TaskOptions
from untold.evaluation.tasks import boundaries as task

from .pretended import Subject, corpus

# (precision, recall) -> F1, over-segmentation, R-value: kamperh/vqwordseg and speech.md 3.4
KNOWN = [
    (0.6642, 0.7577, 0.7079, 0.1408, 0.7245),
    (0.7054, 0.7114, None, None, 0.7506),
    (0.5, 1.0, 0.6667, 1.0, 0.1464),
    (1.0, 0.5, 0.6667, -0.5, 0.6464),
    (1.0, 1.0, 1.0, 0.0, 1.0),
    (0.2921, 0.95, None, None, -0.9404),
]


@pytest.mark.parametrize(("p", "r", "f", "over", "value"), KNOWN)
def test_scores_of_counts_are_the_published_ones(p, r, f, over, value):
    counts = np.array([p * r, r, p]) * 1e8  # hits, found, there: any counts with this precision and recall
    assert boundaries.precision(counts) == pytest.approx(p)
    assert boundaries.recall(counts) == pytest.approx(r)
    assert boundaries.r_value(counts) == pytest.approx(value, abs=2e-4)
    if f is not None:
        assert boundaries.f1(counts) == pytest.approx(f, abs=1e-4)
        assert boundaries.over_segmentation(counts) == pytest.approx(over, abs=1e-4)


def test_nothing_found_is_defined():
    counts = np.array([0.0, 0.0, 7.0])
    assert [float(m(counts)) for m in boundaries.METRICS.values()] == pytest.approx([0, 0, 0, 1 - 2**0.5 / 2, -1])


def test_closest_pair_first_would_lose_a_match():
    there, found = [Fraction(10), Fraction(23, 2)], [Fraction(11), Fraction(25, 2)]
    assert boundaries.hits(there, found, Fraction(11, 10)) == 2


def test_the_tolerance_is_included_exactly():
    assert boundaries.hits([Fraction(1, 10)], [Fraction(3, 25)]) == 1
    assert boundaries.hits([Fraction(1, 10)], [Fraction(3, 25) + Fraction(1, 16000)]) == 0


@given(some.lists(some.integers(0, 60), max_size=12), some.lists(some.integers(0, 60), max_size=12), some.integers(0, 9))
def test_two_pointers_find_a_maximum_matching(a, b, far):
    there, found = sorted(map(Fraction, a)), sorted(map(Fraction, b))
    near = np.array([[abs(x - y) <= far for y in found] for x in there], float).reshape(len(there), len(found))
    rows, columns = linear_sum_assignment(near, maximize=True)
    assert boundaries.hits(there, found, Fraction(far)) == int(near[rows, columns].sum())


def test_the_first_and_last_are_dropped_and_the_edges_of_silence_kept():
    tier = [Interval(Fraction(a), Fraction(b), label) for a, b, label in [(0, 1, "h#"), (1, 2, "a"), (2, 3, "h#")]]
    assert boundaries.of_tier(tier) == [1, 2]


def test_units_begin_where_their_step_begins_and_neighbours_alike_are_one():
    grid = Grid("second", Fraction(50), Fraction(1, 100))
    units = Units.from_frames(np.array([3, 3, 1, 1, 1, -1, 2]), 4, grid, "t")
    assert boundaries.of_units(units) == [Fraction(2, 50), Fraction(5, 50), Fraction(6, 50)]


def by_name(scores, method=""):
    return {s.metric: s for s in scores if s.method == method}


def test_units_that_are_the_labels_are_perfect_and_chance_is_not():
    def whole(tier):  # a tier whose edges lie where steps begin, no neighbours alike
        out = []
        for i in tier:
            start, end = (Fraction(int(x * 100), 100) for x in (i.start, i.end))
            if out and out[-1].label == i.label:
                out[-1] = Interval(out[-1].start, end, i.label)
            else:
                out.append(Interval(start, end, i.label))
        return out

    speech = corpus()
    for r in speech:
        r.tiers["phones"] = whole(r.tiers["phones"])
    rows = task.measure(Subject("phones"), speech, TaskOptions(draws=50))
    found = by_name(rows)
    assert [found[m].value for m in ("precision", "recall", "f1", "r_value", "over_segmentation")] == [1, 1, 1, 1, 0]
    assert found["f1"].n == 8
    assert found["f1"].conventions["resampled"] == "speakers"
    assert by_name(rows, "chance")["f1"].value < 0.6


def test_rivals_have_as_many_boundaries_and_hear_where_sound_changes():
    speech = corpus(6, 2, sound=True)
    rows = task.measure(Subject("phones"), speech, TaskOptions(draws=20))
    kinds = {method: by_name(rows, method) for method in ("", "chance", "uniform", "feature_change")}
    assert kinds["uniform"]["over_segmentation"].value == kinds[""]["over_segmentation"].value
    assert kinds["feature_change"]["over_segmentation"].value == pytest.approx(kinds[""]["over_segmentation"].value, abs=0.02)
    assert kinds["feature_change"]["precision"].value > 0.8  # tones change at once
    assert kinds["chance"]["precision"].value < 0.6
    assert kinds["uniform"]["precision"].value < 0.6
    silent = task.measure(Subject("phones"), corpus(6, 2), TaskOptions(draws=20))
    assert {row.method for row in silent} == {"", "chance", "uniform"}


def test_a_missing_tier_is_named():
    with pytest.raises(UntoldError, match=r"no tier 'syllables'.*there: phones"):
        task.measure(Subject(), corpus(2, 1), TaskOptions(tier="syllables"))
