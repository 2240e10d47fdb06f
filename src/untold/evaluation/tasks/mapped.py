"""How well units spell what was said: each unit named by its commonest label, repeats joined, edits against the labels

Each unit stands for the label that it shares most steps with (columns, on lines), on the same data (`in_sample=yes`). The
labels of a recording's units, neighbours alike being one unless nothing was emitted between them, are compared with its
tier: edits over labels, pooled. `per` is of phones, `mapped_cer` of characters. `silence=out` leaves silence out of both
sides. `chance` names every unit by the commonest label of all. No network is trained: compare with `cer`, where one is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from untold.contract import Score, Unit, Units
from untold.errors import UntoldError
from untold.evaluation._groups import ratio
from untold.evaluation._labels import folded, folding, is_silence
from untold.evaluation._measuring import reading
from untold.evaluation._options import TaskOptions
from untold.evaluation.recognition import edits
from untold.evaluation.tasks.clusters import tables

BETTER = {"per": "lower", "mapped_cer": "lower"}
NEEDS = "units"
READS = "tier"


def measure(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """The error rate with silence in and out, and `chance` for each."""
    read = reading("mapped", subject, corpus, options)
    table, _, tier = tables(subject, corpus, options)
    if not len(table.phone):
        raise UntoldError(f"the tier {tier!r} covers no step of these units: are they of other recordings?")
    counts, names, units = table.table()
    commonest = names[int(counts.sum(axis=1).argmax())]
    spelt = {int(unit): names[int(row.argmax())] for unit, row in zip(units, counts.T, strict=True)}
    groups, said, found = [], [], []
    unit: Unit = "second"
    fold = folding(options.fold)
    for group, recording, some in read:
        labels = [label for _, _, label in folded(recording.tiers.get(tier, ()), fold)]
        if labels:
            groups.append(group)
            said.append(labels)
            found.append((spelling(some, spelt, commonest), spelling(some, {}, commonest)))
            unit = some.grid.unit
    metric = "mapped_cer" if unit == "pixel" else "per"
    read.said.update(tier=tier, fold=options.fold or "none", in_sample="yes", repeats="joined", pooled="edits")
    silent = any(is_silence(label) for labels in said for label in labels)
    rows: list[Score] = []
    for silence in (("in", "out") if unit == "pixel" else ("out", "in")) if silent else ("in",):
        for number, method in enumerate(("", "chance")):
            pairs = [(_heard(labels, silence), _heard(some[number], silence)) for labels, some in zip(said, found, strict=True)]
            wrong = np.array([edits(labels, some) for labels, some in pairs])
            lengths = np.array([len(labels) for labels, _ in pairs])
            pooled = ratio(groups, wrong, lengths, read.what)
            rows.append(read.row(metric, "lower", pooled.groups, pooled.of, {"silence": silence, "labels": str(int(lengths.sum()))}, method=method))
    return rows


def spelling(units: Units, names: dict[int, str], other: str) -> list[str]:
    """The labels of units in order, neighbours alike joined where they touch; a unit without a name is `other`."""
    out: list[str] = []
    end = -1
    for token, start, stop in zip(units.tokens, units.starts, units.ends, strict=True):
        label = names.get(int(token), other)
        if not out or label != out[-1] or start != end:
            out.append(label)
        end = stop
    return out


def _heard(labels: Sequence[str], silence: str) -> list[str]:
    return [label for label in labels if silence == "in" or not is_silence(label)]
