"""Timings that can be compared: everything in one run, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def turns(steps: dict[str, Callable[[], object]], times: int) -> dict[str, float]:
    """Median seconds of each of some steps, taken one after the other; each was done twice before."""
    for step in steps.values():
        step(), step()
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(times):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            found[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in found.items()}
