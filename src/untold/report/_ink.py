"""Lines of handwriting on the page: letter sheets cut from the lines, ink on paper, pixels of lines 64 pixels high."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from untold.contract import Recording, Units
from untold.evaluation.scores import Row
from untold.formats.picture import as_written, grey
from untold.report import pictures
from untold.report._media import Medium, Place, Words, places_of, read, some
from untold.report.data import Exemplar, Kind, PageData, Shown, Span
from untold.report.tables import number

_PIECE = 4096  # columns of one line looked at
_WIDE = 32  # columns around the middle of a unit whose mean says how it looks
_SQUARE = 4  # pixels that are averaged for that, each way
_HEIGHT = 64
_LONGEST = 96  # columns of a unit that are kept in its exemplar
_INKED = 0.12  # a column holds writing from this share on of the ink that its line's fullest columns hold

_WORDS = Words(
    recordings="Lines", people="scribes", picture="The line", share="paper", small="px", spoken="pixels", digits=0, axis="px", quiet="blank", odd="", nameless="blank",
    by_share="width covered", by_likeness="likeness in shape", keys="arrow keys go from one to the next",
    probes="A good unit keeps the character and loses the scribe.",
    cards=("Each picture is one place where the unit occurs, cut from its line and sorted by scribe: the frame marks the unit, around it", "px of what is written beside it.", "Units that look alike have like colours; blank paper stands last."),
    told="Point at a unit to see where else it occurs in the line. Click it for its letter sheet.", back=("Drawn again", "Lines drawn again from their units"),
    converted=("The same line redrawn in another scribe's hand", "in the hand of"),
    conventions="A unit is called blank when fewer than a quarter of its columns hold ink. Colours and “more like this” compare mean pictures around the middle of a unit. All lines are 64 pixels high: their paper was made white, their baselines level, their strokes upright; lengths are in pixels of these. Examples are of middling length, drawn by lot, two or more of a scribe.",
    unmade=("Reconstructions: nothing was given that draws lines from units.", "Redrawing in another scribe's hand: none was made."),
)

_METRICS = MappingProxyType({
    "clusters": "Units against characters", "speaker_information": "Who writes", "speaker_accuracy": "scribe accuracy",
    "mapped": "Characters named by units", "recognition": "A reader taught by few lines",
})


class Ink(Medium):
    """Lines of handwriting: columns of 64 pixels, ink in [0, 1]."""

    unit, words, template = "pixel", _WORDS, "ink.html"
    heard, metrics = False, _METRICS
    fine, looked, shapes, traits = 1.0, 2e6, _WIDE * _HEIGHT // _SQUARE**2, 1
    kept, each, margin = 16, 2, 20.0
    shown, longest, middling = 4, 1600.0, 800.0

    def look(self, recording: Recording, units: Units) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of segments: the picture around their middle, coarsely; the share of their columns that hold ink."""
        units = units.merged()
        begin = max(0, (recording.signal.steps - _PIECE) // 2)
        ink = read(recording, begin, begin + _PIECE)
        starts, ends = (np.round(place - begin).astype(int) for place in places_of(units))
        ends = np.minimum(ends, len(ink))
        inside = (starts >= 0) & (starts < ends)
        starts, ends = starts[inside], ends[inside]
        padded = np.pad(ink, ((_WIDE // 2, _WIDE // 2), (0, 0)))
        around = padded[((starts + ends) // 2)[:, None] + np.arange(_WIDE)]
        shapes = around.reshape(len(starts), _WIDE // _SQUARE, _SQUARE, _HEIGHT // _SQUARE, _SQUARE).mean((2, 4))
        columns = ink.sum(1)
        full = np.append(0, np.cumsum(columns > _INKED * max(1e-9, float(np.percentile(columns, 95)))))
        return units.tokens[inside], shapes.reshape(len(starts), self.shapes), ((full[ends] - full[starts]) / (ends - starts))[:, None]

    def kind(self, traits: np.ndarray) -> Kind:
        """Blank where hardly a column holds ink."""
        return "blank" if len(traits) and traits[0] < 0.25 else "writing"

    def sheet(self, run: Path, token: int, cut: Sequence[tuple[Place, Recording, str]], *, quiet: bool) -> tuple[tuple[Exemplar, ...], str]:
        """Pictures cut from lines, sorted by scribe; there is no sound."""
        made: list[Exemplar] = []
        for place, recording, label in sorted(cut, key=lambda one: (_natural(one[0].speaker), one[0].index, one[0].start)):
            begin, end = max(0.0, place.start - self.margin), min(place.end, place.start + _LONGEST)
            values = read(recording, begin, end + self.margin)
            name = f"unit-{token}-{len(made)}.webp"
            pictures.write_picture(run / "pictures" / name, grey(self.as_seen(recording, values)), quality=55)
            inside = Span(place.start - begin, min(end - begin, float(len(values))), "")  # the last unit may end behind its line
            span = self.turned(recording, [inside], len(values))[0]
            made.append(Exemplar(
                recording=recording.id, speaker=place.speaker, start=place.start, end=place.end, clip_start=0.0, clip_end=float(len(values)),
                unit_start=span.start, unit_end=span.end, picture=name, label=label.strip(),
            ))
        return tuple(made), ""

    def drawn(self, run: Path, name: str, identity: str, speaker: str, values: np.ndarray) -> Shown:
        """A picture of the line."""
        values = np.nan_to_num(np.asarray(values, np.float32))[: round(self.longest)]
        pictures.write_picture(run / "pictures" / f"{name}.webp", grey(values), quality=60)
        return Shown(identity, speaker, float(len(values)), f"{name}.webp")

    def as_seen(self, recording: Recording, values: np.ndarray) -> np.ndarray:
        """From left to right, whichever way it was written."""
        return as_written(values, recording.sides)

    def turned(self, recording: Recording, spans: Sequence[Span], length: float) -> tuple[Span, ...]:
        """From left to right."""
        if recording.sides.get("direction") != "rtl":
            return tuple(spans)
        return tuple(replace(span, start=max(0.0, length - span.end), end=length - span.start) for span in reversed(spans))

    def ticks(self, length: float) -> list[tuple[float, str]]:
        """Every hundred pixels."""
        return [(float(x), f"{x}" + (" px" if x == 0 else "")) for x in range(0, max(1, int(length - 30)), 100)]

    def marks(self) -> list[tuple[str, str]]:
        """None."""
        return []

    def duration(self, value: float) -> str:
        """Pixels."""
        return f"{value:.0f}"

    def place(self, value: float) -> str:
        """Pixels."""
        return f"pixel {value:.0f}"

    def amount(self, length: float) -> str:
        """Pixels."""
        return f"{length:.0f} pixels"

    def facts(self, data: PageData) -> list[tuple[str, str]]:
        """Lines, their width, how wide units are."""
        width = data.length / max(1, data.recordings)
        return [("lines", f"{data.recordings}"), ("px a line, 64 px high", f"{width:.0f}"), ("px a unit", f"{1 / max(data.rate, 1e-9):.0f}")]

    def found(self, data: PageData) -> list[str]:
        """How many units, how wide, how many are blank."""
        of = f" by {data.speakers} scribes" if data.speakers > 1 else " by one scribe" if data.speakers == 1 else ""
        blank = [unit for unit in data.units if unit.kind == "blank"]
        said = [f"In {data.recordings} lines of handwriting{of}, the method “{data.method}” found {len(data.units)} units. One takes {1 / max(data.rate, 1e-9):.0f} pixels of a line that is 64 pixels high."]
        if (gaps := 1 - sum(unit.share for unit in data.units)) > 0.02:
            said.append(f"On {100 * gaps:.0f} % of the width there is no unit.")
        if blank:
            share = 100 * sum(unit.share for unit in blank)
            said.append(f"{some(len(blank), 'unit')} {'lie' if len(blank) > 1 else 'lies'} on blank paper, {share:.0f} % of the width.")
        return said

    def verdict(self, rows: Sequence[Row], method: str) -> str:
        """A probe of characters beside the best of its rivals and chance."""
        asked = [row for row in rows if row.metric == "character_accuracy"]
        mine = next((row for point in ("bottleneck", "") for row in asked if row.method == method and (row.point == point or not point)), None)
        rivals = [row for row in asked if row.method not in (method, "chance")]
        if mine is None or not rivals:
            return ""
        rival = max(rivals, key=lambda row: row.value)
        how = "more often than" if mine.value > rival.value else "less often than" if mine.value < rival.value else "as often as"
        chance = next((f"; the commonest character alone would be in {number(row.value)}" for row in asked if row.method == "chance"), "")
        return f"Asked which character a column belongs to, a small network that reads these units is right in {number(mine.value)} of the cases, {how} with {rival.method} ({number(rival.value)}){chance}."


MEDIUM = Ink()


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Names in the order of their numbers: scribe 2 before scribe 10."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)]
