"""Which recordings teach a probe and which test it: a hash of names, so that every row and every point has the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from untold.contract import UNKNOWN, Recording
from untold.evaluation._groups import FEWEST_SPEAKERS
from untold.evaluation.probes import train_part

FEWEST_TO_PART = 4  # speakers; with fewer, recordings are parted


@dataclass(frozen=True)
class Facts:
    """What a split needs to know of a recording."""

    id: str
    speaker: str
    sex: str

    @classmethod
    def of(cls, recording: Recording) -> Facts:
        """The facts of a recording."""
        return cls(recording.id, recording.speaker, recording.sides.get("sex", UNKNOWN))


@dataclass(frozen=True)
class Split:
    """For each recording True (training), False (testing) or None (left out); how it was parted, in words."""

    train: tuple[bool | None, ...]
    by: str
    left_out: int

    @property
    def sizes(self) -> tuple[int, int]:
        """Recordings for training and for testing."""
        return sum(part is True for part in self.train), sum(part is False for part in self.train)

    @property
    def usable(self) -> bool:
        """Whether there is something on both sides."""
        return min(self.sizes) > 0


def by_speaker(facts: Sequence[Facts]) -> Split:
    """Other speakers for testing, each sex parted on its own; by recording where fewer than four are known.

    Recordings of unknown speakers are left out where speakers part, since they may be anybody's.
    """
    sexes = {f.speaker: f.sex for f in facts if f.speaker != UNKNOWN}
    if len(sexes) < FEWEST_TO_PART:
        return Split(tuple(train_part([f.id for f in facts])), "recordings", 0)
    train: dict[str, bool] = {}
    kinds = sorted(set(sexes.values()))
    for sex in kinds:
        names = sorted(name for name, s in sexes.items() if s == sex)
        if len(names) == 1:  # alone of its sex: it can only teach
            train[names[0]] = True
            continue
        train.update(zip(names, train_part(names, fewest=-(-FEWEST_SPEAKERS // len(kinds))), strict=True))
    if all(train.values()):
        train = dict(zip(sorted(sexes), train_part(sorted(sexes), fewest=FEWEST_SPEAKERS), strict=True))
    parts = tuple(train.get(f.speaker) for f in facts)
    return Split(parts, "speakers", parts.count(None))


def within_speakers(facts: Sequence[Facts]) -> Split:
    """The same speakers, other recordings; speakers with one recording and unknown ones are left out and counted."""
    owned: dict[str, list[str]] = {}
    for f in facts:
        if f.speaker != UNKNOWN:
            owned.setdefault(f.speaker, []).append(f.id)
    train: dict[str, bool] = {}
    for ids in owned.values():
        if len(ids) > 1:
            train.update(zip(ids, train_part(ids), strict=True))
    parts = tuple(train.get(f.id) for f in facts)
    return Split(parts, "recordings of the same speakers", parts.count(None))


def knowing(split: Split, facts: Sequence[Facts]) -> Split:
    """The split without recordings of unknown sex."""
    parts = tuple(None if f.sex == UNKNOWN else part for part, f in zip(split.train, facts, strict=True))
    return Split(parts, split.by, parts.count(None))
