"""What `evaluate` and `compare` share: which tasks and points, the rows of one subject, tables for a person."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from untold import registry
from untold.commands._terminal import Terminal
from untold.errors import UntoldError, UsageError, unknown_name

if TYPE_CHECKING:
    from untold.contract import Recording
    from untold.corpora import Corpus
    from untold.evaluation._groups import Measured
    from untold.evaluation._options import TaskOptions
    from untold.evaluation.scores import Row

YARDSTICKS = "mfcc,mfcc:deltas=no,mfcc:normalise=none,mfcc:deltas=no+normalise=none"
_TELL_APART = ("kind", "context", "accounting", "silence", "against", "latents", "voice", "input")  # conventions that make two scores of a metric


_YARDSTICKS = {"second": YARDSTICKS, "pixel": "columns"}


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`, which `compare` has too."""
    names = ",".join(registry.names("tasks"))
    parser.add_argument("--tasks", default="", metavar="NAME,...", help=f"what to measure (all that can be done): {names}")
    parser.add_argument("--points", default="", metavar="all|NAME,...", help="where features are read (the first point)")
    parser.add_argument("--items", action="append", default=[], type=Path, metavar="FILE", help="items for abx (made of the tier)")
    parser.add_argument("--tier", metavar="NAME", help="the tier of labels (phones, else the first)")
    parser.add_argument("--fold", metavar="NAME", help="fold labels first: timit39")
    parser.add_argument("--split", default="all", choices=["train", "held_out", "evaluation", "all"], help="recordings to take (all)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="add the rows to this table (a RUN: its scores.csv)")


def words(given: str | Sequence[str]) -> tuple[str, ...]:
    """The names in `a,b` or in a sequence."""
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def tasks_of(given: str | Sequence[str]) -> tuple[str, ...]:
    """The tasks that are asked for, all where none is named; an unknown one is an error."""
    chosen = words(given) or registry.names("tasks")
    for name in chosen:
        registry.path("tasks", name)
    return chosen


def points_of(subject: Any, given: str | Sequence[str]) -> tuple[str, ...]:
    """The points that are asked for: the first of the subject, all of them, or those that are named."""
    chosen = words(given)
    if chosen == ("all",):
        return tuple(subject.points)
    for name in chosen:
        if name not in subject.points:
            raise unknown_name(f"point of {subject.name}", name, subject.points)
    return chosen or tuple(subject.points[:1])


def check_files(items: Iterable[Path], out: Path | None) -> None:
    """Item files that are not there, and an --out that is a folder, are found before anything long begins."""
    for path in items:
        if not path.is_file():
            raise UntoldError(f"{path}: no such item file")
    if out is not None and out.is_dir():
        raise UsageError(f"--out {out} is a folder: name a file, such as {out / 'scores.csv'}")


@dataclass
class Scored:
    """What was measured of one WHAT, and what could not be, with reasons."""

    what: str
    subject: Any
    scores: list[Measured] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def cost(self) -> float | None:
        """Seconds of training; None where nobody told."""
        return None if self.subject.minutes is None else 60 * float(self.subject.minutes)

    @property
    def seed(self) -> int:
        """Of the training, 0 where there was none."""
        return int(self.subject.origin.get("seed") or 0)

    def rows(self, corpus: Corpus, **conventions: str) -> list[Row]:
        """Rows for scores.csv."""
        from untold.evaluation import scores

        said = conventions | self._heard(corpus, conventions)
        return scores.rows(
            self.scores, corpus=corpus.name, method=self.subject.name, seed=self.seed, seconds=self.cost, conventions=said
        )

    def _heard(self, corpus: Corpus, conventions: Mapping[str, str]) -> dict[str, str]:
        facts = getattr(getattr(self.subject, "run", None), "facts", {})
        same = facts.get("source", {}).get("fingerprint") == corpus.whole.fingerprint
        kept_away = conventions.get("split") == "held_out" or set(corpus.declared()) == {"evaluation"}
        return {"trained_on_this_audio": "yes" if same and not kept_away else "no"} if facts else {}


def measure(scored: Scored, corpus: Corpus | Sequence[Recording], tasks: Sequence[str], options: TaskOptions, terminal: Terminal) -> None:
    """Adds the scores of tasks; a task that cannot be done is named in one line with its reason."""
    for task in tasks:
        begun = time.monotonic()

        def left_out(line: str, task: str = task) -> None:
            scored.left_out.append(f"{task}: {line}")
            terminal.result(f"{scored.what}, {task}: {line}")

        def noted(line: str, task: str = task) -> None:
            terminal.result(f"{scored.what}, {task}: {line}")

        told = replace(options, say=left_out, note=noted, over=_bar(terminal, "recordings"), training=_bar(terminal, "steps"))
        try:
            found = registry.load("tasks", task).measure(scored.subject, corpus, told)
        except UntoldError as error:
            left_out(f"left out: {error}")
            continue
        scored.scores += [_told(score, corpus) for score in found if math.isfinite(score.value)]
        for score in found:
            if not math.isfinite(score.value):
                left_out(f"{score.metric} has no value here ({score.value})")
        terminal.say(f"{scored.what}, {task}: {len(found)} scores in {time.monotonic() - begun:.1f} s")


def _bar(terminal: Terminal, unit: str) -> Callable[[Iterable[Any], int, str], Iterator[Any]]:
    """The items of a piece of long work, with a bar that counts them."""
    return lambda items, total, what: terminal.over(items, total, unit, what)


def _told(score: Measured, corpus: Any) -> Measured:
    """The score with how good the aligner is, where places of labels are an aligner's."""
    places = getattr(corpus, "places", None)
    if places is None or "aligned" not in score.conventions.get("tier", ""):
        return score
    return replace(score, conventions={**score.conventions, "aligner": places.aligner})


def yardsticks(corpus: Corpus) -> str:
    """The front ends that are measured beside, for recordings of this kind."""
    return _YARDSTICKS[corpus.axis]


def with_places(corpus: Corpus, tasks: Sequence[str], tier: str | None, terminal: Terminal) -> tuple[Corpus, str | None]:
    """The corpus and the tier that is meant: lines that have texts without places are aligned where a task asks for places.

    That is said, with what it costs. Where it cannot be done the corpus stays as it is, and the reason is said.
    """
    asked = any(registry.literals("tasks", task).get("READS") == "tier" for task in tasks)
    if not asked or corpus.axis != "pixel" or corpus.tiers or not corpus.transcribed:
        return corpus, tier
    from untold.evaluation.alignment import ALIGNED, align

    if tier not in (None, "characters", ALIGNED):
        return corpus, tier
    try:
        done = align(corpus, _bar(terminal, "lines"), _bar(terminal, "steps"), terminal.result)
    except UntoldError as error:
        terminal.result(f"characters have no places: {error}")
        return corpus, tier
    terminal.say(f"tier: {ALIGNED} ({done.places.aligner}); how far it is off: untold evaluate columns digit-lines --tasks alignment")
    return done, ALIGNED if tier is not None else None


def opened_subject(what: str, corpus: Corpus, device: str) -> Any:
    """WHAT, its units made once for all tasks."""
    from untold.evaluation._measuring import Remembering
    from untold.subjects import open_subject

    return Remembering(open_subject(what, corpus=corpus, device=device))


def in_common(corpus: Corpus, subjects: Sequence[Any], terminal: Terminal) -> Corpus:
    """The recordings that every subject has something for; how many is said where some are missing."""
    some = [s for s in subjects if hasattr(s, "covers")]
    kept = [i for i, recording in enumerate(corpus) if all(s.covers(recording) for s in some)] if some else range(len(corpus))
    if len(kept) == len(corpus):
        return corpus
    if not kept:
        names = ", ".join(s.name for s in subjects)
        raise UntoldError(f"no recording of {corpus.source} is in {names}: are they of another source?")
    terminal.result(f"{len(kept)} of {len(corpus)} recordings are in every row and are scored")
    return corpus.select(list(kept))


def key(score: Measured | Row) -> tuple[str, ...]:
    """What makes a score the same one in another row: task, metric and the conventions that tell two of them apart."""
    return score.task, score.metric, *(score.conventions.get(name, "") for name in _TELL_APART)


def label(score: Measured | Row) -> str:
    """The metric, with the conventions that tell it from others of its name."""
    notes = [f"{name} {score.conventions[name]}" for name in _TELL_APART if score.conventions.get(name)]
    return score.metric + (f" ({', '.join(notes)})" if notes else "")


def figure(score: Measured | None, span: bool = True) -> str:
    """A value with its interval, `-` for none."""
    if score is None:
        return "-"
    return number(score.value) + (f" ({number(score.low)} to {number(score.high)})" if span and score.low is not None else "")


def number(value: float | None) -> str:
    """Three decimals, fewer for large numbers."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def best(scores: Iterable[Measured]) -> Measured | None:
    """The best of scores of one metric."""
    some = list(scores)
    if not some:
        return None
    return min(some, key=lambda s: s.value) if some[0].better == "lower" else max(some, key=lambda s: s.value)


def reads_features(task: str) -> bool:
    """Whether a front end can do a task."""
    return registry.literals("tasks", task).get("NEEDS", "features") == "features"
