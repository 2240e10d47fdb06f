"""What many tests need: the folder of real data beside the checkout, and settings of hypothesis."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile(
    "untold", deadline=None, max_examples=int(os.environ.get("UNTOLD_EXAMPLES", "25")), derandomize=True
)
settings.load_profile("untold")


def shared() -> Path:
    """The folder `shared` beside the checkout; skips the test, with the reason, where it is absent."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the real data in {folder}, which is not on this machine")
    return folder


@pytest.fixture(name="shared")
def _shared() -> Path:
    return shared()
