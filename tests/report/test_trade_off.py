"""The drawing of phones against gender: every row is on it, where it belongs, and names are text."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from untold.evaluation.scores import Row
from untold.report import trade_off


def row(method: str, metric: str, value: float, point: str = "bottleneck") -> Row:
    return Row("x", "probes", metric, point, value, value - 0.05, value + 0.05, 5, "higher", method, 0, 1.0, {})


def test_rows_lie_where_their_figures_say(tmp_path):
    rows = [row(f"m:<b>size={n}", metric, value) for n, pair in ((1, (0.6, 0.5)), (2, (0.9, 0.8))) for metric, value in zip(("gender_accuracy", "phone_accuracy"), pair, strict=True)]
    rows += [row("chance", "gender_accuracy", 0.5, ""), row("other", "phone_accuracy", 0.7)]
    assert trade_off.draw(rows, tmp_path / "a.svg")
    marks = [c for c in ElementTree.parse(tmp_path / "a.svg").iter("{http://www.w3.org/2000/svg}circle") if len(c)]
    assert [m[0].text for m in marks] == ["m:<b>size=1 at bottleneck: 0.600, 0.500", "m:<b>size=2 at bottleneck: 0.900, 0.800"]
    (x1, y1), (x2, y2) = ((float(m.get("cx")), float(m.get("cy"))) for m in marks)
    assert x1 < x2 and y1 > y2
    assert not trade_off.draw(rows[:2], tmp_path / "b.svg") and not (tmp_path / "b.svg").exists()
