"""How much of the phone and how much of the speaker's sex each row keeps, as a drawing: up is good, left is good."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from untold.evaluation.scores import Row
from untold.formats._writing import beside

WIDTH, HEIGHT, EDGE = 760, 460, 56
COLOURS = ("#1b6ca8", "#c2410c", "#15803d", "#7e22ce", "#475569", "#b45309")
POINTS = ("bottleneck", "condition")  # full and open circles


def draw(rows: Iterable[Row], path: Path, across: str = "gender_accuracy", up: str = "phone_accuracy") -> bool:
    """Writes an SVG of two metrics at `POINTS`, intervals as crosses; False where fewer than two rows have both."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    chance: dict[str, float] = {}
    for row in rows:
        if row.metric in (across, up):
            if row.method.partition(" ")[0] == "chance":
                chance.setdefault(row.metric, row.value)
            elif row.point in POINTS:
                found.setdefault((row.method, row.point), {})[row.metric] = row
    both = {key: (some[across], some[up]) for key, some in found.items() if len(some) == 2}
    if len(both) < 2:
        return False
    spans = [_span([row for pair in both.values() for row in pair if row.metric == metric], chance.get(metric) if metric == across else None) for metric in (across, up)]
    families = sorted({method.partition(":")[0] for method, _ in both})
    parts = [_frame(spans, across, up, chance)]
    parts += [_mark(x, y, point, method, spans, COLOURS[families.index(method.partition(":")[0]) % len(COLOURS)]) for (method, point), (x, y) in sorted(both.items())]
    parts += [_key(number, family, COLOURS[number % len(COLOURS)]) for number, family in enumerate(families)]
    body = "\n".join(parts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">'
    with beside(path) as new:
        new.write_text(f'{head}\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n', encoding="utf-8")
    return True


Span = tuple[float, float]


def _span(rows: Iterable[Row], chance: float | None) -> Span:
    ends = [value for row in rows for value in (row.value, row.low, row.high) if value is not None] + ([chance] if chance is not None else [])
    low, high = max(0.0, min(ends)), min(1.0, max(ends))
    room = 0.06 * (high - low or 1.0)
    return max(0.0, low - room), min(1.0, high + room)


def _x(value: float, span: Span) -> float:
    return EDGE + (min(max(value, span[0]), span[1]) - span[0]) / (span[1] - span[0]) * (WIDTH - 1.5 * EDGE)


def _y(value: float, span: Span) -> float:
    return HEIGHT - EDGE - (min(max(value, span[0]), span[1]) - span[0]) / (span[1] - span[0]) * (HEIGHT - 1.6 * EDGE)


def _frame(spans: list[Span], across: str, up: str, chance: dict[str, float]) -> str:
    lines = []
    for part in range(6):
        x, y = (span[0] + part / 5 * (span[1] - span[0]) for span in spans)
        lines.append(f'<text x="{_x(x, spans[0]):.0f}" y="{HEIGHT - EDGE + 18}" text-anchor="middle">{x:.2f}</text>')
        lines.append(f'<text x="{EDGE - 8}" y="{_y(y, spans[1]) + 4:.0f}" text-anchor="end">{y:.2f}</text>')
        lines.append(f'<path d="M{EDGE} {_y(y, spans[1]):.1f}H{WIDTH - EDGE // 2}" stroke="#e2e8f0"/>')
    if across in chance:
        at = _x(chance[across], spans[0])
        lines.append(f'<path d="M{at:.1f} {0.6 * EDGE:.0f}V{HEIGHT - EDGE}" stroke="#94a3b8" stroke-dasharray="4 4"/><text x="{at + 4:.0f}" y="{0.6 * EDGE + 10:.0f}" fill="#64748b">chance</text>')
    words = [metric.replace("_", " ") for metric in (across, up)]
    lines.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 14}" text-anchor="middle">{escape(words[0])} of a probe (less is better)</text>')
    lines.append(f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(words[1])} of a probe (more is better)</text>')
    return "\n".join(lines)


def _mark(across: Row, up: Row, point: str, method: str, spans: list[Span], colour: str) -> str:
    x, y = _x(across.value, spans[0]), _y(up.value, spans[1])
    bars = ""
    if across.low is not None and across.high is not None:
        bars += f"M{_x(across.low, spans[0]):.1f} {y:.1f}H{_x(across.high, spans[0]):.1f}"
    if up.low is not None and up.high is not None:
        bars += f"M{x:.1f} {_y(up.low, spans[1]):.1f}V{_y(up.high, spans[1]):.1f}"
    fill = colour if point == POINTS[0] else "#fff"
    label = escape(method.rpartition("=")[2] if "=" in method else "")
    return (
        f'<path d="{bars}" stroke="{colour}" stroke-opacity="0.3"/><circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}" stroke="{colour}" stroke-width="1.5">'
        f"<title>{escape(method)} at {escape(point)}: {across.value:.3f}, {up.value:.3f}</title></circle>"
        f'<text x="{x + 8:.1f}" y="{y - 6:.1f}" fill="{colour}" font-size="10">{label}</text>'
    )


def _key(number: int, family: str, colour: str) -> str:
    at = EDGE + 8 + 150 * number
    words = f'<text x="{at + 10}" y="20">{escape(family)}</text>'
    more = f'<text x="{WIDTH - EDGE}" y="20" text-anchor="end" fill="#64748b">full: {POINTS[0]}, open: {POINTS[1]}</text>' if not number else ""
    return f'<circle cx="{at}" cy="16" r="5" fill="{colour}"/>{words}{more}'
