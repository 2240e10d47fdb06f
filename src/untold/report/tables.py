"""scores.csv as tables for a reader: rivals beside us, intervals, the best marked; and the matrix of probes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from untold.evaluation import scores
from untold.evaluation.scores import Row

POINTS = ("encoder", "projection", "bottleneck", "condition", "codeword_posteriors")
PROBES = ("phone_accuracy", "character_accuracy", "speaker_accuracy", "gender_accuracy", "logmel_mse")
WORDS = {
    "abx_across": "ABX, across speakers", "abx_within": "ABX, within speakers", "pnmi": "PNMI", "nmi": "NMI", "ari": "ARI",
    "r_value": "R value", "f1": "F1", "logmel_mse": "log-mel error", "bits_per_second": "bits per second",
    "mutual_information": "adjusted mutual information", "abx": "Telling phones apart (ABX)", "clusters": "Units against phones",
    "boundaries": "Boundaries", "nats": "Likelihood", "probes": "Probes", "bits": "What the units cost", "codewords_in_use": "codewords in use", "units_per_second": "units per second", "speaker_information": "Who speaks",
    "codec": "Sound from the units alone", "conversion": "Another speaker's voice", "codec_bits_per_second": "bits per second", "codec_abx_across": "ABX of the sound, across",
    "codec_abx_within": "ABX of the sound, within", "cer": "character error rate", "mapped_cer": "character error rate of named units", "per": "phone error rate of named units", "token_to_character": "characters named right", "f0_error": "pitch error (cents)", "mel_cepstral_distortion": "mel-cepstral distortion (dB)",
    "rate_error": "how far the number of units is off", "bits_per_pixel": "bits per pixel of width", "units_per_line": "units per line",
    "alignment": "The aligner itself, where places are exact", "alignment_error": "boundaries off by, pixels", "alignment_hits": "boundaries within 8 pixels",
    "conversion_speaker_accuracy": "named as the voice asked for", "conversion_phone_accuracy": "phones named right", "conversion_f0_error": "pitch off the voice's (cents)",
}
CHANCE = ("chance", "random", "uniform", "untrained")  # rows that stand last
ORDER = ("abx", "clusters", "boundaries")  # tasks that stand first
NONE: Mapping[str, str] = MappingProxyType({})
LISTED = 1500  # rows of the full list


@dataclass(frozen=True)
class Cell:
    """A number as it is shown; `note` holds its interval and conventions, `shade` (0 to 1) how far it is from chance."""

    text: str
    interval: str = ""
    note: str = ""
    best: bool = False
    shade: float = 0.0


@dataclass(frozen=True)
class Table:
    """A heading, columns (name, better, variant), and rows (method, point, ours, cells; None where nothing was measured)."""

    heading: str
    columns: list[tuple[str, str, str]]
    rows: list[tuple[str, str, bool, list[Cell | None]]]
    conventions: str = ""


def words(name: str, own: Mapping[str, str] = NONE) -> str:
    """A metric's or task's name in words, those of its medium first."""
    return own.get(name) or WORDS.get(name, name.replace("_", " "))


def read_scores(path: Path) -> list[Row]:
    """The rows of a scores.csv, none when it is absent; raises `UntoldError` for a malformed line."""
    return [_named(row) for row in scores.read(path)] if path.is_file() else []


def _named(row: Row) -> Row:
    """What tells two rows of one method apart belongs to its name."""
    said = dict(row.conventions)
    settings = said.pop("settings", "")
    return replace(row, method=f"{row.method} ({settings})" if settings else row.method, conventions=said)


def number(value: float) -> str:
    """A number with about three digits that matter."""
    if not math.isfinite(value):
        return "none"
    size = abs(value)
    return f"{value:.0f}" if size >= 1000 else f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 2 else f"{value:.3f}"


def _cell(row: Row, best: bool, shade: float = 0.0) -> Cell:
    interval = "" if row.low is None or row.high is None else f"{number(row.low)} to {number(row.high)}"
    said = [f"{key} {value}" for key, value in row.conventions.items()]
    note = [f"95 % interval {interval} over {row.n} resampled" if interval else "no interval", "" if row.seed is None else f"seed {row.seed}",
            f"trained {row.seconds:.0f} s" if row.seconds else "", *said]
    return Cell(number(row.value), interval, " · ".join(part for part in note if part), best, shade)


def comparisons(rows: Sequence[Row], ours: str, own: Mapping[str, str] = NONE) -> list[Table]:
    """A table a corpus and task: a row a method and point, a column a metric and what tells its variants apart."""
    tables = []
    corpora = list(dict.fromkeys(row.corpus for row in rows))
    asked = dict.fromkeys((row.corpus, row.task) for row in rows if row.metric not in PROBES)
    for corpus, task in sorted(asked, key=lambda key: ORDER.index(key[1]) if key[1] in ORDER else len(ORDER)):
        mine = [row for row in rows if (row.corpus, row.task) == (corpus, task) and row.metric not in PROBES]
        telling = _telling(mine)
        columns = list(dict.fromkeys((row.metric, row.better, _variant(row, telling)) for row in mine))
        metrics = [metric for metric, *_ in columns]
        columns.sort(key=lambda column: metrics.index(column[0]))
        cells: dict[tuple[str, str, int | None], dict[tuple[str, str, str], Row]] = {}
        for row in mine:
            cells.setdefault((row.method, row.point, row.seed), {}).setdefault((row.metric, row.better, _variant(row, telling)), row)
        order = sorted(cells, key=lambda key: (key[0] in CHANCE, key[0] != ours))
        best = {column: _best([cells[key][column] for key in order if column in cells[key]], column[1]) for column in columns}
        seeds = {method: len({key[2] for key in order if key[0] == method}) for method, *_ in order}
        body = [
            (f"{method}, seed {seed}" if seeds[method] > 1 and seed is not None else method, point, method == ours,
             [_cell(found, found is best[c]) if (found := cells[method, point, seed].get(c)) else None for c in columns])
            for method, point, seed in order
        ]
        heading = words(task, own) + (f": {corpus}" if len(corpora) > 1 else "")
        tables.append(Table(heading, [(words(m, own), b, v) for m, b, v in columns], body, _shared(mine)))
    return tables


def _best(rows: Sequence[Row], better: str) -> Row | None:
    rivals = [row for row in rows if math.isfinite(row.value) and row.method != "chance"]
    if len({(row.method, row.point) for row in rivals}) < 2:
        return None
    return (min if better == "lower" else max)(rivals, key=lambda row: row.value)


def _telling(rows: Iterable[Row]) -> dict[str, tuple[str, ...]]:
    """For each metric the conventions by which its variants differ within one method and point."""
    groups: dict[str, dict[tuple[str, str, int | None], list[Row]]] = {}
    for row in rows:
        groups.setdefault(row.metric, {}).setdefault((row.method, row.point, row.seed), []).append(row)
    telling = {}
    for metric, group in groups.items():
        keys = {key: None for one in group.values() if len(one) > 1 for row in one for key in row.conventions}
        differing = [k for k in keys if any(len({r.conventions.get(k) for r in one}) > 1 for one in group.values())]
        # Counts differ wherever anything differs, so they tell no variant: the named choice beside them does.
        named = [k for k in differing if not all(r.conventions.get(k, "0").isdigit() for one in group.values() for r in one)]
        telling[metric] = _fewest(named or differing, list(group.values()))
    return telling


def _fewest(keys: Sequence[str], groups: Sequence[Sequence[Row]]) -> tuple[str, ...]:
    """The first and smallest choice of keys that tells as much apart as all of them."""
    def told(chosen: Sequence[str]) -> int:
        return sum(len({tuple(row.conventions.get(k) for k in chosen) for row in one}) for one in groups)

    most = told(keys)
    sizes = range(1, min(len(keys), 4))
    return next((c for size in sizes for c in itertools.combinations(keys[:12], size) if told(c) == most), tuple(keys))


def _variant(row: Row, telling: dict[str, tuple[str, ...]]) -> str:
    return ", ".join(f"{key} {row.conventions[key]}" for key in telling.get(row.metric, ()) if key in row.conventions)


def _shared(rows: Sequence[Row]) -> str:
    same = [pair for pair in rows[0].conventions.items() if all(row.conventions.get(pair[0]) == pair[1] for row in rows)] if rows else []
    return ", ".join(f"{key} {value}" for key, value in same)


def probes(rows: Sequence[Row], ours: str, own: Mapping[str, str] = NONE) -> Table | None:
    """The matrix of probes: a row a probe, a column a point of ours, then the best MFCC row and chance."""
    mine = [row for row in rows if row.metric in PROBES]
    points = sorted({row.point for row in mine if row.method == ours}, key=lambda p: (POINTS.index(p) if p in POINTS else len(POINTS), p))
    rivals = [m for m in dict.fromkeys(row.method for row in mine) if m != ours]
    if not mine or not (points or rivals):
        return None
    body: list[tuple[str, str, bool, list[Cell | None]]] = []
    for metric in (m for m in PROBES if any(row.metric == m for row in mine)):
        of = [row for row in mine if row.metric == metric]
        line = [next((r for r in of if r.method == ours and r.point == p), None) for p in points]
        line += [_best_of([r for r in of if r.method == m]) for m in rivals]
        values = [r.value for r in line if r]
        chance = next((r.value for r in of if r.method == "chance"), min(values))
        reach = max((abs(v - chance) for v in values), default=0.0) or 1.0
        better = of[0].better
        body.append((words(metric, own), better, False, [_cell(r, False, abs(r.value - chance) / reach) if r else None for r in line]))
    head = [(p.replace("_", " "), "", "") for p in points] + [(m, "", "rival") for m in rivals]
    return Table("Probes", head, body, _shared(mine))


def _best_of(rows: Sequence[Row]) -> Row | None:
    if not rows:
        return None
    return (min if rows[0].better == "lower" else max)(rows, key=lambda row: row.value)
