"""RUN/report.html: everything in one file, which opens from disk and asks nothing of any network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from untold.errors import UntoldError, printable
from untold.formats._writing import inside, read_json, write_text
from untold.report._media import Medium, medium
from untold.report.curves import HEIGHT, WIDTH, read_curves
from untold.report.data import PageData, Shown, UnitCard
from untold.report.tables import LISTED, comparisons, number, probes, read_scores, words

_FOLDER = Path(__file__).parent
_LARGEST = 2 << 20  # bytes of one sound or picture


def write(run: Path, data: PageData) -> Path:
    """Writes `run`/report.html from `data` and what lies in `run`; returns its path.

    Reads scores.csv, progress.jsonl, run.json, sounds and pictures, each of which may be absent: the page names what is.
    Raises `UntoldError` for files that are there but malformed.
    """
    about = read_json(run / "run.json") if (run / "run.json").is_file() else {}
    rows = read_scores(run / "scores.csv")
    curves = read_curves(run / "progress.jsonl")
    absent = list(data.absent)
    if not rows:
        absent.append("Scores: there is no scores.csv in this folder.")
    if not curves:
        absent.append("Training curves: there is no progress.jsonl with more than one report in this folder.")
    of = medium(data.axis)
    matrix = probes(rows, data.method, of.metrics)
    if rows and matrix is None:
        absent.append("Probes: none were trained, which needs labels or speakers.")
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    sealed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = _environment(run, of).get_template("template.html").render(
        data=data, found=_found(of, data, of.verdict(rows, data.method)), facts=_facts(of, data), tables=comparisons(rows, data.method, of.metrics), matrix=matrix, rows=rows[:LISTED],
        left_out=max(0, len(rows) - LISTED), curves=curves, box=(WIDTH, HEIGHT), about=_about(about), absent=absent,
        phones=_phones(data.units), cards=[unit for unit in data.units if unit.exemplars], by_token={unit.token: unit for unit in data.units},
        longest=max((max(unit.durations) for unit in data.units if unit.durations), default=1),
        seal=Markup(f"sha256-{sealed}"), script=Markup(script), style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
        sounds=Markup(_quoted(_sounds(run, data))),
    )
    path = run / "report.html"
    write_text(path, text)
    return path


def _environment(run: Path, of: Medium) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=lambda value: printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    environment.filters.update(
        percent=lambda share: f"{100 * share:.0f}" if share >= 0.095 or share == 0 else f"{100 * share:.1f}",
        duration=of.duration, number=number, words=words, listed=_listed,
        place=lambda value: f"{value:.3f}".rstrip("0").rstrip("."),
    )
    environment.globals.update(picture=lambda name: _picture(run, name), bars=_bars, medium=of, say=of.words)
    return environment


def _bars(durations: Sequence[int]) -> str:
    """A histogram as an SVG path in a box of 100 x 24."""
    top, width = max(durations, default=0) or 1, 100 / max(1, len(durations))
    return "".join(f"M{i * width:.1f} 24v-{n / top * 23:.1f}h{width * 0.8:.1f}V24z" for i, n in enumerate(durations) if n)


def _read(run: Path, folder: str, name: str) -> str:
    if "/" in name:
        raise UntoldError(f"{run}/report.json names {name!r}, which is no file name")
    path = inside(run / folder, name)
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return ""
    return base64.b64encode(path.read_bytes()).decode()


def _picture(run: Path, name: str) -> Markup:
    text = _read(run, "pictures", name) if name else ""
    kind = "png" if name.endswith(".png") else "webp"
    return Markup(f"data:image/{kind};base64,{text}") if text else Markup("data:,")


def _sounds(run: Path, data: PageData) -> dict[str, str]:
    shown: list[Shown] = [*data.shown]
    for pair in (*data.reconstructions, *data.conversions):
        shown += [pair.before, pair.after]
    names = dict.fromkeys([unit.sound for unit in data.units] + [one.sound for one in shown])
    return {name: _read(run, "sounds", name) for name in names if name}


def _quoted(value: Any) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(value, ensure_ascii=True)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _listed(names: Sequence[str]) -> str:
    names = [name for name in names if name]
    return " and ".join(names) if len(names) < 3 else ", ".join(names[:-1]) + " and " + names[-1]


def _phones(units: Iterable[UnitCard]) -> list[str]:
    return sorted({label for unit in units if unit.exemplars for label in unit.name.split(" ") if label})


def _facts(of: Medium, data: PageData) -> list[tuple[str, str]]:
    facts = of.facts(data)
    facts.insert(2, ("units in use", f"{len(data.units)} of {data.alphabet}"))
    if data.speakers:
        facts.insert(2, (of.words.people if data.speakers > 1 else of.words.people.removesuffix("s"), f"{data.speakers}"))
    return facts


def _found(of: Medium, data: PageData, verdict: str) -> str:
    """What was found, in a few sentences."""
    said = [*of.found(data), *([verdict] if verdict else [])]
    if data.tier:
        said.append("Labels were never used to find them, only to describe them here.")
    return " ".join(said)


def _about(about: Any, depth: int = 0) -> list[tuple[str, Any]]:
    """run.json as (name, text or deeper list), bounded."""
    if not isinstance(about, dict):
        return []
    found: list[tuple[str, Any]] = []
    for key, value in list(about.items())[:200]:
        if isinstance(value, dict) and depth < 5:
            if value:
                found.append((str(key), _about(value, depth + 1)))
        elif isinstance(value, list):
            text = " ".join(str(item) for item in value[:40])
            found.append((str(key), text[:600] + (" ..." if len(text) > 600 or len(value) > 40 else "")))
        else:
            found.append((str(key), str(value)[:600]))
    return found
