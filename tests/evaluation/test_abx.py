"""ABX against an independent implementation's scores, plain loops, and what it must always hold."""

from __future__ import annotations

import csv
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from untold.contract import Grid, Interval, Recording
from untold.errors import UntoldError
from untold.evaluation._abx_frames import span
from untold.evaluation._abx_items import items_of
from untold.evaluation._folding import timit39
from untold.evaluation.abx import abx
from untold.formats.features import FeatureFolder
from untold.formats.item import Item, read_items

from .abx_by_hand import error

ONE = Grid("second", Fraction(1), Fraction(1, 2))


def one_item_each(stretches, labels):
    """A recording per item; `read` and items for `abx`."""
    items = [
        Item(str(i), Fraction(0), Fraction(len(s)), p, c[0], c[1], speaker)
        for i, (s, (p, c, speaker)) in enumerate(zip(stretches, labels, strict=True))
    ]
    return (lambda file: stretches[int(file)]), items


@pytest.mark.parametrize("features", ["mfcc13", "post", "km50"])
def test_agrees_with_all_scores_of_an_independent_implementation(shared, features):
    known = shared / "reference/abx-known-answers"
    folder, tokens = FeatureFolder(known / "mfcc13"), json.loads((known / "kmeans50-tokens.json").read_text())

    def post(name):
        powers = np.exp(folder.read(name) / np.float32(10))
        return powers / powers.sum(axis=1, keepdims=True)

    read = {"mfcc13": folder.read, "post": post, "km50": lambda name: np.array(tokens[name])}[features]
    items = {kind: read_items(known / f"{kind}.item") for kind in ("phone", "triphone")}
    with (known / "scores.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["features"] == features]
    for row in rows:
        found = abx(
            read,
            items[row["item"]],
            grid=folder.grid,
            speaker=row["speaker"],
            context=row["context"],
            distance=row["distance"],
            draws=20,
        )
        assert found.value == pytest.approx(float(row["abx_error"]), abs=1e-4 if features == "post" else 1e-5), row
        assert found.low is not None and found.low < found.value < found.high
        if row["item"] == "triphone":
            assert len(found.cells) == {"across": 1967, "within": 38}[row["speaker"]]
    assert len(rows) == (12 if features == "mfcc13" else 6)


def test_reproduces_the_known_answer_of_fastabx_own_tests():
    values = np.random.default_rng(2026).standard_normal((36, 6)).astype(np.float32)
    labels = [("abc"[i % 3], (f"c{1 + i % 2}", ""), f"s{1 + i // 12}") for i in range(36)]
    positive = np.abs(values) + np.float32(0.1)
    positive /= positive.sum(axis=1, keepdims=True)
    given = {"euclidean": values, "angular": values, "kl_symmetric": positive, "identical": np.arange(36)[:, None] % 4}
    expected = {"euclidean": 0.491319, "angular": 0.480903, "kl_symmetric": 0.434028, "identical": 0.5}
    for distance, frames in given.items():
        read, items = one_item_each([frames[i : i + 1] for i in range(36)], labels)
        found = abx(read, items, grid=ONE, distance=distance, draws=2)
        assert found.value == pytest.approx(expected[distance], abs=1e-6)
        # that test averages over speaker pairs and then over all else, which is the same here: no cell is missing
        assert found.conventions["interval"].startswith("none, 3 speakers")


@given(st.data())
def test_equals_plain_loops_on_small_cases(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    distance = data.draw(st.sampled_from(["angular", "euclidean", "kl_symmetric", "identical"]))
    speaker, context = data.draw(st.sampled_from(["within", "across"])), data.draw(st.sampled_from(["within", "any"]))
    count, people = data.draw(st.integers(3, 16)), data.draw(st.integers(1, 5))
    stretches, labels = [], []
    for _ in range(count):
        steps = int(rng.integers(1, 6))
        values = rng.integers(0, 3, (steps, 1)) if distance == "identical" else np.abs(rng.normal(size=(steps, 3)))
        stretches.append(
            (values / values.sum(axis=1, keepdims=True) if distance == "kl_symmetric" else values).astype(np.float32)
        )
        labels.append(("pqr"[rng.integers(3)], ("s", "tu"[rng.integers(2)]), str(rng.integers(people))))
    expected, cells = error(
        [s.tolist() for s in stretches], labels, distance=distance, speaker=speaker, context=context
    )
    read, items = one_item_each(stretches, labels)
    if expected is None:
        with pytest.raises(UntoldError, match="no cell"):
            abx(read, items, grid=ONE, distance=distance, speaker=speaker, context=context)
        return
    found = abx(read, items, grid=ONE, distance=distance, speaker=speaker, context=context, draws=10)
    assert (found.value, len(found.cells)) == (pytest.approx(expected, abs=1e-6), cells)


def simple(count=60, people=5, seed=0, dimensions=4):
    rng = np.random.default_rng(seed)
    stretches = [rng.normal(size=(rng.integers(1, 9), dimensions)).astype(np.float32) for _ in range(count)]
    labels = [("pqr"[i % 3], ("", ""), str(i % people)) for i in range(count)]
    return one_item_each(stretches, labels)


@pytest.mark.parametrize("dimensions", [1, 3, 64, 300])
@pytest.mark.parametrize("speaker", ["within", "across"])
def test_constant_features_give_exactly_one_half(dimensions, speaker):
    constant = np.random.default_rng(0).normal(size=dimensions).astype(np.float32)
    read, items = simple()
    found = abx(lambda file: np.tile(constant, (len(read(file)), 1)), items, grid=ONE, speaker=speaker, draws=2)
    assert found.value == 0.5


def test_separable_features_give_zero_and_turned_ones_one():
    read, items = simple()
    place = {"p": (1.0, 0, 0), "q": (0, 1.0, 0), "r": (0, 0, 1.0)}
    phone = {item.file: item.phone for item in items}
    assert abx(lambda f: np.tile(place[phone[f]], (len(read(f)), 1)), items, grid=ONE, draws=2).value == 0
    # two speakers whose two phones have changed places
    labels = [("pq"[i % 2], ("", ""), str(i // 2 % 2)) for i in range(20)]
    swapped = [np.tile(place["pq"[(i + i // 2) % 2]], (3, 1)) for i in range(20)]
    read, items = one_item_each(swapped, labels)
    assert abx(read, items, grid=ONE, draws=2).value == 1


def test_threads_and_order_of_items_change_nothing(monkeypatch):
    read, items = simple(90)
    first = abx(read, items, grid=ONE, threads=1)
    again = abx(read, items[::-1], grid=ONE, threads=3)
    assert (first.value, first.low, first.high) == (again.value, again.low, again.high)
    from untold.evaluation import _abx_jobs
    from untold.evaluation import abx as module

    monkeypatch.setattr(module, "_MOST_IN_POOL", 20)
    monkeypatch.setattr(_abx_jobs, "_MOST_IN_LANES", 100)
    assert abx(read, items, grid=ONE).value == pytest.approx(first.value, abs=1e-12)


def test_subsampling_is_the_same_at_every_run_and_in_every_order_and_within_its_limits():
    read, items = simple(200)
    settings = {"grid": ONE, "max_size_group": 3, "max_x_across": 2, "draws": 2}
    first, again = abx(read, items, seed=7, **settings), abx(read, items[::-1], seed=7, **settings)
    assert first.value == again.value and len(first.cells) == len(again.cells)
    assert abx(read, items, seed=8, **settings).value != first.value
    assert (first.cells.triples <= 27).all()
    cells = np.stack([first.cells.phone, first.cells.other, first.cells.speaker], 1)
    assert np.unique(cells, axis=0, return_counts=True)[1].max() == 2
    assert first.conventions["subsampling"] == "max_size_group=3,max_x_across=2,seed=7"
    everything = abx(read, items, grid=ONE, max_size_group=10**6, max_x_across=10**6, draws=2)
    assert everything.value == abx(read, items, grid=ONE, draws=2).value


@pytest.mark.parametrize(
    ("rate", "onset", "offset", "zerospeech", "librilight"),
    [
        (100, ".2925", ".4725", (29, 47), 17), (50, ".2925", ".4725", (15, 24), 8), (50, ".3725", ".6925", (19, 35), 15),
        (25, ".4325", ".5725", None, 2), (50, ".100", ".120", (5, 6), 0),
    ],
)  # fmt: skip
def test_frames_of_an_item_as_the_fields_tools_take_them(rate, onset, offset, zerospeech, librilight):
    grid = Grid("second", Fraction(rate), Fraction(1, 80))
    begin, end = span(Fraction(onset), Fraction(offset), grid, "zerospeech")
    assert zerospeech is None or (begin, end) == zerospeech
    low, high = span(Fraction(onset), Fraction(offset), grid, "librilight")
    assert (low, high - low, end - begin) == (begin, librilight, librilight + 1)


@given(
    st.fractions(0, 20, max_denominator=10**6), st.fractions(0, 2, max_denominator=10**6), st.sampled_from([100, 50, 25, Fraction(16000, 320), Fraction(49, 3)]),
    st.fractions(0, 1, max_denominator=1000), st.sampled_from(["zerospeech", "stated"]),
)  # fmt: skip
def test_frames_are_those_whose_centres_lie_in_the_item(onset, length, rate, first, rule):
    grid = Grid("second", Fraction(rate), first)
    begin, end = span(onset, onset + length, grid, rule)
    centre = (lambda i: (i + Fraction(1, 2)) / grid.rate) if rule == "zerospeech" else grid.centre
    expected = [i for i in range(int(23 * grid.rate) + 2) if onset <= centre(i) <= onset + length]
    assert list(range(begin, end)) == expected


def test_stretches_that_cannot_be_compared_are_named():
    read, items = simple(12)
    empty = [*items, Item("0", Fraction(1, 10), Fraction(2, 10), "p", "", "", "0")]
    with pytest.raises(UntoldError, match=r"1 of 13 items have no frame.*--empty skip"):
        abx(read, empty, grid=ONE)
    skipped = abx(read, empty, grid=ONE, empty="skip", draws=2)
    assert (skipped.items, skipped.items_empty) == (12, 1)
    steps = len(read("0"))
    late = Item("0", Fraction(0), Fraction(steps + 2), "p", "", "", "0")
    with pytest.raises(UntoldError, match="ends beyond '0'"):
        abx(read, [*items, late], grid=ONE)
    nearly = Item("0", Fraction(0), Fraction(steps + 1), "p", "", "", "0")
    assert abx(read, [*items, nearly], grid=ONE, draws=2).items == 13
    with pytest.raises(UntoldError, match="two sizes: '0' has 4 dimensions, '1' has 5"):
        abx(lambda f: read(f) if f != "1" else np.ones((len(read(f)), 5), np.float32), items, grid=ONE)
    with pytest.raises(UntoldError, match="'1' hold values that are not finite"):
        abx(lambda f: read(f) if f != "1" else np.full((len(read(f)), 4), np.nan, np.float32), items, grid=ONE)
    with pytest.raises(UntoldError, match="no cell to score"):
        abx(read, [i for i in items if i.speaker == "1"], grid=ONE)
    with pytest.raises(UntoldError, match="identical compares tokens"):
        abx(read, items, grid=ONE, distance="identical")
    with pytest.raises(UntoldError, match="kl_symmetric compares distributions"):
        abx(read, items, grid=ONE, distance="kl_symmetric")


def test_items_of_timit_are_those_of_the_known_answers_and_exact(shared):
    known, recordings = shared / "reference/abx-known-answers", []
    for file in sorted((shared / "data/timit-sample").glob("dr*/*.phn")):
        rows = [line.split() for line in file.read_text().splitlines()]
        tier = [Interval(Fraction(int(a), 16000), Fraction(int(b), 16000), label) for a, b, label in rows]
        recordings.append(
            Recording(f"{file.parent.name}/{file.stem}", {}, {"speaker": file.parent.name}, {"phones": tier})
        )
    phones = list(items_of(recordings, "phones", kind="phone", fold="timit39", shortest=Fraction(3, 100)))
    triphones = list(items_of(recordings, "phones", kind="triphone", fold="timit39", shortest=Fraction(3, 100)))
    assert (len(phones), len(triphones)) == (4255, 2606)

    def rounded(items):
        return {
            (
                i.file.replace("/", "_"),
                f"{float(i.onset):.4f}",
                f"{float(i.offset):.4f}",
                i.phone,
                i.previous,
                i.next,
                i.speaker,
            )
            for i in items
        }

    assert rounded(read_items(known / "triphone.item")) == rounded(triphones)
    assert rounded(read_items(known / "phone.item")) <= rounded(phones)
    assert sum(i.offset - i.onset == Fraction(480, 16000) for i in phones) == 34


def test_folding_of_timit_has_39_classes():
    labels = [
        "aa",
        "ae",
        "ah",
        "ao",
        "aw",
        "ax",
        "ax-h",
        "axr",
        "ay",
        "b",
        "bcl",
        "ch",
        "d",
        "dcl",
        "dh",
        "dx",
        "eh",
        "el",
        "em",
        "en",
        "eng",
        "epi",
        "er",
        "ey",
        "f",
        "g",
        "gcl",
        "h#",
        "hh",
        "hv",
        "ih",
        "ix",
        "iy",
        "jh",
        "k",
        "kcl",
        "l",
        "m",
        "n",
        "ng",
        "nx",
        "ow",
        "oy",
        "p",
        "pau",
        "pcl",
        "q",
        "r",
        "s",
        "sh",
        "t",
        "tcl",
        "th",
        "uh",
        "uw",
        "ux",
        "v",
        "w",
        "y",
        "z",
        "zh",
    ]
    assert len(labels) == 61
    assert len({timit39(label) for label in labels} - {None}) == 39
    assert [label for label in labels if timit39(label) is None] == ["q"]
