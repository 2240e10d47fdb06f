"""From a corpus and its units to what the page tells: cards, pictures and sounds, in memory that no corpus outgrows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from untold.contract import Interval, Recording, Units
from untold.report import pictures, sounds
from untold.report.data import Exemplar, Health, PageData, Pair, Portion, Shown, Span, UnitCard
from untold.report.survey import RATE, Place, Source, Survey, exemplars, look, seconds_of

CARDS = 64  # units with pictures and sounds; the others stand in the table
SHOWN = 3  # recordings drawn with their units
LONGEST = 8.0  # seconds of a recording that is shown
EXEMPLARS = 6
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
    by, used when the corpus has it; `health` is (severity, sentence); `reconstruct` gives 16 kHz samples (n,) of a
    recording; `likeness` (alphabet, alphabet) orders "more like this" (by mean spectra without it). The corpus is read
    twice, one recording at a time.
    """
    survey = look(corpus, units, tier)
    has_labels = bool(survey.joint)
    used = [int(t) for t in np.argsort(-survey.count, kind="stable") if survey.count[t]]
    places = exemplars(corpus, units, survey, used[:cards])
    missing = [*absent]
    if not has_labels:
        missing.append(f"Names of units and their distribution over labels: the corpus has no tier {tier!r}.")
    if reconstruct is None:
        missing.append("Reconstructions: nothing was given that turns units back into sound.")
    made = _cards(corpus, run, survey, used, places, tier, likeness)
    pairs = _conversions(run, conversions)
    if not pairs:
        missing.append("Conversions to another speaker: none were made.")
    chosen = _choose(corpus, units)
    data = PageData(
        title=corpus.name, source=corpus.name, method=method, recordings=survey.recordings, seconds=survey.seconds,
        speakers=len(survey.by_speaker), alphabet=survey.alphabet, rate=float(survey.count.sum()) / max(survey.seconds, 1e-9),
        bin_seconds=survey.bin(), tier=tier if has_labels else "", units=tuple(made),
        health=tuple(Health(severity, text) for severity, text in health),  # type: ignore[arg-type]
        shown=tuple(_shown(run, corpus[i], units[corpus[i].id], f"recording-{n}", tier) for n, i in enumerate(chosen)),
        reconstructions=tuple(_reconstructions(run, corpus, chosen, reconstruct)),
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
    covered = max(float(survey.covered.sum()), 1e-9)
    with_card = np.array(sorted(places), int)
    for token in used:
        phones = _portions(survey, token)
        near = with_card[with_card != token]
        near = near[np.argsort(-alike[token, near], kind="stable")][:NEAR]
        kind = survey.kind(token)
        cuts, sound = _exemplars(corpus, run, token, places.get(token, ()), tier, quiet=kind == "silence")
        yield UnitCard(
            token=token, count=int(survey.count[token]), share=float(survey.covered[token] / covered),
            speakers=sum(1 for row in survey.by_speaker.values() if row[token]), median=survey.median(token),
            durations=survey.histogram(token), kind=kind, hue=float(hues[token]), name=_name(phones), phones=tuple(phones[:8]),
            near=tuple(int(t) for t in near), sound=sound, exemplars=cuts,
        )


def _portions(survey: Survey, token: int) -> list[Portion]:
    under = sorted(((float(row[token]), label) for label, row in survey.joint.items()), key=lambda item: (-item[0], item[1]))
    whole = sum(length for length, _ in under)
    return [Portion(label, length / whole) for length, label in under if length > 0] if whole else []


def _name(phones: Sequence[Portion]) -> str:
    """The labels that a unit is near to: the first, and others at least half as frequent; empty when none stands out."""
    if not phones or phones[0].share < 0.12:
        return ""
    return " ".join(p.label for p in phones[:3] if p.share >= max(0.1, phones[0].share / 2))


def _exemplars(
    corpus: Source, run: Path, token: int, places: Sequence[Place], tier: str, *, quiet: bool
) -> tuple[tuple[Exemplar, ...], str]:
    cut: list[tuple[Place, Recording, float, np.ndarray]] = []
    for place in places[:EXEMPLARS]:
        recording = corpus[place.index]
        begin = max(0.0, place.start - sounds.MARGIN)
        end = min(place.end, place.start + sounds.LONGEST) + sounds.MARGIN
        around = pictures.decibels(_read(recording, place.start - 2, place.start + 2), bands=80, hop=160)
        clip = _read(recording, begin, end)
        grey = pictures.ink(pictures.decibels(clip, bands=80, hop=64), float(around.max()), float(np.percentile(around, 25)))
        pictures.write_picture(run / "pictures" / f"unit-{token}-{len(cut)}.webp", grey)
        cut.append((place, recording, begin, clip if quiet else sounds.louder(clip)))
    if not cut:
        return (), ""
    samples, at = sounds.strip([clip for *_, clip in cut])
    sounds.write_clip(run / "sounds" / f"unit-{token}.ogg", samples)
    made = []
    for number, ((place, recording, begin, clip), offset) in enumerate(zip(cut, at, strict=True)):
        start = offset + place.start - begin
        made.append(Exemplar(
            recording=recording.id, speaker=place.speaker, start=place.start, end=place.end, clip_start=offset,
            clip_end=offset + len(clip) / RATE, unit_start=start, unit_end=start + min(place.end - place.start, sounds.LONGEST),
            picture=f"unit-{token}-{number}.webp", label=_label(recording.tiers.get(tier, ()), place),
        ))
    return tuple(made), f"unit-{token}.ogg"


def _label(intervals: Sequence[Interval], place: Place) -> str:
    under = [(min(float(i.end), place.end) - max(float(i.start), place.start), i.label) for i in intervals
             if float(i.start) < place.end and float(i.end) > place.start]
    return max(under, key=lambda item: item[0])[1] if under else ""


def _read(recording: Recording, start: float, stop: float) -> np.ndarray:
    audio = recording.signals["audio"]
    return np.asarray(audio.read(max(0, round(start * RATE)), min(audio.steps, round(stop * RATE))), np.float32)


def _choose(corpus: Source, units: Mapping[str, Units]) -> list[int]:
    """Recordings to show: of middling length, of different speakers, the evaluation's first."""
    ranked = []
    for index, recording in enumerate(corpus):
        if recording.id in units:
            off = abs(recording.signals["audio"].steps / RATE - 3.5)
            ranked.append((recording.split != "evaluation", round(off, 1), index, recording.speaker))
            ranked.sort()
            del ranked[500:]
    chosen: dict[str, int] = {}
    for *_, index, speaker in ranked:
        chosen.setdefault(speaker, index)
    first = list(chosen.values())[:SHOWN]
    rest = [index for *_, index, _ in ranked if index not in first]
    return (first + rest)[:SHOWN]


def _shown(run: Path, recording: Recording, units: Units, name: str, tier: str) -> Shown:
    samples = _read(recording, 0, LONGEST)
    bare = _sound(run, recording.id, recording.speaker, samples, name)
    units = units.merged()
    starts, ends = seconds_of(units)
    length = bare.seconds
    spans = [Span(float(a), min(float(b), length), str(t), int(t)) for t, a, b in zip(units.tokens, starts, ends, strict=True) if a < length]
    phones = [Span(float(i.start), min(float(i.end), length), i.label) for i in recording.tiers.get(tier, ()) if float(i.start) < length]
    return Shown(recording.id, recording.speaker, length, bare.picture, bare.sound, tuple(spans), tuple(phones))


def _sound(run: Path, identity: str, speaker: str, samples: np.ndarray, name: str) -> Shown:
    samples = np.nan_to_num(np.asarray(samples, np.float32))[: round(LONGEST * RATE)]
    levels = pictures.decibels(samples, bands=96, hop=64)
    top, floor = np.percentile(levels, [99.8, 25])
    pictures.write_picture(run / "pictures" / f"{name}.webp", pictures.ink(levels, float(top), float(floor)), quality=55)
    sounds.write_clip(run / "sounds" / f"{name}.ogg", sounds.louder(samples))
    return Shown(identity, speaker, len(samples) / RATE, f"{name}.webp", f"{name}.ogg")


def _reconstructions(
    run: Path, corpus: Source, chosen: Sequence[int], reconstruct: Callable[[Recording], np.ndarray] | None
) -> Iterable[Pair]:
    for number, index in enumerate(chosen if reconstruct is not None else ()):
        recording = corpus[index]
        assert reconstruct is not None
        before = Shown(recording.id, recording.speaker, min(LONGEST, recording.signals["audio"].steps / RATE),
                       f"recording-{number}.webp", f"recording-{number}.ogg")
        yield Pair(recording.id, before, _sound(run, recording.id, recording.speaker, reconstruct(recording), f"reconstruction-{number}"))


def _conversions(run: Path, conversions: Iterable[Conversion]) -> list[Pair]:
    return [
        Pair(identity, _sound(run, identity, source, original, f"conversion-{n}-from"), _sound(run, identity, target, converted, f"conversion-{n}-to"))
        for n, (identity, source, target, original, converted) in enumerate(conversions)
    ]
