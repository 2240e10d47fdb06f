"""Forced alignment: the likeliest path against all paths, and the places of characters on lines where they are known."""

from __future__ import annotations

import csv
import shutil
from fractions import Fraction
from itertools import groupby, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from untold import cli
from untold.contract import Grid, Units
from untold.corpora import cache_folder, open_source
from untold.errors import UntoldError
from untold.evaluation import alignment
from untold.evaluation._labels import Inventory, folding, of_steps
from untold.evaluation._options import TaskOptions
from untold.evaluation._paths import best_path, needed
from untold.evaluation._settling import settled, usual
from untold.evaluation._spread import spread
from untold.evaluation.alignment import ALIGNED, align, edges, in_columns
from untold.evaluation.recognition import Budget, text_of
from untold.evaluation.tasks import alignment as task
from untold.evaluation.tasks import bits, boundaries, clusters, mapped
from untold.formats.units import UnitsWriter

from ..laws.conftest import write_sounds
from . import pretended


def collapsed(path):
    """The text of a path of classes: repeats joined, blanks out."""
    return [c for c, _ in groupby(path) if c != 0]


@given(some.integers(1, 5), some.lists(some.integers(1, 2), min_size=1, max_size=3), some.integers(0, 10**6))
def test_the_path_is_the_likeliest_of_all_that_say_the_text(steps, text, seed):
    scores = np.log(np.random.default_rng(seed).dirichlet(np.ones(3), steps))
    ways = [path for path in product(range(3), repeat=steps) if collapsed(path) == text]
    if not ways:
        assert needed(text) > steps
        with pytest.raises(ValueError, match="need"):
            best_path(scores, text)
        return
    best = max(sum(scores[t, c] for t, c in enumerate(path)) for path in ways)
    found = best_path(scores, text)
    classes = [0 if place < 0 else text[place] for place in found]
    assert collapsed(classes) == text
    assert sum(scores[t, c] for t, c in enumerate(classes)) == pytest.approx(best)
    assert [place for place, _ in groupby(found) if place >= 0] == list(range(len(text)))


def test_a_belief_moves_the_path():
    flat, near = np.zeros((6, 3)), np.zeros((6, 2))
    near[:4, 0] = near[4:, 1] = 1.0
    assert best_path(flat, [1, 2], near).tolist() == [0, 0, 0, 0, 1, 1]
    near[:4, 0], near[:2, 0], near[2:, 1] = 0.0, 1.0, 1.0
    assert best_path(flat, [1, 2], near).tolist() == [0, 0, 1, 1, 1, 1]


def test_the_first_guess_puts_blanks_where_there_is_no_ink():
    ink = np.ones(40)
    ink[10:14] = 0  # the usual widths alone would put the blank near the middle
    (edges_,) = spread([list("ab cd")], [ink])
    assert edges_[0] == 0
    assert edges_[-1] == 1
    assert np.all(np.diff(edges_) > 0)
    assert 9 <= 40 * (edges_[2] + edges_[3]) / 2 <= 15
    (even,) = spread([list("abcd")], [np.ones(40)])
    assert even == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_boundaries_settle_where_the_ink_is_least_and_a_blank_has_its_gap_for_itself():
    ink = np.ones(60)
    ink[18:21] = 0.1  # two characters meet here,
    ink[36:46] = 0.0  # and here is a blank
    said = np.array([0.0, 17, 35, 44, 60]), list("ab c"), ink
    assert usual([said]) == pytest.approx(2.5, abs=1)
    found = settled(said, 0.0)
    assert 18 <= found[1] <= 21
    assert found[[0, 2, 3, 4]].tolist() == [0, 36, 46, 60]
    assert settled((said[0], said[1], np.ones(60)), 1.0).tolist() == [0, 18, 37, 42, 60]  # ink everywhere: the usual distance, and a narrower blank
    assert usual([(said[0], ["a", " ", "b", " "], ink)]) == 0


