"""ABX error: how often a phone is nearer to one of another phone than to its own, within and across speakers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from untold.contract import Grid, Recording
from untold.errors import UntoldError
from untold.evaluation._abx_frames import span
from untold.evaluation._abx_items import items_of
from untold.evaluation._groups import Measured
from untold.evaluation._labels import tier_of
from untold.evaluation._options import TaskOptions
from untold.evaluation.abx import Distance, NoCells, abx
from untold.formats.features import FeatureFolder, FeatureWriter
from untold.formats.item import Item, read_items

if TYPE_CHECKING:
    from untold.corpora import Corpus
    from untold.subjects import Subject

BETTER = "lower"
SHORTEST = Fraction(3, 100)  # seconds of a phone that is made into an item, as in the known answers
Context = Literal["within", "any"]


def measure(subject: Subject, corpus: Corpus, options: TaskOptions) -> list[Measured]:
    """`abx_within` and `abx_across` of each item file and point, fractions of errors.

    Phone items are scored in the same context and in any, triphone items in the same context. Without item files, items of
    both kinds are made of the tier. Items outside of the corpus are dropped, and those without a frame on one of the grids
    that are compared; both are counted. Subjects without points, which only have units, are scored by `identical`.
    """
    if getattr(corpus, "axis", "second") != "second":
        raise UntoldError("its items are stretches of sound, and these are lines of handwriting: measure probes, clusters and recognition of them")
    sets = _item_sets(corpus, options)
    points = options.points or tuple(subject.points[:1])
    rows: list[Measured] = []
    wanted = {item.file for _, items in sets for item in items}
    recordings = [recording for recording in corpus if recording.id in wanted]
    with tempfile.TemporaryDirectory(prefix="untold-abx-") as place:
        for number, point in enumerate(points or ("units",)):
            distance: Distance = "angular" if points else "identical"
            folder = Path(place) / str(number)
            read, grid = _spool(
                subject, options.over(recordings, len(recordings), f"features at {point}"), point, folder, bool(points)
            )
            for kind, items in sets:
                kept = _with_frames(items, [*options.grids, grid], f"{kind} items at {point}", options.say)
                contexts: tuple[Context, ...] = ("within",) if kind == "triphone" else ("any", "within")
                for context in contexts:
                    for speaker in ("across", "within"):
                        row = _row(read, kept, grid, kind, point, context, speaker, distance, options)
                        if row is not None:
                            rows.append(row)
    return rows


def _row(
    read: Callable[[str], np.ndarray],
    items: Sequence[Item],
    grid: Grid,
    kind: str,
    point: str,
    context: Context,
    speaker: Literal["across", "within"],
    distance: Distance,
    options: TaskOptions,
) -> Measured | None:
    """One score, or None with the reason said where there is nothing to compare."""
    try:
        found = abx(
            read, items, grid=grid, speaker=speaker, context=context, distance=distance, empty="skip", seed=options.seed,
            threads=options.threads, draws=options.draws,
        )  # fmt: skip
    except NoCells as reason:
        options.say(f"abx_{speaker} of {kind} items, context {context}, is absent: {reason}")
        return None
    said = {
        "context": context, "kind": kind, "cells": str(len(found.cells)), "items": str(found.items), "items_empty": str(found.items_empty),
        **{key: value for key, value in found.conventions.items() if key not in ("speaker", "context", "empty")},
    }  # fmt: skip
    speakers = len(found.grouped.groups) if found.grouped is not None else 0
    return Measured(
        "abx",
        f"abx_{speaker}",
        point,
        found.value,
        found.low,
        found.high,
        speakers,
        "lower",
        said,
        grouped=found.grouped,
    )


def _item_sets(corpus: Corpus, options: TaskOptions) -> list[tuple[str, list[Item]]]:
    """Kind and items, whose `file` is the id of a recording of the corpus."""
    if options.items:
        return [_of_corpus(corpus, path, options.say) for path in options.items]
    tier = tier_of(corpus.tiers, options.tier)
    made: list[tuple[str, list[Item]]] = [
        ("phone", list(items_of(corpus, tier, kind="phone", fold=options.fold, shortest=SHORTEST))),
        ("triphone", list(items_of(corpus, tier, kind="triphone", fold=options.fold))),
    ]
    for kind, items in made:
        if not items:
            options.say(f"abx of {kind} items is absent: the tier {tier!r} gives none")
    return [(kind, items) for kind, items in made if items]


def _of_corpus(corpus: Corpus, path: Path, say: Callable[[str], None]) -> tuple[str, list[Item]]:
    from dataclasses import replace

    items = read_items(path)
    places = {file: corpus.find(file) for file in dict.fromkeys(i.file for i in items)}
    ids = {file: corpus[at].id for file, at in places.items() if at is not None}
    kept = [replace(i, file=ids[i.file]) for i in items if i.file in ids]
    if not kept:
        raise UntoldError(
            f"{path}: none of its {len(places)} recordings is in {corpus.source} (the first: {items[0].file!r})"
        )
    if len(kept) < len(items):
        say(
            f"{len(items) - len(kept)} of {len(items)} items of {path.name} are outside of these recordings and dropped"
        )
    return kind_of(items), kept


def kind_of(items: Iterable[Item]) -> str:
    """`triphone` where items of a recording lie over each other, since each covers its neighbours; else `phone`."""
    reached: dict[str, Fraction] = {}
    for item in sorted(items, key=lambda i: (i.file, i.onset, i.offset)):
        if item.onset < reached.get(item.file, Fraction(0)):
            return "triphone"
        reached[item.file] = item.offset
    return "phone"


def _with_frames(items: Sequence[Item], grids: Sequence[Grid], what: str, say: Callable[[str], None]) -> list[Item]:
    """Items that have a frame on every grid, so that all rows score the same ones."""
    different = list(dict.fromkeys(grids))
    kept = [
        i
        for i in items
        if all(begin < end for begin, end in (span(i.onset, i.offset, g, "zerospeech") for g in different))
    ]
    if len(kept) < len(items):
        say(f"{len(kept)} of {len(items)} {what} have a frame in every row and are scored")
    return kept


def _spool(
    subject: Subject, recordings: Iterable[Recording], point: str, folder: Path, vectors: bool
) -> tuple[Callable[[str], np.ndarray], Grid]:
    """Reads every recording once into a temporary folder, from which all item sets are scored in constant memory."""
    folder.mkdir()
    grid = None
    names: dict[str, str] = {}
    writer = None
    for number, recording in enumerate(recordings):
        names[recording.id] = str(number)  # ids may be too long or too strange for a file
        if vectors:
            chunks: Iterable[np.ndarray] = subject.chunks(recording, point)
            grid = subject.grid(point)
        else:
            units = subject.units(recording)
            steps = int(units.ends[-1]) if len(units.ends) else 0
            chunks, grid = [units.framewise(steps)[:, None]], units.grid
        writer = writer or FeatureWriter(folder, grid, point, "untold")
        writer.write(str(number), chunks)
    if grid is None:
        raise UntoldError("none of the items' recordings is there to be read")
    spooled = FeatureFolder(folder)
    return lambda identity: spooled.read(names[identity]), grid
