"""ELAN files (EAF 2.x and 3.0): tiers of annotations in, a tier of units out.

Annotations hang on time slots in milliseconds, or on other annotations (Max Planck Institute for Psycholinguistics,
EAF Annotation Format 3.0). A slot without a time lies between its neighbours in equal parts; so do several references
to one annotation, as ELAN draws them. Written units come as one more tier of a copy of the user's own file, of
which everything else stays, or in a file of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

from lxml import etree

from untold.contract import Interval
from untold.errors import UntoldError
from untold.formats._writing import beside
from untold.formats._xml import parse

_DEEPEST = 64  # tiers that hang on tiers
_LATEST = 10**10  # milliseconds, four months
_MIME = {".wav": "audio/x-wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".flac": "audio/flac"}
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_TYPE = "untold-units"


@dataclass(frozen=True)
class ElanFile:
    """Tiers (intervals in seconds, rising), who speaks on which, and which of them cut the recording into utterances.

    `utterance_tiers` are the tiers that hang on no other and have a participant or tiers that hang on them.
    """

    tiers: dict[str, list[Interval]]
    participants: dict[str, str]
    utterance_tiers: list[str]


def read(path: Path | str) -> ElanFile:
    """What an ELAN file holds; annotations without text are left out but for utterances.

    Raises `UntoldError`, one line, for a document type or entities, damage, and references that lead nowhere or in circles.
    """
    path = Path(path)
    root = parse(path, "ELAN").getroot()
    if root.tag != "ANNOTATION_DOCUMENT":
        raise UntoldError(f"{path}: no ELAN file: its root is {str(root.tag)[:40]!r}")
    header = root.find("HEADER")
    if header is not None and header.get("TIME_UNITS", "milliseconds") != "milliseconds":
        raise UntoldError(f"{path}: its times are counted in {header.get('TIME_UNITS')!r}: milliseconds are read (save it anew in ELAN)")
    times = _Times(path, root)
    tiers: dict[str, list[Interval]] = {}
    participants: dict[str, str] = {}
    dependent = {tier.get("PARENT_REF") for tier in root.iterfind("TIER")}
    utterances = []
    for tier in root.iterfind("TIER"):
        name = tier.get("TIER_ID", "")
        if not name or name in tiers:
            raise UntoldError(f"{path}: damaged: a tier without a name of its own ({name[:40]!r})")
        independent = tier.get("PARENT_REF") is None
        rows = [Interval(a, b, text) for a, b, text in times.of(tier) if b > a and (text.strip() or independent)]
        tiers[name] = sorted(rows, key=lambda row: (row.start, row.end))
        if tier.get("PARTICIPANT", "").strip():
            participants[name] = tier.get("PARTICIPANT", "").strip()
        if independent and rows and (name in participants or name in dependent):
            utterances.append(name)
    return ElanFile(tiers, participants, utterances)


def write(
    path: Path | str, tiers: Mapping[str, Sequence[Interval]], audio: Path, template: Path | None = None,
    start: Fraction = Fraction(0),
) -> None:
    """Tiers in seconds from `start` of the sound `audio`, as an ELAN file: whole or not at all.

    With `template`, the user's own file, the tiers are added to a copy of it; a tier of that name there keeps its name,
    and ours gets a number. Times are rounded to milliseconds, which is what ELAN counts in.
    """
    path = Path(path)
    root = _fresh(audio, path) if template is None else parse(template, "ELAN").getroot()
    order = root.find("TIME_ORDER")
    if root.tag != "ANNOTATION_DOCUMENT" or order is None:
        raise UntoldError(f"{template}: no ELAN file: it cannot take a tier")
    kinds = [kind.get("LINGUISTIC_TYPE_ID") for kind in root.iterfind("LINGUISTIC_TYPE")]
    if _TYPE not in kinds:
        kind = etree.Element("LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID=_TYPE, TIME_ALIGNABLE="true")
        _after(root, kind, "LINGUISTIC_TYPE", "TIER", "TIME_ORDER")
    slot, annotation = _numbers(order, "TIME_SLOT", "TIME_SLOT_ID"), _last_annotation(root)
    for name, rows in tiers.items():
        tier = etree.Element("TIER", LINGUISTIC_TYPE_REF=_TYPE, TIER_ID=_free(name, root))
        for row in rows:
            begin, end = (round((start + time) * 1000) for time in (row.start, row.end))
            if end <= begin:
                continue
            for number, time in ((slot + 1, begin), (slot + 2, end)):
                etree.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=f"ts{number}", TIME_VALUE=str(time))
            annotation += 1
            holder = etree.SubElement(tier, "ANNOTATION")
            aligned = etree.SubElement(
                holder, "ALIGNABLE_ANNOTATION", ANNOTATION_ID=f"a{annotation}",
                TIME_SLOT_REF1=f"ts{slot + 1}", TIME_SLOT_REF2=f"ts{slot + 2}",
            )  # fmt: skip
            etree.SubElement(aligned, "ANNOTATION_VALUE").text = _sayable(row.label)
            slot += 2
        _after(root, tier, "TIER", "TIME_ORDER")
    _remember(root, annotation)
    etree.indent(root, space="    ")
    with beside(path) as part:
        root.getroottree().write(str(part), xml_declaration=True, encoding="UTF-8", pretty_print=True)


class _Times:
    """From when to when an annotation lasts."""

    def __init__(self, path: Path, root: etree._Element) -> None:
        self._path = path
        self._slots: dict[str, Fraction | None] = {}
        for slot in root.iterfind("TIME_ORDER/TIME_SLOT"):
            value = slot.get("TIME_VALUE")
            if value is not None and (not re.fullmatch(r"-?\d{1,12}", value, re.ASCII) or abs(int(value)) > _LATEST):
                raise UntoldError(f"{path}: damaged: {value[:40]!r} is no time in milliseconds")
            self._slots[slot.get("TIME_SLOT_ID", "")] = None if value is None else Fraction(int(value), 1000)
        self._spans: dict[str, tuple[Fraction, Fraction]] = {}
        aligned = [list(tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION")) for tier in root.iterfind("TIER")]
        for of_tier in aligned:
            self._place(of_tier)
        for annotation in (a for of_tier in aligned for a in of_tier):
            self._spans[annotation.get("ANNOTATION_ID", "")] = self._span(annotation)
        self._refer(list(root.iterfind("TIER/ANNOTATION/REF_ANNOTATION")))

    def of(self, tier: etree._Element) -> Iterator[tuple[Fraction, Fraction, str]]:
        """(start, end, text) of the annotations of a tier."""
        for annotation in tier.iterfind("ANNOTATION/*"):
            if annotation.tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
                span = self._spans[annotation.get("ANNOTATION_ID", "")]
                yield *span, annotation.findtext("ANNOTATION_VALUE") or ""

    def _slot(self, name: str | None) -> Fraction | None:
        if name is None or name not in self._slots:
            raise UntoldError(f"{self._path}: damaged: an annotation refers to the time slot {str(name)[:40]!r}, which is not there")
        return self._slots[name]

    def _place(self, annotations: Sequence[etree._Element]) -> None:
        """Gives slots without a time one between their neighbours, in equal parts."""
        following = {a.get("TIME_SLOT_REF1"): a.get("TIME_SLOT_REF2") for a in annotations}
        for first in [name for name in following if self._slot(name) is not None]:
            chain: list[str | None] = []
            start, at = self._slot(first), following[first]
            while at in following and self._slot(at) is None and len(chain) <= len(following):
                chain.append(at)
                at = following[at]
            end = self._slot(at)
            if chain and start is not None and end is not None:
                for number, name in enumerate(chain, 1):
                    self._slots[str(name)] = start + (end - start) * number / (len(chain) + 1)

    def _span(self, annotation: etree._Element) -> tuple[Fraction, Fraction]:
        start, end = self._slot(annotation.get("TIME_SLOT_REF1")), self._slot(annotation.get("TIME_SLOT_REF2"))
        if start is None or end is None or end < start:
            raise UntoldError(f"{self._path}: damaged: annotation {annotation.get('ANNOTATION_ID', '')[:40]!r} has no time, or ends before it begins")
        return start, end

    def _refer(self, annotations: Sequence[etree._Element]) -> None:
        """Spans of annotations that refer to others, level by level; brothers in a chain share the time of the parent."""
        waiting = {a.get("ANNOTATION_ID", ""): a for a in annotations}
        for _ in range(_DEEPEST):
            if not waiting:
                return
            families: dict[tuple[int, str], list[etree._Element]] = {}
            for annotation in waiting.values():
                parent = annotation.get("ANNOTATION_REF", "")
                if parent in self._spans:
                    tier = annotation.getparent().getparent()
                    families.setdefault((id(tier), parent), []).append(annotation)
            for (_, parent), members in families.items():
                start, end = self._spans[parent]
                parts = _in_order(members) if any(m.get("PREVIOUS_ANNOTATION") for m in members) else None
                for number, member in enumerate(parts or members):
                    share = (end - start) / len(members) if parts else Fraction(0)
                    span = (start + number * share, start + (number + 1) * share) if parts else (start, end)
                    self._spans[member.get("ANNOTATION_ID", "")] = span
                    waiting.pop(member.get("ANNOTATION_ID", ""), None)
            if not families:
                break
        if waiting:
            raise UntoldError(f"{self._path}: damaged: annotation {next(iter(waiting))[:40]!r} refers to none with a time, or tiers hang too deep")


def _in_order(members: list[etree._Element]) -> list[etree._Element]:
    """Brothers as their chain of `PREVIOUS_ANNOTATION` has them; as they stand where the chain is broken."""
    after: dict[str, etree._Element] = {}
    for member in members:
        after.setdefault(member.get("PREVIOUS_ANNOTATION", ""), member)
    out: list[etree._Element] = []
    at = after.get("")
    while at is not None and len(out) < len(members):
        out.append(at)
        at = after.get(at.get("ANNOTATION_ID", "\0"))
    return out if len({id(member) for member in out}) == len(members) else members


def _fresh(audio: Path, path: Path) -> etree._Element:
    root = etree.Element("ANNOTATION_DOCUMENT", nsmap={"xsi": _INSTANCE})
    root.set("AUTHOR", "untold")
    root.set("DATE", "2000-01-01T00:00:00+00:00")  # no clock: the same units give the same file
    root.set("FORMAT", "3.0")
    root.set("VERSION", "3.0")
    root.set(f"{{{_INSTANCE}}}noNamespaceSchemaLocation", _SCHEMA)
    header = etree.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    etree.SubElement(
        header, "MEDIA_DESCRIPTOR", MEDIA_URL="file://" + quote(audio.absolute().as_posix(), safe="/:"),
        MIME_TYPE=_MIME.get(audio.suffix.lower(), "audio/*"),
    )  # fmt: skip
    etree.SubElement(root, "TIME_ORDER")
    return root


def _after(root: etree._Element, element: etree._Element, *tags: str) -> None:
    """Puts an element behind the last one of the first tag that there is: the schema fixes the order."""
    for tag in tags:
        found = root.findall(tag)
        if found:
            found[-1].addnext(element)
            return
    root.append(element)


def _numbers(parent: etree._Element, tag: str, key: str) -> int:
    """The largest number at the end of an id: ours go on behind it."""
    ends = (re.search(r"(\d{1,12})$", element.get(key, ""), re.ASCII) for element in parent.iter(tag))
    return max((int(match[1]) for match in ends if match), default=0)


def _last_annotation(root: etree._Element) -> int:
    return max(_numbers(root, tag, "ANNOTATION_ID") for tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"))


def _remember(root: etree._Element, last: int) -> None:
    """ELAN counts annotations on from this property of the header."""
    header = root.find("HEADER")
    if header is None:
        return
    found = header.find("PROPERTY[@NAME='lastUsedAnnotationId']")
    if found is None:
        found = etree.SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId")
    found.text = str(last)


def _free(name: str, root: etree._Element) -> str:
    taken = {tier.get("TIER_ID") for tier in root.iterfind("TIER")}
    number, free = 2, name
    while free in taken:
        number, free = number + 1, f"{name}-{number}"
    return free


def _sayable(text: str) -> str:
    """Text without the control characters that XML has no way to write."""
    return "".join(c if (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff") or c in "\t\n" else "�" for c in text)