def test_blanks_go_half_to_either_side():
    path = np.array([-1, 0, 0, -1, -1, 1, -1, 2, 2, -1])
    assert edges(path, 3).tolist() == [0, 4, 6.5, 10]
    assert in_columns(edges(path, 3), Grid("pixel", Fraction(1, 4), Fraction(2)), 39) == [0, 16, 26, 39]


@pytest.fixture(scope="module", autouse=True)
def _short(tmp_path_factory):
    """A short training, and a cache that the tests of this file share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, "_BUDGET", Budget(steps=200, rate=4e-3, width=64, drop=0.0))
        patch.setenv("UNTOLD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


MANY = 160  # lines, of the 12 pens that write for training


def made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def over(items, total, what):
    del total, what
    return items


class Columns:
    points = ("columns",)


def test_characters_of_lines_are_found_within_eight_pixels():
    digits = open_source("digit-lines", limit=MANY)

    rows = {(s.metric, s.method): s for s in task.measure(Columns(), digits, TaskOptions(draws=20))}
    assert rows["alignment_hits", ""].value > 0.9
    assert rows["alignment_error", ""].value < 4
    assert rows["alignment_error", ""].value < 0.7 * rows["alignment_error", "uniform"].value
    assert rows["alignment_error", ""].value < rows["alignment_error", "widths"].value < rows["alignment_error", "uniform"].value
    assert rows["alignment_hits", "uniform"].value < 0.8
    assert rows["alignment_error", ""].conventions["left_out"] == "0 lines"
    assert rows["alignment_error", ""].n == 12


def test_aligned_lines_have_a_tier_and_are_kept_in_the_cache():
    said = []
    done = align(open_source("digit-lines", limit=MANY), over, over, said.append)
    again = align(open_source("digit-lines", limit=MANY).select(range(80, 160)), over, over, said.append)
    assert len([line for line in said if line.startswith("aligned")]) <= 1  # by this test or the one before it
    assert ALIGNED in again.tiers
    assert len(again) == 80
    line = again.select([3])[0]
    assert "".join(i.label for i in line.tiers[ALIGNED]) == text_of(line)
    assert line.tiers[ALIGNED] == done[done.find(line.id)].tiers[ALIGNED]
    assert line.tiers[ALIGNED][-1].end == line.length
    (kept,) = (cache_folder() / "alignments").glob("*.jsonl")
    kept.write_text("{}\n" + kept.read_text())  # damaged: made anew
    assert alignment._stored(kept) is None


def test_what_cannot_be_aligned_is_said(tmp_path):
    for number in range(5):
        Image.fromarray(np.random.default_rng(number).integers(0, 2, (64, 200)).astype(np.uint8) * 255).save(made(tmp_path / "lines") / f"{number}.png")
        (tmp_path / "lines" / f"{number}.txt").write_text("five")
    sounds = open_source(str(write_sounds(tmp_path / "sounds")))
    with pytest.raises(UntoldError, match=r"no tier 'characters' \(digit-lines has\)"):
        task.measure(Columns(), sounds, TaskOptions())
    with pytest.raises(UntoldError, match="untold evaluate columns digit-lines"):
        task.measure(pretended.Subject(), sounds, TaskOptions())
    with pytest.raises(UntoldError, match="only lines of handwriting"):
        align(sounds, over, over, print)
    with pytest.raises(UntoldError, match=r"\d lines with a text cannot teach .*: 20 are needed"):
        align(open_source(str(tmp_path / "lines")), over, over, print)


def test_units_that_are_the_characters_score_so_on_lines():
    """One unit a character, columns of 8 pixels: what is lost is what 8 pixels lose."""
    digits = open_source("digit-lines", limit=MANY).select(range(24))
    grid, names = Grid("pixel", Fraction(1, 8), Fraction(4)), Inventory()

    class Subject:
        name, points, minutes, alphabet = "characters", (), 0.0, 11
        slow = 1

        def units(self, recording):
            steps = -(-recording.signal.steps // 8)
            tokens = of_steps(recording.tiers["characters"], grid, steps, folding(None), names)
            if self.slow == 0:
                tokens = np.arange(steps) % 11
            if self.slow > 1:
                tokens[:] = 0
            return Units.from_frames(tokens, 11, grid, "characters")

    def found(measure, subject=None, **options):
        return {(s.metric, s.conventions.get("silence", ""), s.method): s for s in measure(subject or Subject(), digits, TaskOptions(draws=20, **options))}

    rows = found(clusters.measure)
    right = rows["token_to_character", "in", ""]
    assert 0.85 < right.value < 1
    assert right.value == rows["purity", "in", ""].value
    assert rows["token_to_character", "out", ""].value > 0.85
    assert right.conventions["frames"] == "1 in 2 pixels"
    assert int(right.conventions["steps"]) == sum(-(-r.signal.steps // 2) for r in digits) - sum(r.signal.steps % 2 for r in digits)
    assert rows["token_to_character", "in", "chance"].value < 0.5
    spelt = found(mapped.measure)
    assert spelt["mapped_cer", "in", ""].value < 0.25  # doubled digits
    assert spelt["mapped_cer", "in", "chance"].value > 0.8
    cost = found(bits.measure)
    assert {"bits_per_pixel", "units_per_line"} < {metric for metric, _, _ in cost}
    assert 8 < cost["units_per_line", "", ""].value < 14

    said = []
    edges_ = found(boundaries.measure, note=said.append)
    assert edges_["f1", "", ""].value > 0.85
    rate = edges_["rate_error", "", ""]
    assert rate.value < 0.2
    assert rate.conventions["label_mean"].endswith(" pixels")
    assert rate.conventions["collapse"] == "no"
    assert not said
    for slow, word in ((0, "one a step"), (2, "one a recording")):
        subject = Subject()
        subject.slow = slow
        rate = found(boundaries.measure, subject, note=said.append)["rate_error", "", ""]
        assert rate.value > 0.85
        assert rate.conventions["collapse"] == word
        assert said.pop() == f"the units have collapsed: {word}"


def test_lines_with_texts_only_are_aligned_when_they_are_evaluated_and_a_second_time_at_once(tmp_path, monkeypatch, capsys):
    digits = open_source("digit-lines", limit=MANY)
    pictures = Path(digits.origin(0).file).parents[1]
    for number in range(40):
        line = digits[number]
        place = tmp_path / "lines" / line.id
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pictures / f"{line.id}.png", f"{place}.png")
        Path(f"{place}.txt").write_text(text_of(line))
    with UnitsWriter(tmp_path / "units" / "units.jsonl") as writer:
        for line in open_source(str(tmp_path / "lines")):
            grid = Grid("pixel", Fraction(1, 8), Fraction(4))
            writer.write(line.id, Units.from_frames(np.arange(line.signal.steps // 8) // 3 % 5, 5, grid, "thirds"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(alignment, "_BUDGET", Budget(steps=2, width=16))
    words = ["evaluate", "units", "lines", "--tasks", "boundaries,clusters", "--threads", "1", "--out", "scores.csv"]
    assert cli.main(words) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "40 lines have texts without places: a recogniser is trained on" in out
    assert "aligned 40 lines in" in out
    assert "tier: characters (aligned by ctc)" in out
    assert "token_to_character" in out
    with Path("scores.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "f1"]
    assert "tier=characters (aligned by ctc)" in rows[0]["conventions"]
    assert "aligner=version 2, taught on" in rows[0]["conventions"]
    assert cli.main(["compare", "units", "columns", "--on", "lines", "--tasks", "boundaries", "--tier", "characters", "--threads", "1"]) == 0
    again = capsys.readouterr().out
    assert "a recogniser is trained" not in again
    assert "tier: characters (aligned by ctc)" in again
    assert cli.main([*words, "--tier", "words"]) == 1
    assert "no tier 'words'" in capsys.readouterr().out


def test_a_recogniser_that_cannot_read_does_no_harm(monkeypatch):
    monkeypatch.setattr(alignment, "_BUDGET", Budget(steps=2, width=16))
    rows = {(s.metric, s.method): s for s in task.measure(Columns(), open_source("digit-lines", limit=60), TaskOptions(draws=20))}
    assert rows["alignment_error", ""].value <= rows["alignment_error", "widths"].value
