"""From a corpus and its units to what the page tells: cards, pictures and sounds, in memory that no corpus outgrows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from untold.contract import TRANSCRIPTION, Interval, Recording, Units
from untold.report._media import Medium, Place, places_of, read
from untold.report.data import Health, PageData, Pair, Portion, Shown, Span, UnitCard
from untold.report.survey import Source, Survey, exemplars, look

CARDS = 64  # units with pictures and sounds; the others stand in the table
NEAR = 5

Conversion = tuple[str, str, str, np.ndarray, np.ndarray]  # recording, from speaker, to speaker, original, converted


def gather(
    corpus: Source,
    units: Mapping[str, Units],
    run: Path,
    *,
    method: str,
    tier: str = "phones",
    health: Sequence[tuple[str, str]] = (),
    reconstruct: Callable[[Recording], np.ndarray] | None = None,
    conversions: Iterable[Conversion] = (),
    likeness: np.ndarray | None = None,
    absent: Sequence[str] = (),
    notes: Mapping[str, str] | None = None,
    cards: int = CARDS,
) -> PageData:
    """Makes the page's data, writes its sounds and pictures under `run` and `run`/report.json.

    `units` by recording id (merged or not; every lookup may read from disk); `tier` names the labels to describe units
    by, used when the corpus has it; `health` is (severity, sentence); `reconstruct` gives a recording's signal made
    again, steps as `Signal.read` gives them; those of `conversions` are so too, in the order in which they are looked at;
    `likeness` (alphabet, alphabet) orders "more like this" (by mean spectra or shapes without it). The corpus is read
    twice, one recording at a time.
    """
    survey = look(corpus, units, tier)
    medium, has_labels = survey.medium, bool(survey.joint)
    used = [int(t) for t in np.argsort(-survey.count, kind="stable") if survey.count[t]]
    places = exemplars(corpus, units, survey, used[:cards])
    missing = [*absent]
    if not has_labels:
        missing.append(f"Names of units and their distribution over labels: the corpus has no tier {tier!r}.")
    if reconstruct is None:
        missing.append(medium.words.unmade[0])
    made = _cards(corpus, run, survey, used, places, tier, likeness)
    pairs = _conversions(run, medium, conversions)
    if not pairs:
        missing.append(medium.words.unmade[1])
    chosen = _choose(corpus, units, medium)
    shown = [_shown(run, medium, corpus[i], units[corpus[i].id], f"recording-{n}", tier) for n, i in enumerate(chosen)]
    data = PageData(
        title=corpus.name, source=corpus.name, method=method, recordings=survey.recordings, length=survey.length,
        speakers=len(survey.by_speaker), alphabet=survey.alphabet, rate=float(survey.count.sum()) / max(survey.length, 1e-9),
        bin=survey.bin(), axis="pixel" if medium.unit == "pixel" else "second", tier=tier if has_labels else "", units=tuple(made),
        health=tuple(Health(severity, text) for severity, text in health),  # type: ignore[arg-type]
        shown=tuple(shown), reconstructions=tuple(_reconstructions(run, medium, [corpus[i] for i in chosen], shown, reconstruct)),
        conversions=tuple(pairs), absent=tuple(missing), notes=dict(notes or {}),
    )
    data.write(run)
    return data


def _cards(
    corpus: Source, run: Path, survey: Survey, used: Sequence[int], places: Mapping[int, Sequence[Place]], tier: str,
    likeness: np.ndarray | None,
) -> Iterable[UnitCard]:
    alike = survey.likeness() if likeness is None else np.asarray(likeness)
    hues = survey.hues()
    whole = max(survey.length, float(survey.covered.sum()), 1e-9)  # gaps too
    with_card = np.array(sorted(places), int)
    for token in used:
        phones = _portions(survey, token)
        near = with_card[with_card != token]
        near = near[np.argsort(-alike[token, near], kind="stable")][:NEAR]
        kind = survey.kind(token)
        cut = [(place, recording := corpus[place.index], _label(recording.tiers.get(tier, ()), place)) for place in places.get(token, ())]
        cuts, sound = survey.medium.sheet(run, token, cut, quiet=kind == survey.medium.words.quiet)
        yield UnitCard(
            token=token, count=int(survey.count[token]), share=float(survey.covered[token] / whole),
            speakers=sum(1 for row in survey.by_speaker.values() if row[token]), median=survey.median(token),
            durations=survey.histogram(token), kind=kind, hue=float(hues[token]), name=_name(phones), phones=tuple(phones[:8]),
            near=tuple(int(t) for t in near), sound=sound, exemplars=cuts,
        )


def _portions(survey: Survey, token: int) -> list[Portion]:
    under = sorted(((float(row[token]), label) for label, row in survey.joint.items()), key=lambda item: (-item[0], item[1]))
    whole = sum(length for length, _ in under)
    return [Portion(label if label.strip() else survey.medium.words.nameless, length / whole) for length, label in under if length > 0] if whole else []


def _name(phones: Sequence[Portion]) -> str:
    """The labels that a unit is near to: the first, and others at least half as frequent; empty when none stands out."""
    if not phones or phones[0].share < 0.12:
        return ""
    return " ".join(p.label for p in phones[:3] if p.share >= max(0.1, phones[0].share / 2))


def _label(intervals: Sequence[Interval], place: Place) -> str:
    under = [(min(float(i.end), place.end) - max(float(i.start), place.start), i.label) for i in intervals
             if float(i.start) < place.end and float(i.end) > place.start]
    return max(under, key=lambda item: item[0])[1] if under else ""


def _choose(corpus: Source, units: Mapping[str, Units], medium: Medium) -> list[int]:
    """Recordings to show: of middling length, of different speakers, the evaluation's first."""
    ranked = []
    for index, recording in enumerate(corpus):
        if recording.id in units:
            off = abs(float(recording.length) / medium.middling - 1)
            ranked.append((recording.split != "evaluation", round(off, 2), index, recording.speaker))
            ranked.sort()
            del ranked[500:]
    chosen: dict[str, int] = {}
    for *_, index, speaker in ranked:
        chosen.setdefault(speaker, index)
    first = list(chosen.values())[: medium.shown]
    rest = [index for *_, index, _ in ranked if index not in first]
    return (first + rest)[: medium.shown]


