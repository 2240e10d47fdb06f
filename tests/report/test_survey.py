"""What is counted of the units: against brute force, and on sounds whose kind is known."""

from __future__ import annotations

from fractions import Fraction

import made_sounds as made
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untold.contract import Interval, Recording, Units
from untold.report import pictures
from untold.report.survey import exemplars, look, overlaps, places_of


@pytest.fixture(scope="module", name="seen")
def _seen() -> tuple[made.Corpus, dict[str, Units]]:
    return made.corpus()


def test_kinds_of_sound(seen: tuple[made.Corpus, dict[str, Units]]) -> None:
    survey = look(*seen, "phones")
    assert [survey.kind(token) for token in (made.TONE, made.HISS, made.QUIET)] == ["speech", "noise-like", "silence"]


def test_counts_are_those_of_the_units(seen: tuple[made.Corpus, dict[str, Units]]) -> None:
    corpus, units = seen
    survey = look(corpus, units, "phones")
    merged = [one.merged() for one in units.values()]
    for token in range(5):
        lengths = [e - s for one in merged for t, s, e in zip(one.tokens, one.starts, one.ends, strict=True) if t == token]
        assert survey.count[token] == len(lengths)
        assert survey.covered[token] == pytest.approx(sum(lengths) / 100)
        assert sum(survey.histogram(token)) == len(lengths)
        if lengths:
            assert survey.median(token) == pytest.approx(sorted(lengths)[(len(lengths) - 1) // 2] / 100)
    assert survey.joint["a"][made.TONE] == pytest.approx(survey.covered[made.TONE])  # labels and units agree by construction
    assert survey.joint["a"][made.HISS] == pytest.approx(0, abs=1e-9)


def test_exemplars_come_from_all_speakers_and_are_of_middling_duration(seen: tuple[made.Corpus, dict[str, Units]]) -> None:
    corpus, units = seen
    survey = look(corpus, units, "phones")
    found = exemplars(corpus, units, survey, [made.TONE])[made.TONE]
    assert len(found) == 8
    assert {place.speaker for place in found[:4]} == set(corpus.speakers)
    assert len({(place.index, place.start) for place in found}) == 8
    for place in found:
        one = units[corpus[place.index].id].merged()
        assert round(place.start * 100) in one.starts[one.tokens == made.TONE]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(0, 2)), min_size=1, max_size=8),
       st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 60), st.integers(0, 20)), min_size=1, max_size=6))
def test_overlaps_equal_brute_force(pieces: list[tuple[int, int, int]], labels: list[tuple[str, int, int]]) -> None:
    tokens, starts, ends, at = [], [], [], 0
    for token, length, gap in pieces:
        tokens.append(token)
        starts.append(at + gap)
        ends.append(at + gap + length)
        at = ends[-1]
    units = Units(np.array(tokens), np.array(starts), np.array(ends), 4, made.GRID, "made")
    intervals, at = [], 0
    for label, length, gap in labels:
        intervals.append(Interval(Fraction(at + gap, 1000), Fraction(at + gap + length, 1000), label))
        at += gap + length
    begun, ended = places_of(units)
    brute: dict[tuple[str, int], float] = {}
    for interval in intervals:
        for token, a, b in zip(tokens, begun, ended, strict=True):
            length = min(float(interval.end), b) - max(float(interval.start), a)
            if length > 0:
                brute[interval.label, token] = brute.get((interval.label, token), 0) + length
    found: dict[tuple[str, int], float] = {}
    for label, token, seconds in overlaps(units, intervals):
        found[label, token] = found.get((label, token), 0) + seconds
    assert found == pytest.approx(brute)


def test_long_recordings_are_read_in_part() -> None:
    class Endless(made.Sound):
        steps = 10 ** 9
        asked = 0

        def __init__(self) -> None:
            pass

        def read(self, start: int, stop: int) -> np.ndarray:
            Endless.asked = max(Endless.asked, stop - start)
            return np.zeros(stop - start, np.float32)

    corpus = made.Corpus([Recording("long", {"audio": Endless()})])
    units = {"long": Units(np.array([0, 1]), np.array([0, 10]), np.array([10, 10 ** 7]), 2, made.GRID, "made")}
    look(corpus, units, "phones")
    assert 0 < Endless.asked <= 60 * 16000


def test_a_tone_is_ink_at_its_height() -> None:
    time = np.arange(16000) / 16000
    weights = pictures.mel_weights(80)
    assert weights.sum(1) == pytest.approx(1)
    for frequency in (300, 1000, 3000):
        levels = pictures.decibels(np.sin(2 * np.pi * frequency * time).astype(np.float32), bands=80, hop=64)
        grey = pictures.ink(levels, float(levels.max()))
        assert grey.shape == (80, 250)
        row = 79 - int(grey[:, 125].argmin())  # from below
        centre = float((weights[row] * np.arange(257) * 31.25).sum())
        assert abs(centre - frequency) < 60 + 0.06 * frequency
