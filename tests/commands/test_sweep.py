"""Grids of settings: which cells there are, that finished ones are skipped, and what the table says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from untold.cli import main
from untold.commands._terminal import Terminal
from untold.commands.sweep import Cell, _table, cells
from untold.errors import UntoldError
from untold.evaluation import scores

from .speech import speech

PLAN = """
name = "mixture"
steps = 2
seeds = [1, 2]
tasks = "clusters"
[grid]
components = [4, 8]
[set]
frames = 2000
input.warp = "none"
"""


def test_cells_are_the_grid_times_the_seeds() -> None:
    plan = {"name": ["vae", "vq_vae"], "seeds": [0, 1], "grid": {"bottleneck": {"dimensions": [8, 16]}, "slowness": [0.5]}}
    every = cells(plan, Path("plan.toml"))
    assert len(every) == len(set(every)) == 8
    assert Cell("vae", (("bottleneck.dimensions", "16"), ("slowness", "0.5")), 1) in every
    assert len({cell.folder for cell in every}) == 8


def test_a_name_may_have_settings_of_its_own() -> None:
    every = cells({"name": ["vq_vae", "vq_vae:input=logmel,hide_sides=1"], "set": {"hide_sides": 0.5}}, Path("plan.toml"))
    assert every == [Cell("vq_vae", (("hide_sides", "0.5"),), 0), Cell("vq_vae", (("hide_sides", "1"), ("input", "logmel")), 0)]


@pytest.mark.parametrize(("plan", "said"), [
    ({"name": "vae", "seed": [1]}, "there is no key"),
    ({"seeds": [1]}, "name must be"),
    ({"name": "vae", "seeds": []}, "seeds must be"),
    ({"name": "vae", "grid": {"slowness": 1}}, "must hold lists"),
    ({"name": "vae", "size": 1}, "size must be"),
    ({"name": "vae", "size": "64"}, "size must be"),
])  # fmt: skip
def test_a_plan_that_is_off_is_a_sentence(plan: dict[str, object], said: str) -> None:
    with pytest.raises(UntoldError, match=said):
        cells(plan, Path("plan.toml"))


def test_a_sweep_trains_scores_and_skips_what_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    source, plan = speech(tmp_path / "source"), tmp_path / "plan.toml"
    plan.write_text(PLAN)
    words = ["sweep", str(plan), str(source), "--out", str(tmp_path / "out"), "--threads", "1"]
    assert main([*words, "--part", "1/2"]) == 0
    assert "2 cells are not finished" in capsys.readouterr().out
    assert main(words) == 0
    rows = [r for r in scores.read(tmp_path / "out" / "table.csv") if r.metric == "pnmi" and r.method.startswith("mixture")]
    assert {r.method for r in rows} == {f"mixture:frames=2000,input.warp=none,components={k}" for k in (4, 8)}
    assert all(r.n == 2 and r.low is not None and r.low <= r.value <= r.high for r in rows)
    beside = [r.method for r in scores.read(tmp_path / "out" / "table.csv") if r.metric == "pnmi" and r.method.startswith("chance")]
    assert sorted(set(beside)) == [f"chance beside mixture:frames=2000,input.warp=none,components={k}" for k in (4, 8)]  # not one mean of both
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("model.safetensors")}
    assert len(before) == 4
    assert main(words) == 0
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_the_table_keeps_apart_what_conventions_tell_apart_and_counts_a_front_end_once(tmp_path: Path) -> None:
    every = [Cell("vq_vae", (("slowness", word),), seed) for word in ("0", "5") for seed in (0, 1)]
    for number, cell in enumerate(every):
        rows = [
            scores.Row(corpus="voices", task="nats", metric="nats", point="", value=value + number, low=value, high=value + 5, n=8, better="lower", method="vq_vae", seed=cell.seed, seconds=60.0, conventions={"latents": latents})
            for latents, value in (("true", 40.0), ("zero", 60.0))
        ]
        if number < 2:  # in each of two parts the first cell
            rows.append(scores.Row(corpus="voices", task="abx", metric="abx_across", point="mfcc", value=0.2, low=0.1, high=0.3, n=8, better="lower", method="mfcc", seed=None, seconds=None, conventions={"kind": "phone"}))
        (tmp_path / cell.folder).mkdir()
        if number == 3:  # measured again, by another part that did not know
            rows += [replace(row, seconds=61.0) for row in rows]
        scores.append(tmp_path / cell.folder / "scores.csv", rows)
    table = {(r.method, r.conventions.get("latents", "")): r for r in _table(every, tmp_path, Terminal(True))}
    assert table["vq_vae:slowness=0", "true"].value == 40.5
    assert table["vq_vae:slowness=5", "true"].value == 42.5
    assert table["vq_vae:slowness=0", "zero"].value == 60.5
    assert {row.n for key, row in table.items() if key[1]} == {2}
    assert (table["mfcc", ""].low, table["mfcc", ""].high) == (0.1, 0.3)


def test_a_method_without_units_is_scored_with_those_of_k_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTOLD_CACHE", str(tmp_path / "cache"))
    source, plan = speech(tmp_path / "source"), tmp_path / "plan.toml"
    plan.write_text('name = ["mixture:components=4,frames=2000,input.warp=none", "cpc:encoder.width=8,batch=2"]\nsteps = 2\ntasks = "clusters,bits"\nsize = 6\n')
    assert main(["sweep", str(plan), str(source), "--out", str(tmp_path / "out"), "--threads", "1", "--quiet"]) == 0
    rows = {(r.method.partition(":")[0], r.metric): r for r in scores.read(tmp_path / "out" / "table.csv")}
    assert rows["mixture", "perplexity"].value <= 4 < rows["cpc", "perplexity"].value <= 6
    assert rows["cpc", "pnmi"].value > 0


def test_an_unknown_setting_is_found_before_anything_is_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('name = "mixture"\nsteps = 1\n[grid]\ncomponent = [4]\n')
    assert main(["sweep", str(plan), "nowhere", "--out", str(tmp_path / "out")]) == 1
    assert "did you mean components" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
