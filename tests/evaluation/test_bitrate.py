"""Bits, use of the alphabet and the speaker in units: closed forms and both ends of the scale."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats

from untold.contract import Grid, Units
from untold.errors import UntoldError
from untold.evaluation import bitrate
from untold.evaluation._options import TaskOptions
from untold.evaluation._tables import corrected, entropy, frames_of
from untold.evaluation.tasks import bits, speaker_information

from .pretended import Subject, corpus

GRID = Grid("second", Fraction(50), Fraction(1, 100))
ONE = np.ones((1, 1))


def frames(tokens, alphabet=8):
    return Units.from_frames(np.array(tokens, np.int64), alphabet, GRID, "t")


def per_second(tokens, accounting, alphabet=8):
    return float(bitrate.bits_per_second(bitrate.usage([("g", frames(tokens, alphabet))]), accounting, ONE)[0])


def test_every_accounting_of_a_small_sequence():
    tokens = [0, 0, 1, 1, 0, 0, 1, 1, 1, 1]  # n = 10: 4 zeros, 6 ones; 9 pairs; 4 runs of 2, 2, 2, 4
    ln2 = math.log(2)
    unigram = stats.entropy([4, 6]) + 1 / 20
    joint, before = stats.entropy([2, 2, 1, 4]) + 3 / 18, stats.entropy([4, 5]) + 1 / 18
    heads = (stats.entropy([2, 1]) + 1 / 6) - (stats.entropy([2, 1]) + 1 / 6)
    durations = stats.entropy([3, 1]) + 1 / 8
    assert per_second(tokens, "log2k") == pytest.approx(50 * 3)
    assert per_second(tokens, "unigram") == pytest.approx(50 * unigram / ln2)
    assert per_second(tokens, "bigram") == pytest.approx(50 * (joint - before) / ln2)
    assert per_second(tokens, "run_length") == pytest.approx(4 / 0.2 * (heads + durations) / ln2)
    use = bitrate.usage([("g", frames(tokens))])
    assert bitrate.units_per_second(use, ONE)[0] == pytest.approx(4 / 0.2)
    assert bitrate.codewords_in_use(use) == 2
    assert bitrate.perplexity(use, ONE)[0] == pytest.approx(math.exp(unigram))


def test_a_step_without_a_unit_is_a_symbol_and_no_codeword():
    use = bitrate.usage([("g", Units(np.array([2]), np.array([1]), np.array([3]), 8, GRID, "t"))])
    assert use.gaps
    assert bitrate.bits_per_second(use, "log2k", ONE)[0] == pytest.approx(50 * math.log2(9))
    assert bitrate.codewords_in_use(use) == 1
    assert bitrate.units_per_second(use, ONE)[0] == pytest.approx(1 / 0.06)


def test_pairs_do_not_cross_recordings():
    use = bitrate.usage([("g", frames([0, 1])), ("g", frames([2, 3]))])
    assert sorted(map(tuple, use.neighbours.kinds.tolist())) == [(0, 1), (2, 3)]


@given(some.lists(some.integers(0, 7), min_size=1, max_size=80))
def test_a_more_informed_accounting_of_constant_or_any_units_stays_in_bounds(tokens):
    for accounting in bitrate.ACCOUNTINGS:
        assert per_second(tokens, accounting) >= 0
    assert per_second([3] * len(tokens), "unigram") == pytest.approx(0, abs=1e-9)
    use = bitrate.usage([("g", frames(tokens))])
    assert 1 <= bitrate.perplexity(use, ONE)[0] <= 8


def test_the_correction_is_nearer_to_the_truth_than_the_plain_entropy():
    rng = np.random.default_rng(0)
    counts = rng.multinomial(200, np.full(64, 1 / 64), size=200).astype(float)
    assert abs(corrected(counts).mean() - math.log(64)) < abs(entropy(counts).mean() - math.log(64)) / 5


def test_a_step_lies_where_its_unit_does():
    units = Units(np.array([5, 6]), np.array([1, 4]), np.array([3, 6]), 8, GRID, "t")
    assert frames_of(units).tolist() == [-1, 5, 5, -1, 6, 6] == units.framewise(6).tolist()
    assert frames_of(units, 5).tolist() == [-1, 5, 5, -1, 6]
    assert frames_of(units, 7).tolist() == units.framewise(7).tolist()


def test_the_task_reports_each_accounting_with_its_interval():
    scores = bits.measure(Subject("noise"), corpus(), TaskOptions(draws=100))
    by = {s.conventions["accounting"]: s for s in scores if s.metric == "bits_per_second"}
    assert set(by) == set(bitrate.ACCOUNTINGS)
    assert by["log2k"].value == pytest.approx(100 * math.log2(5))
    assert by["unigram"].value == pytest.approx(100 * math.log2(5), rel=2e-3)  # noise has all of it
    assert by["unigram"].low < by["unigram"].value < by["unigram"].high
    assert by["unigram"].conventions["correction"] == "miller_madow"
    assert {s.metric: s.value for s in scores}["perplexity"] == pytest.approx(5, abs=0.02)


def test_units_that_are_speakers_tell_all_and_noise_tells_what_chance_does():
    known = speaker_information.measure(Subject("speaker"), corpus(), TaskOptions(draws=50))
    assert known[0].value == pytest.approx(3, abs=0.01)  # eight speakers
    assert [s.method for s in known] == ["", "chance"]
    assert known[1].value < 2
    noise = speaker_information.measure(Subject("noise"), corpus(), TaskOptions(draws=50))
    assert noise[0].value < 0.01
    assert noise[1].low <= noise[0].value <= noise[1].high + 0.003


def test_one_speaker_is_too_few():
    with pytest.raises(UntoldError, match="1 known speakers"):
        speaker_information.measure(Subject(), corpus(1, 3), TaskOptions())
