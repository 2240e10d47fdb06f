"""Speech in another speaker's voice: is it theirs, and does it still say the same?

A classifier of speakers and a recogniser of phones learn from originals; both judge recordings that they did not learn
from: as they are (`voice=original`), said by the model in their own speaker's voice (`own`, the ceiling), said in
another's (`target`), and made by Griffin and Lim's iteration from the recording's own log-mel frames (`griffin_lim`). The
right answer of `conversion_speaker_accuracy` is the voice that was asked for. Labels stay true, since no frame is moved. The
classifier hears the cepstra of a few frames and no pitch; `conversion_f0_error` tells how far the pitch lies from that of the voice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from scipy.special import log_softmax

from untold.contract import UNKNOWN, Recording, Score
from untold.errors import UntoldError
from untold.evaluation import _resounding as sound
from untold.evaluation._axes import AXES
from untold.evaluation._groups import Measured, measured, ratio
from untold.evaluation._labels import NO_LABEL, Inventory, folding, of_steps, tier_in
from untold.evaluation._options import TaskOptions
from untold.evaluation._pitch import pitch
from untold.evaluation._splits import Facts, within_speakers
from untold.evaluation.probes import Budget, fit_classes
from untold.frontends import FrontEnd, adapt, read_frames

BETTER = {"conversion_speaker_accuracy": "higher", "conversion_phone_accuracy": "higher", "conversion_f0_error": "lower"}
NEEDS = "model"

_TARGETS = 12
_EACH = 3  # conversions to each
_TAUGHT = 60  # recordings of others that the recogniser of phones learns from, beside the targets'
_LONGEST = 10  # seconds of a recording
_AROUND = 4  # frames on each side that both hear with a frame
_PHONES = Budget(steps=600, batch=512, rate=2e-3)
_SPEAKERS = Budget(steps=600, batch=512, hidden=256, rate=2e-3)


def measure(subject: Any, corpus: Any, options: TaskOptions) -> list[Score]:
    """`conversion_speaker_accuracy`, `conversion_f0_error` and `conversion_phone_accuracy` with `voice=original|own|target|griffin_lim`."""
    back = sound.resynthesis_of(subject, options.seed)
    recordings = [r for r in corpus if r.signals["audio"].steps <= _LONGEST * 16000 and r.speaker in back.model.sides.get("speaker", []) and r.speaker != UNKNOWN]
    parts = within_speakers([Facts.of(r) for r in recordings]).train
    targets = _targets(recordings, parts)
    if len(targets) < 2:
        raise UntoldError("a conversion needs two speakers that the model was trained on, with two recordings each")
    taught = [r for r, part in zip(recordings, parts, strict=True) if part is True and r.speaker in targets]
    asked = [r for r, part in zip(recordings, parts, strict=True) if part is False and r.speaker in targets]
    pairs = _pairs(asked, targets, options.seed)
    sources = [r for r, _ in pairs]
    heard: dict[str, list[Recording]] = {"original": sources}
    for voice, names in (("own", [r.speaker for r in sources]), ("target", [to for _, to in pairs])):
        wanted = [back.wanted(r, back.speaker(name)) for r, name in zip(sources, names, strict=True)]
        sounds = options.over(sound.made(back, wanted), len(wanted), f"voice: {voice}")
        heard[voice] = [sound.resounding(r, samples) for r, samples in zip(sources, sounds, strict=True)]
    heard["griffin_lim"] = [sound.resounding(r, sound.griffin_lim(r)) for r in sources]

    sexes = {r.speaker: r.sides.get("sex", UNKNOWN) for r in recordings if r.speaker in targets}
    said = {"targets": str(len(targets)), "conversions": str(len(pairs)), **{sex: str(list(sexes.values()).count(sex)) for sex in sorted(set(sexes.values()))}}
    groups = [r.speaker for r in sources]

    def row(metric: str, found: Sequence[float], counted: Sequence[float], voice: str, **more: str) -> Measured:
        better: Literal["lower", "higher"] = "lower" if metric == "conversion_f0_error" else "higher"
        pooled = ratio(groups, np.array(found, np.float64), np.array(counted, np.float64), "speakers")
        ours = voice in ("own", "target")
        return measured(
            "conversion", metric, voice if ours else "", better, pooled, said | more | {"voice": voice}, draws=options.draws, seed=options.seed,
            method="" if ours else voice,
        )

    speaker_of, tones = _speaker_classifier(taught, targets, options.seed), _pitches(taught)
    rows: list[Score] = []
    for voice, some in heard.items():
        asked_for = [to for _, to in pairs] if voice == "target" else groups
        right = [float(speaker_of(r) == to) for r, to in zip(some, asked_for, strict=True)]
        rows.append(row("conversion_speaker_accuracy", right, [1.0] * len(some), voice, classifier=f"mlp{_SPEAKERS.hidden} on {2 * _AROUND + 1} frames of 20 cepstra", chance=f"{1 / len(targets):.3f}"))
        off = [abs(_tone(r) - tones[to]) for r, to in zip(some, asked_for, strict=True)]
        there = [float(np.isfinite(x)) for x in off]
        if not any(there):
            options.say(f"conversion_f0_error of voice={voice} left out: nothing of it is voiced")
            continue
        rows.append(row("conversion_f0_error", [x if np.isfinite(x) else 0.0 for x in off], there, voice, unit="cents between the medians of the recording and of the voice, on the mean", without_pitch=str(there.count(0.0))))
    if any(r.tiers for r in recordings):
        others = [r for r, part in zip(recordings, parts, strict=True) if part is not False and r.speaker not in targets][:_TAUGHT]
        rows += _phones(taught + others, heard, row, options)
    else:
        options.say("the recogniser of phones left out: these recordings have no tier of labels")
    return rows


def _targets(recordings: Sequence[Recording], parts: Sequence[bool | None]) -> list[str]:
    """Speakers with recordings on both sides, those with most first, the sexes in turns."""
    many: dict[str, int] = {}
    for recording, part in zip(recordings, parts, strict=True):
        if part is not None:
            many[recording.speaker] = many.get(recording.speaker, 0) + 1
    sexes = {r.speaker: r.sides.get("sex", UNKNOWN) for r in recordings}
    lines = [sorted((s for s in many if sexes[s] == sex), key=lambda s: (-many[s], s)) for sex in sorted(set(sexes.values()))]
    longest = max((len(line) for line in lines), default=0)
    return [line[place] for place in range(longest) for line in lines if place < len(line)][:_TARGETS]


def _pairs(asked: Sequence[Recording], targets: Sequence[str], seed: int) -> list[tuple[Recording, str]]:
    """Recordings and who is to say them: `_EACH` for each target, none their own, of different speakers in turn."""
    draw = np.random.default_rng(seed)
    pairs = []
    for number, target in enumerate(targets):
        others = [s for s in (*targets[number + 1 :], *targets[:number]) if any(r.speaker == s for r in asked)]
        for turn in range(min(_EACH, len(others))):
            speaker = others[turn * len(others) // min(_EACH, len(others))]
            mine = [r for r in asked if r.speaker == speaker]
            pairs.append((mine[int(draw.integers(len(mine)))], target))
    return pairs


def _front(**settings: Any) -> FrontEnd:
    from untold.settings import Choice

    front: FrontEnd = Choice.of("frontends", "mfcc", **settings).build()
    return front


def _frames(front: FrontEnd, recording: Recording) -> np.ndarray:
    signal = recording.signals["audio"]
    return read_frames(front, signal, 0, front.steps(signal.steps), adapt(front, signal)).numpy()


def _around(frames: np.ndarray) -> np.ndarray:
    """Each frame with those around it, the outermost repeated: (steps, dimensions * 9)."""
    padded = np.pad(frames, ((_AROUND, _AROUND), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1, axis=0).reshape(len(frames), -1).astype(np.float32)


def _loud(front: FrontEnd, recording: Recording) -> np.ndarray:
    """Cepstra without the first of the louder half of the frames, each with those around it: pauses tell of the room."""
    frames = _frames(front, recording)
    return _around(frames[:, 1:])[frames[:, 0] >= np.median(frames[:, 0])]


def _speaker_classifier(taught: Sequence[Recording], targets: Sequence[str], seed: int) -> Callable[[Recording], str]:
    """Who speaks: the highest sum of log probabilities over frames."""
    front = _front(cepstra=20, mel_bins=40, deltas=False, normalise="none")
    parts = [_loud(front, r) for r in taught]
    y = np.concatenate([np.full((len(part), 1), targets.index(r.speaker)) for part, r in zip(parts, taught, strict=True)])
    probe = fit_classes(np.concatenate(parts), y, len(targets), seed, _SPEAKERS)

    def named(recording: Recording) -> str:
        return targets[int(log_softmax(probe.outputs(_loud(front, recording))[:, 0], axis=1).sum(0).argmax())]

    return named


def _tone(recording: Recording) -> float:
    """The median pitch in cents (above 1 Hz), NaN where nothing is voiced."""
    tones = pitch(sound.samples_of(recording))
    return float(1200 * np.log2(np.median(tones[tones > 0]))) if (tones > 0).any() else float("nan")


def _pitches(taught: Sequence[Recording]) -> dict[str, float]:
    """The median over a speaker's recordings."""
    found: dict[str, list[float]] = {}
    for recording in taught:
        found.setdefault(recording.speaker, []).append(_tone(recording))
    return {speaker: float(np.nanmedian(tones)) if np.isfinite(tones).any() else float("nan") for speaker, tones in found.items()}


