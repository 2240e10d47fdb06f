"""The task `abx` on a corpus with tiers: its rows, what it leaves out, and why."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from untold.contract import Grid, Interval, Recording, Units
from untold.evaluation._options import TaskOptions
from untold.evaluation.tasks.abx import kind_of, measure
from untold.formats.item import Item, Names, write_items

GRID = Grid("second", Fraction(100), Fraction(1, 200))


@dataclass
class Some:
    """A corpus in memory."""

    recordings: list[Recording]
    source: str = "some"
    tiers: tuple[str, ...] = ("phones",)

    def __iter__(self):
        return iter(self.recordings)

    def __getitem__(self, index):
        return self.recordings[index]

    def find(self, file):
        ids = [r.id for r in self.recordings]
        found = Names(ids).find(file)
        return None if found is None else ids.index(found)


class Frames:
    """A subject with two points, and tokens: noise around a place of each phone."""

    name, points, minutes, alphabet = "frames", ("good", "noise"), 0.0, 3

    def grid(self, point):
        return GRID

    def chunks(self, recording, point):
        rng = np.random.default_rng(len(recording.id))
        for interval in recording.tiers["phones"]:
            values = rng.normal(size=(int((interval.end - interval.start) * 100), 3)).astype(np.float32)
            if point == "good" and interval.label in "pqr":
                values[:, "pqr".index(interval.label)] += 20
            yield values

    def units(self, recording):
        tokens = np.concatenate([v.argmax(axis=1) for v in self.chunks(recording, "good")])
        return Units.from_frames(tokens, 3, GRID, "frames")


class Tokens(Frames):
    """A subject that only has units."""

    points = ()


def corpus(people=5):
    recordings = []
    for person in range(people):
        labels = ["sil", *"pqpppqqrrpqrqqprrp", "sil"]
        tier = [Interval(Fraction(5 * k, 100), Fraction(5 * k + 5, 100), label) for k, label in enumerate(labels)]
        recordings.append(Recording(f"s{person}/a b", {}, {"speaker": f"s{person}"}, {"phones": tier}))
    return Some(recordings)


def test_without_item_files_both_kinds_are_made_of_the_tier_and_every_point_scored():
    rows = measure(Frames(), corpus(), TaskOptions(points=("good", "noise"), draws=50))
    found = {(r.metric, r.point, r.conventions["kind"], r.conventions["context"]): r for r in rows}
    assert len(found) == len(rows) and {key[2:] for key in found} >= {("phone", "any"), ("phone", "within")}
    assert not any(kind == "triphone" and context == "any" for _, _, kind, context in found)
    good, noise = (found["abx_across", point, "phone", "any"] for point in ("good", "noise"))
    assert good.value < 0.05 < 0.3 < noise.value and noise.low <= noise.value <= noise.high
    assert (good.task, good.better, good.n, good.conventions["cells"], good.conventions["items"]) == (
        "abx",
        "lower",
        5,
        "120",
        "90",
    )
    assert good.conventions["distance"] == "angular" and good.conventions["frames"] == "zerospeech"


def test_item_files_are_matched_and_what_lies_outside_is_counted(tmp_path):
    items = [
        Item(f"s{s}/{k}", Fraction(5 * k + 5, 100), Fraction(5 * k + 10, 100), "pqr"[k % 3], "x", "y", f"s{s}")
        for s in range(6)
        for k in range(9)
    ]
    some = Some(
        [Recording(f"s{s}/{k}", {}, {"speaker": f"s{s}"}, corpus(1)[0].tiers) for s in range(5) for k in range(9)]
    )
    write_items(tmp_path / "a.item", items)
    said: list[str] = []
    rows = measure(Frames(), some, TaskOptions(items=(Path(tmp_path / "a.item"),), draws=2, say=said.append))
    assert "9 of 54 items of a.item are outside of these recordings and dropped" in said
    assert {r.conventions["items"] for r in rows} == {"45"} and {r.point for r in rows} == {"good"}


def test_one_speaker_leaves_the_rows_across_speakers_out_and_says_why():
    said: list[str] = []
    rows = measure(Frames(), corpus(1), TaskOptions(draws=2, say=said.append))
    assert rows and {r.metric for r in rows} == {"abx_within"}
    assert any("abx_across of phone items, context any, is absent: no cell" in line for line in said)
    assert rows[0].low is None and "fewer than 5" in rows[0].conventions["interval"]


def test_items_that_another_row_cannot_score_are_left_out_of_all():
    said: list[str] = []
    coarse = Grid("second", Fraction(8), Fraction(1, 16))
    rows = measure(Frames(), corpus(), TaskOptions(draws=2, say=said.append, grids=(coarse,)))
    assert int(rows[0].conventions["items"]) < 90
    assert any("have a frame in every row" in line for line in said)


def test_subjects_with_units_only_are_compared_as_tokens():
    rows = measure(Tokens(), corpus(), TaskOptions(draws=2))
    assert {(r.point, r.conventions["distance"]) for r in rows} == {("units", "identical")}
    assert rows[0].value < 0.1


@pytest.mark.parametrize(("length", "kind"), [(2, "triphone"), (1, "phone")])
def test_items_that_lie_over_each_other_are_triphones(length, kind):
    assert kind_of([Item("a", Fraction(k), Fraction(k + length), "p", "q", "r", "s") for k in range(3)]) == kind