def _shown(run: Path, medium: Medium, recording: Recording, units: Units, name: str, tier: str) -> Shown:
    values = medium.as_seen(recording, read(recording, 0, medium.longest))
    bare = medium.drawn(run, name, recording.id, recording.speaker, values)
    units = units.merged()
    starts, ends = places_of(units)
    length = bare.length
    spans = [Span(float(a), min(float(b), length), str(t), int(t)) for t, a, b in zip(units.tokens, starts, ends, strict=True) if a < length]
    phones = [Span(float(i.start), min(float(i.end), length), i.label) for i in recording.tiers.get(tier, ()) if float(i.start) < length]
    text = " ".join(i.label for i in recording.tiers.get(TRANSCRIPTION, ()))
    over, under = (medium.turned(recording, some, length) for some in (spans, phones))
    return replace(bare, units=over, phones=under, text=text)


def _reconstructions(
    run: Path, medium: Medium, recordings: Sequence[Recording], shown: Sequence[Shown], reconstruct: Callable[[Recording], np.ndarray] | None
) -> Iterable[Pair]:
    if reconstruct is None:
        return
    for number, (recording, one) in enumerate(zip(recordings, shown, strict=True)):
        made = reconstruct(recording)[: round(medium.longest * float(recording.signal.grid.rate))]
        after = medium.drawn(run, f"reconstruction-{number}", recording.id, recording.speaker, medium.as_seen(recording, made))
        yield Pair(recording.id, replace(one, units=(), phones=(), text=""), after)


def _conversions(run: Path, medium: Medium, conversions: Iterable[Conversion]) -> list[Pair]:
    return [
        Pair(identity, medium.drawn(run, f"conversion-{n}-from", identity, source, original), medium.drawn(run, f"conversion-{n}-to", identity, target, converted))
        for n, (identity, source, target, original, converted) in enumerate(conversions)
    ]
