"""Labels that lie beside a recording: TextGrid, ELAN, CTM. What cannot be read is skipped by name, its recording is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from untold.contract import UNKNOWN, Interval
from untold.corpora._audio import ENDINGS as AUDIO_ENDINGS
from untold.corpora._entry import Entry
from untold.corpora._walking import Found, inside
from untold.errors import UntoldError

ENDINGS = (".textgrid", ".eaf", ".ctm")
_NAMES = {
    "phones": ("phone", "phones", "phoneme", "phonemes", "phon", "segment", "segments", "mau"),
    "words": ("word", "words", "ort", "ort-mau", "wrd"),
    "syllables": ("syllable", "syllables", "syl", "syll"),
    "utterances": ("utterance", "utterances", "utt", "utts", "ref", "sentence", "sentences", "phrase", "phrases", "turn", "turns"),
}
_CONVENTIONAL = {word: name for name, words in _NAMES.items() for word in words}
Tiers = dict[str, list[Interval]]


def conventional(name: str) -> str:
    """The house's name of a tier (`phones`, `words`, `syllables`, `utterances`), or the name itself.

    What tools write around it is left off: `Mary - phones` (Montreal Forced Aligner), `words@Mary`, `utterance-Mary` (ELAN).
    """
    word = name.strip().lower()
    for part in (word, word.rpartition(" - ")[2], word.partition("@")[0], re.split(r"[-_ ]", word, maxsplit=1)[0]):
        if part in _CONVENTIONAL:
            return _CONVENTIONAL[part]
    return name.strip() or "labels"


def shared_labels(root: Path, skip: Callable[[str, str], None]) -> dict[str, tuple[Path, Tiers]]:
    """CTM files in `root` itself that tell of many recordings: file name there -> its path, recording -> intervals."""
    found = {}
    for path in sorted(p for p in root.iterdir() if p.suffix.lower() == ".ctm"):
        of_one = any(path.with_suffix(ending).exists() for ending in AUDIO_ENDINGS)
        if path.is_file() and inside(path, root) and not of_one:
            from untold.formats import ctm

            try:
                found[path.name] = path, ctm.read(path)
            except UntoldError as error:
                skip(path.name, _without(path, error))
    return found


class Labels:
    """The label files of recordings in one folder, `beside` them, and those `shared` by all."""

    def __init__(
        self, beside: Mapping[str, Found], shared: Mapping[str, tuple[Path, Tiers]], skip: Callable[[str, str], None]
    ) -> None:
        self._by_stem: dict[str, list[Found]] = {}
        for found in beside.values():
            if found.path.suffix.lower() in ENDINGS and found.path.name not in shared:
                self._by_stem.setdefault(found.path.stem, []).append(found)
        self._shared, self._skip = shared, skip

    def entries(self, entry: Entry) -> Iterator[Entry]:
        """The recording with its tiers, or its utterances one by one."""
        tiers: Tiers = {}
        files: list[Path] = []
        utterances: list[Entry] = []
        for found in self._by_stem.get(entry.file.stem, []):
            if found.problem:
                self._skip(found.name, found.problem)
                continue
            try:
                told, participants, independent = _read(found.path, entry.id)
                if independent:
                    utterances = _utterances(replace(entry, labels=(found.path,)), told, participants, independent)
                _gather(tiers, told)
                files.append(found.path)
            except UntoldError as error:
                self._skip(found.name, _without(found.path, error))
        for path, told_of in self._shared.values():
            name = conventional(path.stem)
            if rows := _of(told_of, entry.id, only=False):
                _gather(tiers, {name if name in _NAMES else "words": rows})
                files.append(path)
        if utterances:
            yield from utterances
        else:
            yield replace(entry, tiers=tiers, labels=tuple(files))


def _read(path: Path, identity: str) -> tuple[Mapping[str, list[Interval]], Mapping[str, str], Sequence[str]]:
    """The tiers of a label file; of ELAN also participants and tiers that may be utterances. XML is loaded where there is some."""
    if path.suffix.lower() == ".eaf":
        from untold.formats import elan

        told = elan.read(path)
        return told.tiers, told.participants, told.utterance_tiers
    if path.suffix.lower() == ".ctm":
        from untold.formats import ctm

        return {"words": _of(ctm.read(path), identity, only=True)}, {}, ()
    from untold.formats import textgrid

    return textgrid.read(path), {}, ()


def _gather(tiers: Tiers, more: Mapping[str, Sequence[Interval]]) -> None:
    """Adds tiers under conventional names; labels that say nothing are no labels."""
    for name, intervals in more.items():
        known = conventional(name)
        rows = [i for i in intervals if i.label.strip()]
        if rows:
            tiers[known if known not in tiers else name] = rows


def _of(told: Mapping[str, Sequence[Interval]], identity: str, *, only: bool) -> list[Interval]:
    """What a CTM file says of a recording: by id, by id with _, by stem; or all that it says when it tells of one."""
    for name in (identity, identity.replace("/", "_"), identity.rpartition("/")[2]):
        if name in told:
            return list(told[name])
    return list(next(iter(told.values()))) if only and len(told) == 1 else []


def _utterances(
    entry: Entry, tiers: Mapping[str, Sequence[Interval]], participants: Mapping[str, str], independent: Sequence[str]
) -> list[Entry]:
    """A recording for each utterance, in the order of their beginnings, with what the other tiers say within it.

    Utterances are the tiers named so, else those `independent` ones that are no phones, words, syllables or units.
    """
    spoken = [name for name in tiers if conventional(name) == "utterances"]
    spoken = spoken or [name for name in independent if conventional(name) not in (*_NAMES, "units")]
    cuts = sorted(
        ((interval, name) for name in spoken for interval in tiers[name] if interval.start < interval.end),
        key=lambda cut: (cut[0].start, cut[0].end, cut[1]),
    )
    width = max(4, len(str(len(cuts))))
    made = []
    for number, (cut, name) in enumerate(cuts, 1):
        who = participants.get(name, "").strip()
        own = {"utterances": [Interval(cut.start, cut.end, cut.label)] if cut.label.strip() else []}
        for other, intervals in tiers.items():
            theirs = participants.get(other, "").strip()
            if other not in spoken and (not theirs or theirs == who):
                _gather(own, {other: [i for i in intervals if i.start < cut.end and i.end > cut.start]})
        within = {
            tier: [Interval(max(i.start, cut.start) - cut.start, min(i.end, cut.end) - cut.start, i.label) for i in rows]
            for tier, rows in own.items() if rows
        }
        speaker = who if who and not who.lower().endswith(UNKNOWN) else entry.sides.get("speaker", UNKNOWN)
        made.append(replace(
            entry, id=f"{entry.id}_{number:0{width}d}", start=cut.start, end=cut.end, tiers=within,
            sides={**entry.sides, "speaker": speaker},
        ))
    return made


def _without(path: Path, error: UntoldError) -> str:
    """The reason, without the path that stands before it."""
    return re.sub(rf"^{re.escape(str(path))}[:,]? *", "", str(error))
