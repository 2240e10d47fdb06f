"""Scores as tables, and training as curves: what a reader would look for stands where it is looked for."""

from __future__ import annotations

from pathlib import Path

import made_sounds as made
import pytest

from untold.errors import UntoldError
from untold.report.curves import read_curves
from untold.report.tables import WORDS, comparisons, probes, read_scores, words


@pytest.fixture(name="run")
def _run(tmp_path: Path) -> Path:
    made.accompany(tmp_path)
    return tmp_path


def test_rivals_stand_beside_us_and_the_best_is_marked(run: Path) -> None:
    rows = read_scores(run / "scores.csv")
    abx = comparisons(rows, "vq_vae")[0]
    assert [variant for _, _, variant in abx.columns] == ["context any", "context within"]  # `kind` tells nothing more, counts of cells tell no variant
    assert [(method, ours) for method, _, ours, _ in abx.rows] == [("vq_vae", True), ("mfcc", False)]
    first, second = abx.rows[0][3], abx.rows[1][3]
    assert first[0] and first[0].best and first[0].interval == "0.100 to 0.140" and "cells 90" in first[0].note
    assert second[0] and not second[0].best and second[1] is None
    assert first[1] and not first[1].best  # no rival has this one: best of one is nothing


def test_higher_may_be_better(tmp_path: Path) -> None:
    made.accompany(tmp_path)
    path = tmp_path / "scores.csv"
    path.write_text(path.read_text(encoding="utf-8") + "c,clusters,pnmi,,0.7,,,8,higher,mixture,0,3,tier=x\n", encoding="utf-8")
    table = comparisons(read_scores(path), "vq_vae")[-1]
    assert [cells[0].best for *_, cells in table.rows if cells[0]] == [False, True]


def test_matrix_of_probes(run: Path) -> None:
    matrix = probes(read_scores(run / "scores.csv"), "vq_vae")
    assert matrix is not None and [name for name, _, _ in matrix.columns] == ["encoder", "bottleneck", "chance"]
    cells = matrix.rows[0][3]
    assert [cell.text for cell in cells if cell] == ["0.700", "0.600", "0.100"]
    assert cells[0] and cells[0].shade == 1 and cells[2] and cells[2].shade == 0


def test_malformed_scores_are_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("corpus,task\n1,2\n", encoding="utf-8")
    with pytest.raises(UntoldError, match="metric"):
        read_scores(path)
    made.accompany(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("0.12,", "much,"), encoding="utf-8")
    with pytest.raises(UntoldError, match="line 2"):
        read_scores(path)
    assert read_scores(tmp_path / "none.csv") == []


def test_curves_have_their_units_and_survive_half_a_line(run: Path) -> None:
    curves = {curve.name: curve for curve in read_curves(run / "progress.jsonl")}
    assert set(curves) == {"reconstruction", "perplexity"}
    assert curves["reconstruction"].unit == "nats per frame" and curves["reconstruction"].last == "81"
    assert curves["perplexity"].begin == "0" and curves["perplexity"].end == "19"
    assert curves["perplexity"].path.startswith("M0.0 ") and curves["perplexity"].path.count("L") == 19


@pytest.mark.parametrize("metric", ["cer", "mapped_cer", "per", "token_to_character", "rate_error", "alignment_error", "alignment_hits", "bits_per_pixel", "units_per_line"])
def test_what_is_measured_of_lines_has_a_plain_name_of_its_own(metric: str) -> None:
    assert metric in WORDS
    assert [words(name) for name in WORDS].count(words(metric)) == 1
