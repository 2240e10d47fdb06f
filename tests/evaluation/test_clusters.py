"""Tables of labels and units: against scikit-learn, closed forms, and both ends of the scale."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats
from sklearn import metrics

from untold.contract import Grid, Interval, Units
from untold.errors import UntoldError
from untold.evaluation._labels import Inventory, folding, is_silence, of_steps
from untold.evaluation._options import TaskOptions
from untold.evaluation.clusters import contingency, score
from untold.evaluation.tasks import clusters as task
from untold.evaluation.tasks import stability

from .pretended import PHONES, Subject, corpus, labels
from .timit import recordings

PAIRS = some.lists(some.tuples(some.integers(0, 4), some.integers(-1, 5)), min_size=2, max_size=60)


@given(PAIRS)
def test_scores_are_those_of_scikit_learn(pairs):
    y, k = np.array(pairs, np.int64).T
    table = contingency([("one", y[:1], k[:1]), ("two", y[1:], k[1:])], "abcde")
    ours = {m: float(score(table, m)[0]) for m in ("nmi", "ari", "rand_score", "mutual_information", "purity", "pnmi")}
    assert ours["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(y, k), abs=1e-7)
    assert ours["ari"] == ours["rand_score"] == pytest.approx(metrics.adjusted_rand_score(y, k), abs=1e-9)
    expected = metrics.adjusted_mutual_info_score(y, k)
    if abs(expected) < 100:  # beyond, 0 / 0 in floating point
        assert ours["mutual_information"] == pytest.approx(expected, abs=1e-6)
    counts = metrics.cluster.contingency_matrix(y, k)
    assert ours["purity"] == pytest.approx(counts.max(axis=0).sum() / len(y))
    h = -sum(p * np.log(p) for p in np.bincount(y) / len(y) if p)
    assert ours["pnmi"] == pytest.approx(metrics.mutual_info_score(y, k) / h, abs=1e-7) if h else np.isnan(ours["pnmi"])


def test_the_closed_form_of_two_by_two():
    y, k = np.repeat([0, 0, 1, 1], [3, 1, 1, 3]), np.repeat([0, 1, 0, 1], [3, 1, 1, 3])
    table = contingency([("g", y, k)], "ab")
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert score(table, "pnmi")[0] == pytest.approx((np.log(2) - entropy) / np.log(2))
    assert score(table, "purity")[0] == 0.75
    assert table.table()[0].tolist() == [[3, 1], [1, 3]]


@given(PAIRS)
def test_weights_are_repetitions(pairs):
    y, k = np.array(pairs, np.int64).T
    half = len(y) // 2
    parts = [("a", y[:half], k[:half]), ("b", y[half:], k[half:])]
    weighted = contingency(parts, "abcde")
    repeated = contingency([parts[0], parts[0], parts[1]], "abcde")
    for metric in ("nmi", "ari", "purity"):
        one, other = score(weighted, metric, np.array([[2.0, 1.0]])), score(repeated, metric)
        assert one == pytest.approx(other, nan_ok=True)


def test_the_label_of_a_step_is_the_one_at_its_centre_exactly():
    # 50 a second: centres at 10, 30, 50, 70 ms; an interval that ends on a centre does not hold it
    tier = [Interval(Fraction(a, 1000), Fraction(b, 1000), label) for a, b, label in [(0, 30, "a"), (30, 69, "b"), (71, 90, "c")]]
    inventory = Inventory()
    grid = Grid("second", Fraction(50), Fraction(1, 100))
    assert of_steps(tier, grid, 5, folding(None), inventory).tolist() == [0, 1, 1, -1, -1]
    assert inventory.names == ["a", "b"]


@given(some.integers(1, 200), some.integers(-40, 40), some.lists(some.integers(1, 90), min_size=1, max_size=8))
def test_labels_of_steps_equal_asking_every_interval(rate, first, lengths):
    at, tier = 0, []
    for n, length in enumerate(lengths):
        tier.append(Interval(Fraction(at, 1000), Fraction(at + length, 1000), PHONES[n % 5]))
        at += length
    recording = corpus(1, 1)[0]
    recording.tiers["phones"] = tier
    grid, inventory = Grid("second", Fraction(rate), Fraction(first, 1000)), Inventory()
    found = of_steps(tier, grid, 30, folding(None), inventory)
    names = [inventory.names[i] if i >= 0 else "sil" for i in found]
    assert names == [PHONES[i] for i in labels(recording, grid, 30)]


def test_folding_removes_and_joins():
    fold = folding("timit39")
    assert [fold(x) for x in ("ix", "q", "kcl", "aa")] == ["ih", None, "sil", "aa"]
    with pytest.raises(UntoldError, match="no folding named 'timit40': did you mean timit39"):
        folding("timit40")
    assert is_silence("h#")
    assert not is_silence("kcl")


def rows(scores):
    return {(s.metric, s.conventions["silence"], s.method): s for s in scores}


def test_units_that_are_the_phones_are_perfect_and_noise_is_chance():
    found = rows(task.measure(Subject("phones"), corpus(), TaskOptions(draws=50)))
    for metric in task.BETTER.keys() - {"token_to_character"}:  # phones are no characters
        for silence in ("in", "out"):
            assert found[metric, silence, ""].value == pytest.approx(1)
    assert found["ari", "in", "chance"].value < 0.05
    noise = rows(task.measure(Subject("noise"), corpus(), TaskOptions(draws=200)))
    low, high = noise["mutual_information", "in", ""].low, noise["mutual_information", "in", ""].high
    assert low < noise["mutual_information", "in", ""].value < high
    assert abs(noise["mutual_information", "in", ""].value) < 0.01
    assert noise["pnmi", "out", ""].value == pytest.approx(noise["pnmi", "out", "chance"].value, abs=0.01)


def test_silence_is_left_out_of_pnmi_first():
    scores = [s for s in task.measure(Subject("phones"), corpus(2, 2), TaskOptions(draws=20)) if s.metric == "pnmi"]
    assert [(s.conventions["silence"], s.conventions["labels"]) for s in scores if not s.method] == [("out", "4"), ("in", "5")]
    assert scores[0].conventions["resampled"] == "recordings"  # two speakers only


def test_the_table_counts_every_step_once():
    table, _, tier = task.tables(Subject("phones"), corpus(2, 2), TaskOptions())
    counts, phones, tokens = table.table()
    assert tier == "phones"
    assert counts.sum() == 4 * 200
    assert {PHONES[token] for token in tokens} == set(phones)
    assert (np.count_nonzero(counts, axis=0) == 1).all()


def test_a_subject_without_units_is_told_of_codebook():
    with pytest.raises(UntoldError, match="untold codebook"):
        task.measure(Subject(alphabet=None), corpus(2, 1), TaskOptions())


def test_stability_is_one_up_to_names_and_nothing_for_noise():
    speech, subject = corpus(6, 2), Subject("phones")
    renamed = [4, 2, 0, 1, 3]

    class Renamed(Subject):
        def _tokens(self, recording):
            return np.array(renamed)[super()._tokens(recording)]

    def value(other):
        return stability.measure(subject, speech, TaskOptions(draws=50, against=other))[0].value

    assert value(Renamed()) == pytest.approx(1)
    assert abs(value(Subject("noise"))) < 0.01
    slower = Subject("phones", rate=50)
    assert 0.7 < value(slower) < 1
    assert stability.measure(slower, speech, TaskOptions(draws=2, against=subject))[0].value == pytest.approx(value(slower))


def test_steps_of_two_rates_meet_at_the_centres_of_the_slower():
    slow = Units.from_frames(np.array([7, 8]), 9, Grid("second", Fraction(25), Fraction(1, 50)), "t")
    fast = Units.from_frames(np.arange(8), 9, Grid("second", Fraction(100), Fraction(1, 200)), "t")
    a, b = stability.together(slow, fast)
    assert (a.tolist(), b.tolist()) == ([7, 8], [2, 6])
    b, a = stability.together(fast, slow)
    assert (a.tolist(), b.tolist()) == ([7, 8], [2, 6])
    with pytest.raises(UntoldError, match="two runs"):
        stability.measure(Subject(), corpus(1, 1), TaskOptions())


def test_units_of_real_speech_score_as_an_independent_count_says(shared):
    """k-means tokens of the TIMIT sample, labels looked up in floats, scores by scikit-learn."""
    tokens = json.loads((shared / "reference/abx-known-answers/kmeans50-tokens.json").read_text())
    speech = recordings(shared / "data/timit-sample")
    grid = Grid("second", Fraction(100), Fraction(1, 200))

    class Given:
        name, alphabet, points, minutes = "km50", 50, (), 0.0

        def units(self, recording):
            return Units.from_frames(np.array(tokens[recording.id.replace("/", "_")]), 50, grid, "km50")

    y, k = [], []
    for r in speech:
        found = np.array(tokens[r.id.replace("/", "_")])
        ends = np.array([float(i.end) for i in r.tiers["phones"]])
        at = np.searchsorted(ends, (np.arange(len(found)) + 0.5) / 100, side="right")
        inside = at < len(ends)
        y += [r.tiers["phones"][i].label for i in at[inside]]
        k += found[inside].tolist()
    ours = rows(task.measure(Given(), speech, TaskOptions(draws=50)))
    assert ours["nmi", "in", ""].value == pytest.approx(metrics.normalized_mutual_info_score(y, k), abs=1e-6)
    assert ours["ari", "in", ""].value == pytest.approx(metrics.adjusted_rand_score(y, k), abs=1e-6)
    assert ours["mutual_information", "in", ""].value == pytest.approx(metrics.adjusted_mutual_info_score(y, k), abs=1e-6)
    spoken = [(a, b) for a, b in zip(y, k, strict=True) if a not in ("h#", "pau", "epi")]
    a, b = (list(side) for side in zip(*spoken, strict=True))
    entropy = stats.entropy(list(Counter(a).values()))
    assert ours["pnmi", "out", ""].value == pytest.approx(metrics.mutual_info_score(a, b) / entropy, abs=1e-6)
    assert ours["pnmi", "out", "chance"].value < ours["pnmi", "out", ""].low
    assert ours["pnmi", "out", ""].n == 16
