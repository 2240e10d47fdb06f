"""The sweeps that the documents name are plans that can be carried out."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from untold.commands.sweep import cells
from untold.runs import resolve
from untold.settings import parse_assignments

PLANS = sorted((Path(__file__).parents[1] / "docs" / "sweeps").glob("*.toml"))


@pytest.mark.parametrize("plan", PLANS, ids=[plan.stem for plan in PLANS])
def test_every_cell_is_a_method_with_settings_that_it_has(plan: Path) -> None:
    text = plan.read_text(encoding="utf-8")
    every = cells(tomllib.loads(text), plan)
    assert 2 <= len(every) <= 36
    assert f"untold sweep docs/sweeps/{plan.name}" in text
    for cell in every:
        resolve(cell.name, parse_assignments([f"{key}={value}" for key, value in cell.changes]))
