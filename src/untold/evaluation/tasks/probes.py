"""How well phone, speaker, sex and log-mel frames can be read from frozen features (one hidden layer of 2048 units)

Phones and log-mel frames: a prediction every 10 ms, speakers of the test not among those of the training (fewer than four
known speakers: other recordings). Speaker: time averages of recordings, the same speakers in other recordings. Gender:
time averages, other speakers. The best guess that knows no features stands beside each (`chance`): the commonest class
of the training part, its mean frame. Log-mel frames are standardised by the training part, so the mean frame has an error near
1. Chorowski et al. 2019 (arXiv 1901.08810); rules in `evaluation.probes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from untold.contract import UNKNOWN, Score, Unit
from untold.errors import UntoldError
from untold.evaluation._axes import AXES
from untold.evaluation._groups import Measured, measured, ratio, resampled
from untold.evaluation._labels import Inventory, folding, tier_in
from untold.evaluation._options import TaskOptions
from untold.evaluation._probed import Drawn, Gathered, Plan, gather, log_mel
from untold.evaluation._splits import Facts, Split, by_speaker, knowing, within_speakers
from untold.evaluation.probes import (
    NO_CLASS,
    Budget,
    Probe,
    by_class,
    fit_classes,
    fit_values,
    majority,
    standardised,
)

BETTER = {"phone_accuracy": "higher", "character_accuracy": "higher", "speaker_accuracy": "higher", "gender_accuracy": "higher", "logmel_mse": "lower"}
NEEDS = "features"
READS = "tier"

FRAMES = Budget(steps=400, batch=512, rate=2e-3)
RECORDINGS = Budget(steps=200, batch=256)


@dataclass(frozen=True)
class _Setting:
    """All that does not depend on the point."""

    facts: Sequence[Facts]
    what: str
    groups: Sequence[str]
    frames: Split
    tier: str | None
    options: TaskOptions
    axis: Unit


def measure(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """`phone_accuracy`, `speaker_accuracy`, `gender_accuracy`, `logmel_mse` at each point, with `chance` once."""
    if not subject.points:
        raise UntoldError(f"{subject.name} has units only, and probes read features: name its codebook's features, or a run")
    recordings = list(corpus)
    facts = [Facts.of(r) for r in recordings]
    what, groups = resampled(recordings)
    tier = _tier(recordings, options)
    axis = subject.grid(subject.points[0]).unit
    setting = _Setting(facts, what, groups, by_speaker(facts), tier, options, axis)
    sound = bool(recordings) and all("audio" in r.signals for r in recordings)
    if not setting.frames.usable:
        options.say("probes of phones and log-mel frames left out: a split needs two recordings or more")
    elif not sound:
        options.say("the probe of log-mel frames left out: there is no sound beside the features")
    front = log_mel() if sound else None
    plan = Plan(tier, folding(options.fold), setting.frames.train, options.seed, front, AXES[axis].frames)
    if tier is None and not sound:  # nothing is asked frame by frame
        plan = replace(plan, train=[None] * len(facts))
    scores: list[Score] = []
    for number, point in enumerate(options.points or subject.points[:1]):
        inventory = Inventory()
        read = gather(subject, corpus, point, plan, inventory, options.over)
        found = [
            *_phones(setting, read, point, inventory.names), *_speakers(setting, read, point, number == 0),
            *_sexes(setting, read, point, number == 0), *_log_mel(setting, read, point),
        ]
        scores += [s for s in found if number == 0 or s.method != "chance"]
    if not scores:
        raise UntoldError("no probe can be done here: no tier, no speakers, and no sound to split")
    return scores


def _tier(recordings: Sequence[Any], options: TaskOptions) -> str | None:
    if options.tier is None and not any(r.tiers for r in recordings):
        options.say("the probe of phones left out: these recordings have no tier of labels")
        return None
    return tier_in(recordings, options.tier)


def _conventions(split: Split, budget: Budget) -> dict[str, str]:
    train, test = split.sizes
    out = {
        "probe": f"mlp{budget.hidden}", "steps": str(budget.steps), "split": split.by,
        "train": f"{train} recordings", "test": f"{test} recordings",
    }
    return out | ({"left_out": f"{split.left_out} recordings"} if split.left_out else {})


def _accuracy(
    setting: _Setting, metric: str, point: str, groups: Sequence[str], right: dict[str, np.ndarray], counted: np.ndarray,
    said: dict[str, str],
) -> list[Measured]:
    """Rows of the probe and of chance from what was right of what was counted, both (n,)."""
    o = setting.options
    return [
        measured(
            "probes", metric, "" if method else point, "higher", ratio(groups, hits, counted, setting.what), said,
            draws=o.draws, seed=o.seed, method=method,
        )
        for method, hits in right.items()
    ]


def _phones(setting: _Setting, read: Gathered, point: str, names: Sequence[str]) -> list[Measured]:
    train, test, o = read.train, read.test, setting.options
    if setting.tier is None or not setting.frames.usable:
        return []
    if not (train.phones != NO_CLASS).any() or not (test.phones != NO_CLASS).any():
        o.say(f"the probe of phones left out: the tier {setting.tier!r} has no labels on one side of the split")
        return []
    probe = fit_classes(train.x, train.phones, len(names), o.seed, FRAMES)
    asked = test.phones != NO_CLASS
    guess, axis = majority(train.phones), AXES[setting.axis]
    right = {"": _guessed(probe, test) == test.phones, "chance": test.phones == guess}
    said = _conventions(setting.frames, FRAMES) | {
        "tier": setting.tier, "fold": o.fold or "none", "classes": str(len(names)), "silence": "in",
        "frames": axis.step + (", a head each" if test.phones.shape[1] > 1 else ""),
        "train_frames": str(int((train.phones != NO_CLASS).sum())), "test_frames": str(int(asked.sum())),
    }
    groups = [setting.groups[i] for i in test.recording]
    hits = {method: (which & asked).sum(axis=1) for method, which in right.items()}
    return _accuracy(setting, f"{axis.label}_accuracy", point, groups, hits, asked.sum(axis=1), said)


def _guessed(probe: Probe, test: Drawn) -> np.ndarray:
    return np.asarray(probe.outputs(test.x).argmax(axis=2))


def _of_recordings(
    setting: _Setting, metric: str, point: str, split: Split, names: Sequence[str], averages: np.ndarray, said: dict[str, str]
) -> list[Measured]:
    """A probe of one class a recording, on time averages."""
    classes = sorted({name for name, part in zip(names, split.train, strict=True) if part is not None})
    index = np.array([classes.index(name) if name in classes else NO_CLASS for name in names])
    read = ~np.isnan(averages).any(axis=1)
    train, test = (
        np.flatnonzero(np.array([part is side for part in split.train]) & read) for side in (True, False)
    )
    if not len(train) or not len(test):
        setting.options.say(f"{metric} left out: no features on one side of the split")
        return []
    probe = fit_classes(averages[train], index[train, None], len(classes), setting.options.seed, RECORDINGS)
    guessed = probe.outputs(averages[test]).argmax(axis=2)[:, 0]
    right = {"": guessed == index[test], "chance": index[test] == majority(index[train])}
    said = _conventions(split, RECORDINGS) | {"features": "time averages", "classes": str(len(classes))} | said
    return _accuracy(
        setting, metric, point, [setting.groups[int(i)] for i in test], {m: r.astype(int) for m, r in right.items()},
        np.ones(len(test)), said,
    )


def _speakers(setting: _Setting, read: Gathered, point: str, say: bool) -> list[Measured]:
    split = within_speakers(setting.facts)
    names = {f.speaker for f, part in zip(setting.facts, split.train, strict=True) if part is not None}
    if len(names) < 2:
        if say:
            setting.options.say("the probe of speakers left out: it needs two known speakers with two recordings each")
        return []
    known = {f.speaker for f in setting.facts} - {UNKNOWN}
    said = {"speakers_left_out": str(len(known - names))} if known - names else {}
    return _of_recordings(setting, "speaker_accuracy", point, split, [f.speaker for f in setting.facts], read.averages, said)


def _sexes(setting: _Setting, read: Gathered, point: str, say: bool) -> list[Measured]:
    split = knowing(setting.frames, setting.facts)
    parts = [{f.sex for f, part in zip(setting.facts, split.train, strict=True) if part is s} for s in (True, False)]
    if split.by != "speakers" or len(parts[0]) < 2 or not parts[1] <= parts[0] or len(parts[1]) < 2:
        if say:
            setting.options.say("the probe of gender left out: it needs two speakers or more of each sex, four together")
        return []
    speakers = {f.speaker: f.sex for f, part in zip(setting.facts, split.train, strict=True) if part is False}
    counts = {sex: list(speakers.values()).count(sex) for sex in set(speakers.values())}
    said = {"test_speakers": by_class(counts)}
    return _of_recordings(setting, "gender_accuracy", point, split, [f.sex for f in setting.facts], read.averages, said)


def _log_mel(setting: _Setting, read: Gathered, point: str) -> list[Measured]:
    train, test, o = read.train, read.test, setting.options
    if not train.mel.size or not test.mel.size or not setting.frames.usable:
        return []
    wanted = [standardised(side.mel, train.mel).astype(np.float32) for side in (train, test)]
    probe = fit_values(train.x, wanted[0], o.seed, FRAMES)
    there = ~np.isnan(wanted[1]).any(axis=2)
    groups = [setting.groups[i] for i in test.recording]
    said = _conventions(setting.frames, FRAMES) | {
        "target": f"{train.mel.shape[2]} log-mel energies, standardised", "test_frames": str(int(there.sum()))
    }
    rows = []
    for method, guess in (("", probe.outputs(test.x)), ("chance", np.zeros_like(wanted[1]))):
        errors = np.where(there, np.square(guess - np.nan_to_num(wanted[1])).mean(axis=2), 0).sum(axis=1)
        rows.append(
            measured(
                "probes", "logmel_mse", "" if method else point, "lower",
                ratio(groups, errors, there.sum(axis=1), setting.what), said, draws=o.draws, seed=o.seed, method=method,
            )
        )
    return rows
