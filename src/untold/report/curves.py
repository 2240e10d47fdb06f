"""Training curves: progress.jsonl as small drawings that take the page's own colours."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 240.0, 84.0
POINTS = 240  # drawn of a curve
MOST = 12  # curves
AXES = ("step", "seconds")
SKIPPED = {*AXES, "steps", "time", "left", "epoch"}


@dataclass(frozen=True)
class Curve:
    """A drawing: name, unit, SVG path in a box of `WIDTH` x `HEIGHT`, and the numbers at its corners."""

    name: str
    unit: str
    path: str
    low: str
    high: str
    begin: str
    end: str
    last: str
    axis: str


def read_curves(path: Path) -> list[Curve]:
    """The curves of a progress.jsonl; none when it is absent. Lines that are no JSON object are passed over."""
    series: dict[tuple[str, str], list[tuple[float, float]]] = {}
    units: dict[str, str] = {}
    axis = "step"
    for number, line in enumerate(_lines(path)):
        axis = next((name for name in AXES if _is_number(line.get(name))), "report")
        at = float(line[axis]) if axis in line else float(number)
        phase = str(line.get("phase", ""))
        if isinstance(line.get("units"), dict):
            units.update({str(name): str(unit) for name, unit in line.pop("units").items()})
        for name, value in _numbers(line, ""):
            series.setdefault((phase, name), []).append((at, value))
    drawn = [(*key, points) for key, points in series.items() if len({y for _, y in points}) > 1]
    phases = {phase for phase, *_ in drawn}
    return [
        _curve(f"{name}, {phase}" if len(phases) > 1 else name, units.get(name, ""), points, axis) for phase, name, points in drawn[:MOST]
    ]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as text:
        for line in text:
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):  # a kill may leave half a line at the end
                continue
            if isinstance(value, dict):
                yield value


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _numbers(value: dict[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
    for key, inner in value.items():
        name = f"{prefix} {key}".strip().removeprefix("losses ")
        if not prefix and key in SKIPPED:
            continue
        if _is_number(inner):
            yield name, float(inner)
        elif isinstance(inner, dict) and len(prefix) < 60:
            yield from _numbers(inner, name)


def _curve(name: str, unit: str, points: list[tuple[float, float]], axis: str) -> Curve:
    points.sort()
    every = max(1, len(points) // POINTS)
    kept = points[::every] + ([points[-1]] if (len(points) - 1) % every else [])
    # The first reports of a run may be far off what follows: the drawing is scaled to the rest and clipped above.
    heights = sorted(y for _, y in kept[max(1, len(kept) // 50) :] or kept)
    low, high = heights[0], heights[-1]
    span = (high - low) or 1.0
    left, right = kept[0][0], kept[-1][0]
    width = (right - left) or 1.0
    places = (
        f"{(x - left) / width * WIDTH:.1f} {HEIGHT - min(1.15, max(-0.15, (y - low) / span)) * HEIGHT:.1f}" for x, y in kept
    )
    return Curve(name.replace("_", " "), unit, "M" + "L".join(places), _short(low), _short(high), _short(left), _short(right), _short(points[-1][1]), axis)


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
