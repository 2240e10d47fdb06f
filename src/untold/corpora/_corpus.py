"""A corpus as the rest of the house sees it: recordings by number, read from the cache on disk when asked for."""

from __future__ import annotations

import functools
import hashlib
import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from untold.contract import TRANSCRIPTION, UNKNOWN, Grid, Interval, Recording, Unit
from untold.corpora._cache import Build, name_hash
from untold.corpora._media import Medium
from untold.errors import UntoldError

_HELD = 16 << 20  # bytes of a shard that may be looked at before their pages are given back


@dataclass(frozen=True)
class Stretch:
    """A signal that is a stretch of a shard: `steps` steps of a medium from step `at` on."""

    shard: Path
    at: int
    steps: int
    medium: Medium

    @property
    def grid(self) -> Grid:
        """The medium's grid."""
        return self.medium.grid

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one step."""
        return self.medium.shape

    def read(self, start: int, stop: int) -> np.ndarray:
        """Steps `start` to `stop` (steps, *shape) float32; places outside of the recording raise `IndexError`."""
        return self.read_stored(start, stop).astype(np.float32) * np.float32(self.medium.scale)

    def read_stored(self, start: int, stop: int) -> np.ndarray:
        """Steps `start` to `stop` as they are stored, memory-mapped."""
        if not 0 <= start <= stop <= self.steps:
            raise IndexError(f"steps {start} to {stop} of {self.steps}")
        width = self.medium.width
        data = _mapped(self.shard).take((self.at + start) * width, (self.at + stop) * width)
        return data.view(self.medium.stored).reshape(stop - start, *self.medium.shape)


class _Shard:
    """A mapped shard. Pages that were looked at are given back now and then: a long recording is no long memory."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._bytes = np.frombuffer(self._mapping, np.uint8)
        self._taken = 0

    def take(self, start: int, stop: int) -> np.ndarray:
        self._taken += stop - start
        if self._taken > _HELD and hasattr(self._mapping, "madvise"):
            self._mapping.madvise(mmap.MADV_DONTNEED)  # they come back from the file when somebody looks again
            self._taken = 0
        return self._bytes[start:stop]


@functools.lru_cache(maxsize=64)
def _mapped(shard: Path) -> _Shard:
    return _Shard(shard)


