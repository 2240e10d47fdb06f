"""How much a unit tells about who speaks: the mutual information of speaker and unit of a step, in bits

Entropies are corrected for the sample's size (Miller and Madow), which takes steps as independent; they are not, and
speakers say different things. So `chance` stands beside it: the same with whole recordings dealt out to the speakers at
random, each keeping as many. Only what lies above it is about voices. Recordings of unknown speakers are left out.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from untold.contract import UNKNOWN, Score
from untold.errors import UntoldError
from untold.evaluation._groups import Measured
from untold.evaluation._measuring import reading
from untold.evaluation._options import TaskOptions
from untold.evaluation._tables import corrected, frames_of
from untold.evaluation.bitrate import information
from untold.evaluation.clusters import contingency

BETTER = {"speaker_information": "lower"}
NEEDS = "units"
_DEALS = 100


def measure(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """`speaker_information` and its `chance`, whose interval is that of the deals."""
    read = reading("speaker_information", subject, corpus, options)
    known = [r.id for r in corpus if r.speaker != UNKNOWN]
    speakers = sorted({r.speaker for r in corpus} - {UNKNOWN})
    if len(speakers) < 2:
        raise UntoldError(f"{corpus.name} has {len(speakers)} known speakers: information about them needs two")
    place = {name: i for i, name in enumerate(speakers)}
    frames, owners = [], []
    for group, recording, units in read:
        if recording.speaker != UNKNOWN:
            owners.append(place[recording.speaker])
            frames.append((group, frames_of(units).astype(np.int32)))
    table = contingency(
        ((group, np.full(len(tokens), owner), tokens) for owner, (group, tokens) in zip(owners, frames, strict=True)), speakers
    )
    if not len(table.phone):
        raise UntoldError(f"{subject.name} gives no steps here: are the recordings shorter than one?")
    said = {"unit": "bits", "correction": "miller_madow", "speakers": str(len(speakers))}
    if len(known) < len(corpus):
        said["left_out"] = f"{len(corpus) - len(known)} recordings of unknown speakers"
    row = read.row("speaker_information", "lower", table.groups, partial(information, table), said, centred=True)
    if len(known) == len(speakers):
        options.say("speaker_information has no chance row: each speaker has one recording, so nothing can be dealt anew")
        return [row]
    return [row, _chance(owners, frames, speakers, options, said)]


def _chance(
    owners: list[int], frames: list[tuple[str, np.ndarray]], speakers: list[str], options: TaskOptions, said: dict[str, str]
) -> Measured:
    counted = contingency(((str(i), np.zeros(len(t), np.int64), t) for i, (_, t) in enumerate(frames)), ["any"])
    rows = np.array([int(name) for name in counted.groups])
    rng = np.random.default_rng(options.seed)
    values = []
    for _ in range(_DEALS):
        dealt = np.array(speakers)[rng.permutation(owners)][rows]
        joint = np.stack([np.asarray(counted.cells.counts[dealt == name].sum(axis=0)).ravel() for name in speakers])
        values.append(_bits(joint))
    low, high = np.percentile(values, [2.5, 97.5])
    return Measured(
        "speaker_information", "speaker_information", "units", float(np.mean(values)), float(low), float(high), _DEALS,
        "lower", {**said, "reference": "recordings dealt out anew", "interval": "of the deals"}, method="chance",
    )


def _bits(joint: np.ndarray) -> float:
    """The corrected information of counts (speakers, units)."""
    nats = corrected(joint.sum(axis=1)) + corrected(joint.sum(axis=0)) - corrected(joint.ravel())
    return max(0.0, float(nats) / float(np.log(2)))
