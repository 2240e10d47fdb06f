"""scores.csv: its columns, nothing lost, and intervals by groups that are right and paired."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats

from untold.contract import Score
from untold.errors import UntoldError
from untold.evaluation import _groups, scores

from .pretended import corpus

ROW = scores.Row("timit", "probes", "phone_accuracy", "condition", 0.75, 0.7, None, 6, "higher", "vq_vae", 3, 600.0, {"tier": "phones"})


def test_columns_are_the_published_ones(tmp_path):
    scores.append(tmp_path / "scores.csv", [ROW])
    head, line = (tmp_path / "scores.csv").read_text().splitlines()
    assert head == "corpus,task,metric,point,value,low,high,n,better,method,seed,seconds,conventions"
    assert line == "timit,probes,phone_accuracy,condition,0.75,0.7,,6,higher,vq_vae,3,600.0,tier=phones"
    assert scores.read(tmp_path / "scores.csv") == [ROW]


TEXT = some.text(some.characters(blacklist_categories=("Cs", "Cc")), max_size=8)


@given(TEXT, some.dictionaries(TEXT, TEXT, max_size=3), some.floats(allow_nan=False, allow_infinity=False))
def test_any_words_are_read_back_as_one_row(tmp_path_factory, word, conventions, value):
    path = tmp_path_factory.mktemp("rows") / "scores.csv"
    row = scores.Row(word, "t", "m", word, value, None, None, 1, "lower", word, None, None, conventions)
    scores.append(path, [row])
    (read,) = scores.read(path)
    assert (read.corpus, read.point, read.method) == (word, word, word)
    assert read.value == pytest.approx(value, rel=1e-7)
    assert scores.conventions_of(scores.written(read.conventions)) == read.conventions
    assert sum(";" in value or "\n" in value for value in read.conventions.values()) == 0


def test_conventions_cannot_break_the_form():
    assert scores.written({"a=b": "c;d\ne"}) == "a:b=c,d e"
    assert scores.conventions_of("settings=deltas=no;x=") == {"settings": "deltas=no", "x": ""}


def test_rows_are_added_and_the_same_one_is_not_repeated(tmp_path):
    path = tmp_path / "scores.csv"
    other = scores.Row(**{**ROW.__dict__, "value": 0.5})
    scores.append(path, [ROW])
    scores.append(path, [other, ROW])
    assert scores.read(path) == [ROW, other]


def _add(path, number):
    for i in range(5):
        scores.append(path, [scores.Row(**{**ROW.__dict__, "point": f"{number}.{i}"})])


def test_two_programs_that_add_at_once_lose_nothing(tmp_path):
    path = tmp_path / "scores.csv"
    context = multiprocessing.get_context("fork")
    at_once = [context.Process(target=_add, args=(path, n)) for n in range(3)]
    [p.start() for p in at_once]
    [p.join() for p in at_once]
    assert len(scores.read(path)) == 15
    assert [p.name for p in tmp_path.iterdir()] == ["scores.csv"]


def test_a_value_that_is_no_number_is_never_written(tmp_path):
    path = tmp_path / "scores.csv"
    scores.append(path, [ROW])
    with pytest.raises(ValueError, match="nan"):
        scores.append(path, [scores.Row(**{**ROW.__dict__, "value": float("nan")})])
    assert scores.read(path) == [ROW]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speaker,sex\n", "the column 'corpus' is missing"),
        (",".join(scores.COLUMNS) + "\nc,t,m,p,high,,,1,lower,x,0,0,\n", "line 2: not a row"),
        (",".join(scores.COLUMNS) + "\nc,t,m,p,1\n", "line 2: not a row"),
    ],
)
def test_what_is_no_table_of_scores_is_refused_and_kept(tmp_path, text, message):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(UntoldError, match=message):
        scores.append(path, [ROW])
    assert path.read_text() == text


def test_rivals_keep_their_name_and_front_ends_their_settings():
    ours = Score("abx", "abx_across", "mfcc", 0.2, None, None, 5, "lower", {"cells": "3"})
    chance = _groups.Measured("abx", "abx_across", "", 0.5, None, None, 5, "lower", method="chance")
    made = scores.rows([ours, chance], corpus="c", method="mfcc:deltas=no", seconds=None, conventions={"split": "all"})
    assert [(r.method, dict(r.conventions), r.seconds) for r in made] == [
        ("mfcc", {"cells": "3", "split": "all", "settings": "deltas=no"}, None), ("chance", {}, 0.0)
    ]


def test_the_interval_of_a_mean_is_that_of_scipy():
    values = np.random.default_rng(1).standard_normal(40)
    names = [f"s{i:02}" for i in range(40)]
    low, high = _groups.interval(_groups.ratio(names, values, np.ones(40), "speakers"), 4000, 0)
    peer = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2))
    assert low == pytest.approx(peer.confidence_interval.low, abs=0.03)
    assert high == pytest.approx(peer.confidence_interval.high, abs=0.03)


def test_a_pooled_ratio_weights_groups_by_their_size():
    grouped = _groups.ratio(["a", "b", "b"], np.array([1.0, 0, 1]), np.array([1.0, 2, 1]), "speakers")
    assert grouped.value == 0.5
    assert grouped.of(np.array([[2.0, 0], [0, 1]])).tolist() == [1, 1 / 3]


def test_paired_differences_are_narrower_than_two_intervals():
    rng = np.random.default_rng(0)
    hard, names = rng.random(30), [f"s{i}" for i in range(30)]
    one = _groups.ratio(names, hard, np.ones(30), "speakers")
    other = _groups.ratio(names, hard + 0.05 + 0.01 * rng.standard_normal(30), np.ones(30), "speakers")
    value, low, high = _groups.difference(other, one, 1000, 0)
    alone = _groups.interval(one, 1000, 0)
    assert value == pytest.approx(0.05, abs=0.01)
    assert 0 < low < value < high
    assert high - low < (alone[1] - alone[0]) / 5
    unlike = _groups.ratio([f"t{i}" for i in range(30)], hard, np.ones(30), "speakers")
    assert _groups.difference(one, unlike, 1000, 0)[1:] == (None, None)


def test_fewer_than_five_speakers_are_resampled_by_recording():
    assert _groups.resampled(corpus(5, 2))[0] == "speakers"
    what, groups = _groups.resampled(corpus(4, 2))
    assert what == "recordings"
    assert len(set(groups)) == 8
    assert _groups.interval(_groups.ratio(["one"], np.ones(1), np.ones(1), "speakers"), 100, 0) == (None, None)


def test_a_centred_interval_holds_its_value():
    """Seeing fewer different groups raises a maximum's share; the percentiles are moved back around the value."""
    grouped = _groups.Grouped(("a", "b", "c"), lambda w: w.max(axis=1) / w.sum(axis=1), "speakers", centred=True)
    low, high = _groups.interval(grouped, 1000, 0)
    assert low <= grouped.value <= high