class Tiers(Mapping[str, Sequence[Interval]]):
    """Label tiers that become intervals when they are looked at: most readers of a recording want its sound only."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self._stored, self._made = stored, dict[str, list[Interval]]()

    def __getitem__(self, name: str) -> Sequence[Interval]:
        if name not in self._made:
            tier = self._stored[name]
            per = tier["per"]
            self._made[name] = [Interval(Fraction(a, per), Fraction(b, per), label) for a, b, label in tier["intervals"]]
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


@dataclass(frozen=True)
class Origin:
    """Where a recording comes from: the file, units of the axis from its beginning, its label files, what was seen of it."""

    file: Path
    start: Fraction
    labels: tuple[Path, ...]
    facts: Mapping[str, Any]


class Corpus:
    """Recordings of one source, in the order of their files. Cheap to make, to narrow and to send to another process."""

    def __init__(self, build: Build, source: str, chosen: np.ndarray | None = None) -> None:
        self._build, self._chosen, self.source = build, chosen, source
        self.medium = build.medium
        header = build.header
        self.name: str = header["name"]
        self.skipped: tuple[tuple[str, str], ...] = tuple((name, reason) for name, reason in header["skipped"])
        self.skipped_count: int = header["skipped_count"]
        self.notes: tuple[str, ...] = tuple(header["notes"])
        self.limited: bool = header["limit"] is not None  # there may be more recordings than these

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self._build.folder, self.source, self._chosen)

    def __len__(self) -> int:
        return len(self._build) if self._chosen is None else len(self._chosen)

    def __iter__(self) -> Iterator[Recording]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Recording:
        line = self._line(index)
        signal = Stretch(self._build.shard(line["shard"]), line["at"], line["steps"], self.medium)
        return Recording(line["id"], {self.medium.name: signal}, line["sides"], Tiers(line["tiers"]), line["split"])

    def _line(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f"recording {index} of {len(self)}")
        return self._build.line(index if self._chosen is None else int(self._chosen[index]))

    def _lines(self) -> Iterator[dict[str, Any]]:
        return (self._line(i) for i in range(len(self)))

    @functools.cached_property
    def _columns(self) -> _Columns:
        out = _Columns(set(), set(), {}, set(), 0, "", 0)
        digest = hashlib.sha256()
        for line in self._lines():
            speaker = line["sides"].get("speaker", UNKNOWN)
            if speaker == UNKNOWN:
                out.unknown += 1
            else:
                out.speakers.add(speaker)
            out.kinds.add(Path(line["file"]).suffix.lower().lstrip("."))
            out.sides.update(line["sides"])
            for name, tier in line["tiers"].items():
                out.tiers[name] = out.tiers.get(name, 0) + len(tier["intervals"])
            out.steps += line["steps"]
            digest.update(line["print"].encode())
        out.fingerprint = digest.hexdigest()
        return out

    @property
    def axis(self) -> Unit:
        """The unit of the axis."""
        return self.medium.unit

    @property
    def length(self) -> float:
        """How much there is, in units of the axis (seconds, pixels)."""
        return self._columns.steps / self.medium.rate

    @property
    def speakers(self) -> tuple[str, ...]:
        """Known speakers, sorted."""
        return tuple(sorted(self._columns.speakers))

    @property
    def tiers(self) -> tuple[str, ...]:
        """Names of the tiers with places that occur, sorted."""
        return tuple(sorted(name for name in self._columns.tiers if name != TRANSCRIPTION))

    @property
    def transcribed(self) -> bool:
        """Whether there are texts, with places or without."""
        return TRANSCRIPTION in self._columns.tiers or "characters" in self._columns.tiers

    @property
    def fingerprint(self) -> str:
        """A hash of the ids and of the sizes of recordings and label files."""
        return self._columns.fingerprint

    def counts(self) -> dict[str, int]:
        """Tier -> its number of intervals."""
        return dict(sorted(self._columns.tiers.items()))

    @functools.cached_property
    def side_names(self) -> tuple[str, ...]:
        """Names of the side information that occurs, sorted (speaker, sex, language, ...)."""
        return tuple(sorted(self._columns.sides))

    def sides(self, name: str) -> list[str]:
        """One value a recording, `unknown` where nobody told."""
        return [line["sides"].get(name, UNKNOWN) for line in self._lines()]

    def declared(self) -> list[str]:
        """`train` or `evaluation` a recording, as the corpus' owner declares."""
        return [line["split"] for line in self._lines()]

    def ids(self) -> Iterator[str]:
        """The ids in order."""
        return (line["id"] for line in self._lines())

    def steps(self) -> np.ndarray:
        """Steps of each recording's signal (recordings,) int64."""
        return np.fromiter((line["steps"] for line in self._lines()), np.int64, len(self))

    def origin(self, index: int) -> Origin:
        """Where recording `index` comes from."""
        line = self._line(index)
        return Origin(Path(line["file"]), Fraction(line["start"]), tuple(Path(p) for p in line["labels"]), line["facts"])

    @property
    def description(self) -> str:
        """What the source was taken for, in one sentence."""
        columns, header = self._columns, self._build.header
        kinds = "/".join(sorted(columns.kinds))
        count = f"{len(self)} {self.medium.name if self.axis == 'pixel' else 'recording'}{'s' * (len(self) != 1)} ({kinds})"
        who = f"{len(columns.speakers)} {self.medium.who}{'s' * (len(columns.speakers) != 1)}"
        if header["speakers_from"] and columns.speakers:
            who += f" (from {header['speakers_from']})"
        if not columns.speakers:
            who = f"{self.medium.who}s unknown"
        elif columns.unknown:
            who += f" and {columns.unknown} recordings of unknown ones"
        tiers = f"labels: {', '.join(sorted(columns.tiers))}" if columns.tiers else "no labels"
        return f"{header['title']} of {count}, {self.medium.amount(self.length)}, {who}, {tiers}"

    @property
    def whole(self) -> Corpus:
        """The corpus before it was narrowed to a split or a selection."""
        return Corpus(self._build, self.source)

    def select(self, indices: Sequence[int] | np.ndarray) -> Corpus:
        """The recordings with these numbers, in this order."""
        wanted = np.asarray(indices, np.int64).reshape(-1)
        if len(wanted) and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"recordings {wanted.min()} to {wanted.max()} of {len(self)}")
        return Corpus(self._build, self.source, wanted if self._chosen is None else self._chosen[wanted])

    @functools.cached_property
    def _places(self) -> dict[int, int] | None:
        return None if self._chosen is None else {int(line): i for i, line in enumerate(self._chosen)}

    def find(self, file: str) -> int | None:
        """The number of the recording that `file` names: as an id, as an id with / written _, as a unique stem.

        None when there is none; raises `UntoldError` when two could be meant.
        """
        wanted = name_hash(file)
        for kind, column in (("id", 0), ("name", 1), ("stem", 2)):
            found = []
            for line in self._build.with_hash(column, wanted):
                place = line if self._places is None else self._places.get(line)
                if place is not None:
                    found.append(place)
            if len(found) > 1:
                both = " and ".join(repr(self._line(i)["id"]) for i in found[:2])
                raise UntoldError(f"{file!r} may be {both} in {self.source} (same {kind}): name the recording by its whole id")
            if found:
                return found[0]
        return None


@dataclass
class _Columns:
    speakers: set[str]
    kinds: set[str]
    tiers: dict[str, int]
    sides: set[str]
    steps: int
    fingerprint: str
    unknown: int


def _reopened(folder: Path, source: str, chosen: np.ndarray | None) -> Corpus:
    return Corpus(Build(folder), source, chosen)

