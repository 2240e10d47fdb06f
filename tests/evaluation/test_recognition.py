"""The recogniser of characters: edits against a plain recursion, padding, seeds, and what a person sees of `cer`."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from untold.contract import TRANSCRIPTION, Features, Grid, Interval, Recording, Units
from untold.errors import UntoldError
from untold.evaluation import recognition
from untold.evaluation._eyes import Pictures, Tokens, vectors
from untold.evaluation._options import TaskOptions
from untold.evaluation._spread import spread
from untold.evaluation.recognition import Budget, Recogniser, TwoWay, best_constant, edits, fit, symbols_of, text_of
from untold.evaluation.tasks import recognition as task

from . import pretended

GRID = Grid("pixel", Fraction(1, 8), Fraction(4))
WORDS = some.text("abc", max_size=7)
SMALL = Budget(steps=60, batch=8, rate=4e-3, width=32, layers=1, recurrent=False, drop=0.0, guessed=0.3)


def by_recursion(one: str, other: str) -> int:
    @cache
    def cost(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(cost(i - 1, j) + 1, cost(i, j - 1) + 1, cost(i - 1, j - 1) + (one[i - 1] != other[j - 1]))

    return cost(len(one), len(other))


@given(WORDS, WORDS)
def test_edits_are_those_of_the_recursion(one, other):
    assert edits(one, other) == by_recursion(one, other)


@given(some.lists(WORDS, min_size=1, max_size=5))
def test_the_best_constant_is_no_worse_than_nothing(texts):
    said = best_constant([list(text) for text in texts])
    assert sum(edits(text, said) for text in texts) <= sum(len(text) for text in texts)


def test_the_best_constant_of_one_text_said_again_and_again_is_near_it():
    said = best_constant([list("abba")] * 3)
    assert edits("abba", said) <= 2  # grown greedily


def test_a_mark_belongs_to_the_letter_before_it():
    assert symbols_of("ag\u0303a") == ["a", "g\u0303", "a"]


def test_the_text_of_a_line_is_its_characters_joined_or_its_transcription():
    def line(**tiers):
        return Recording("one", {}, {}, {name: [Interval(Fraction(i), Fraction(i + 1), c) for i, c in enumerate(labels)] for name, labels in tiers.items()})

    assert text_of(line(characters=["4", " ", "2"])) == "4 2"
    assert text_of(line(**{TRANSCRIPTION: ["a e\u0301t\u00e9"]})) == "a \u00e9t\u00e9"
    assert text_of(line(phones=["a"])) is None


class Lines(list):
    """Lines of 8 pixels a character, with texts and no places."""

    name, axis, tiers = "lines", "pixel", ()


def lines(many: int = 60, letters: str = "abcde", evaluation: int = 20, seed: int = 0) -> Lines:
    rng, out = np.random.default_rng(seed), Lines()
    for number in range(many):
        text = "".join(rng.choice(list(letters), int(rng.integers(4, 9))))
        tiers = {TRANSCRIPTION: [Interval(Fraction(0), Fraction(16 * len(text)), text)]}
        split = "evaluation" if number < evaluation else "train"
        out.append(Recording(f"s{number % 6}/{number}", {}, {"speaker": f"s{number % 6}"}, tiers, split))
    return out


class Subject:
    """`text`: each character is two steps of its own token, and a one-hot vector; `noise` knows nothing."""

    name, points, minutes = "pretended", ("codes",), 0.0

    def __init__(self, kind="text", alphabet=8):
        self.kind, self.alphabet = kind, alphabet

    def grid(self, point):
        return GRID

    def _tokens(self, recording):
        text = text_of(recording)
        if self.kind == "text":
            return np.repeat(np.array([ord(c) % 8 for c in text]), 2)
        return np.random.default_rng(list(recording.id.encode())).integers(0, 8, 2 * len(text))

    def features(self, recording, point):
        return Features(np.eye(8, dtype=np.float32)[self._tokens(recording)], GRID, point)

    def units(self, recording):
        return Units.from_frames(self._tokens(recording), self.alphabet, GRID, self.name)


def rows(scores):
    return {(s.conventions.get("input", ""), s.method): s for s in scores}


@pytest.fixture(name="quick")
def _quick(monkeypatch):
    monkeypatch.setattr(task, "BUDGET", SMALL)


def test_codes_that_tell_the_text_are_read_and_noise_is_not(quick):
    found = rows(task.measure(Subject(), lines(), TaskOptions(draws=50)))
    assert set(found) == {("features", ""), ("units", ""), ("", "chance")}
    for kind in ("features", "units"):
        assert found[kind, ""].value < 0.25  # doubled characters are the hard part
        assert found[kind, ""].conventions["train"] == "40 lines"
        assert found[kind, ""].conventions["test"] == "20 lines"
        assert found[kind, ""].n == 6
    assert 0.6 < found["", "chance"].value <= 1
    noise = rows(task.measure(Subject("noise"), lines(), TaskOptions(draws=50)))
    assert noise["units", ""].value > 0.6


def test_few_labelled_lines_teach_and_characters_never_seen_are_errors(quick, monkeypatch):
    monkeypatch.setattr(task, "TAUGHT", 12)
    speech = lines()
    for number in range(20):  # two characters more at the end of the lines that test
        r = speech[number]
        text = text_of(r) + "zz"
        speech[number] = Recording(r.id, {}, r.sides, {TRANSCRIPTION: [Interval(Fraction(0), Fraction(16 * len(text)), text)]}, r.split)
    row = rows(task.measure(Subject(), speech, TaskOptions(draws=20)))["units", ""]
    assert row.conventions["train"] == "12 lines"
    assert row.conventions["unseen"] == "40 characters"
    assert row.value * int(row.conventions["characters"]) >= 40


def test_where_nobody_declares_a_split_a_third_of_the_lines_tests(quick):
    row = rows(task.measure(Subject(alphabet=None), lines(30, evaluation=0), TaskOptions(draws=20)))["features", ""]
    assert (row.conventions["train"], row.conventions["test"], row.conventions["split"]) == ("20 lines", "10 lines", "recordings")


def test_what_cannot_be_read_is_said():
    with pytest.raises(UntoldError, match="no texts"):
        task.measure(pretended.Subject(), pretended.corpus(2, 2), TaskOptions())
    with pytest.raises(UntoldError, match=r"3 lines with texts to learn from .* too few \(10"):
        task.measure(Subject(), lines(5, evaluation=2), TaskOptions())


def small(budget=SMALL):
    given = lines(24)
    subject = Subject()
    inputs = [subject.features(r, "codes").values for r in given]
    texts = [list(text_of(r)) for r in given]
    return given, inputs, fit(vectors(inputs, GRID, budget.width), inputs, texts, spread(texts, [np.ones(len(x)) for x in inputs]), 3, budget)


def test_the_same_seed_gives_the_same_recogniser_and_leaves_the_world_s_alone():
    budget = Budget(steps=6, batch=4, width=16, layers=1, recurrent=True, drop=0.3)
    before = torch.random.get_rng_state()
    (_, _, one), (_, _, other) = small(budget), small(budget)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("rate", [Fraction(1, 2), Fraction(1, 3), Fraction(1, 12)])
def test_a_line_alone_reads_as_it_does_in_a_padded_batch(recurrent, rate):
    rng = np.random.default_rng(1)
    given = [rng.normal(size=(n, 5)).astype(np.float32) for n in (9, 31, 2)]
    budget = Budget(steps=1, width=16, layers=2, recurrent=recurrent)
    grid = Grid("pixel", rate, 1 / rate / 2)
    net = fit(vectors(given, grid, 16), given, [["a"], ["b"], ["a"]], [np.array([0.0, 1.0])] * 3, 0, budget)
    with torch.no_grad():
        together = net(recognition._stream(given, grid))
    for row, length, alone in zip(together.values, together.lengths, net.read(given), strict=True):
        np.testing.assert_allclose(row[: int(length)], alone, atol=1e-5)
    assert float(1 / net.grid.rate) == pytest.approx(4, abs=1)  # pixels between outputs, whatever comes in


def test_a_picture_alone_reads_as_it_does_in_a_padded_batch_and_is_varied_in_training_only():
    rng = np.random.default_rng(1)
    given = [rng.uniform(size=(n, 32)).astype(np.float32) for n in (9, 31, 2)]
    grid = Grid("pixel", Fraction(1, 2), Fraction(1))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Recogniser(Pictures(grid, 32, 16), ["a"], Budget(steps=1, width=16))
    together = recognition._stream(given, grid)
    net(together)  # batch normalisation begins
    with torch.no_grad():
        said = net.eval()(together)
    assert said.lengths.tolist() == [net.eyes.outputs(len(line)) for line in given] == [5, 16, 1]
    for row, length, alone in zip(said.values, said.lengths, net.read(given), strict=True):
        np.testing.assert_allclose(row[: int(length)], alone, atol=1e-5)
    assert (said.grid.rate, said.grid.first) == (Fraction(1, 4), 2)
    bent = [net.eyes.varied(together, np.random.default_rng(seed)) for seed in range(20)]
    wide = [varied.values.shape[1] for varied in bent]
    assert 24 <= min(wide) < 31 < max(wide) <= 39
    assert all(int(varied.lengths.max()) == varied.values.shape[1] for varied in bent)
    assert np.std([float(varied.values[1].mean()) for varied in bent]) > 0.01


def test_the_way_back_is_turned_round_by_each_length():
    """Against packed sequences, which are exact and slow."""
    torch.manual_seed(0)
    ours, lengths = TwoWay(6), torch.tensor([5, 3, 1])
    theirs = torch.nn.LSTM(6, 3, batch_first=True, bidirectional=True)
    theirs.load_state_dict({**ours.forth.state_dict(), **{f"{name}_reverse": value for name, value in ours.back.state_dict().items()}})
    x = recognition._stream([np.random.default_rng(i).normal(size=(int(n), 6)).astype(np.float32) for i, n in enumerate(lengths)], GRID)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x.values, lengths, batch_first=True)
    wanted, _ = torch.nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found = ours(x).values
    for row, other, length in zip(found, wanted, lengths, strict=True):
        torch.testing.assert_close(row[:length], other[:length])


def test_outputs_lie_where_the_inputs_do():
    fine = Tokens(Grid("pixel", Fraction(1, 12), Fraction(6)), 4, 8).grid
    assert (fine.rate, fine.first) == (Fraction(1, 4), 2)
    coarse = Tokens(Grid("pixel", Fraction(1, 2), Fraction(1)), 4, 8).grid
    assert (coarse.rate, coarse.first) == (Fraction(1, 4), 2)