def _phones(taught: Sequence[Recording], heard: dict[str, list[Recording]], row: Any, options: TaskOptions) -> list[Score]:
    """How many frames of 10 ms are named right."""
    tier, fold, inventory = tier_in(taught, options.tier), folding(options.fold), Inventory()
    front = _front()

    def of(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
        frames = _frames(front, recording)
        return _around(frames), of_steps(recording.tiers.get(tier, ()), AXES["second"].frames, len(frames), fold, inventory)

    parts = [of(r) for r in taught]
    x, y = (np.concatenate(side) for side in zip(*parts, strict=True))
    classes = len(inventory.names)
    probe = fit_classes(x[y != NO_LABEL], y[y != NO_LABEL, None], classes, options.seed, _PHONES)
    rows = []
    for voice, some in heard.items():
        hits, counted = [], []
        for recording in some:
            window, labels = of(recording)
            hits.append(float((probe.outputs(window)[:, 0].argmax(1) == labels)[labels != NO_LABEL].sum()))
            counted.append(float((labels != NO_LABEL).sum()))
        rows.append(row("conversion_phone_accuracy", hits, counted, voice, recogniser=f"mlp{_PHONES.hidden} on {2 * _AROUND + 1} frames of MFCC", tier=tier, classes=str(classes)))
    return rows
