"""Decoded once: a source's recordings as shards of samples or columns, and an index on disk that says where each lies.

A build is a folder `<cache>/corpora/<slot>/<listing>/`, where the slot stands for the reader and the place of the source
and the listing for names, sizes and times of its files:

    header.json      title, skipped, notes, counts
    index.jsonl      one line a recording: id, sides, tiers, where its samples lie
    offsets.npy      where each line begins, and the end
    hashes.npy, orders.npy   sorted hashes (id, id with _, stem, file) and the lines that they belong to
    0000.raw, ...    samples (16 bits) or columns (64 bytes), about 256 MB each

It is written beside and renamed. When files of a source change, samples of those that did not are copied from the
build before. Nothing here holds more than a few numbers a recording in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import unicodedata
from array import array
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from untold.contract import TRANSCRIPTION, UNKNOWN, Interval
from untold.corpora._entry import Entry
from untold.corpora._media import Medium, Unreadable, medium
from untold.errors import UntoldError
from untold.formats._writing import inside, read_json, write_json

VERSION = 3  # of the layout, and of what is made of files: another number makes everything anew
_SHARD = 256 << 20  # bytes after which the next recording begins another shard
_KEPT = 24 * 3600.0  # seconds that a build outlives its source's change: somebody may still read it
_MOST_NAMED = 1000  # skipped recordings kept by name


def cache_folder() -> Path:
    """Where decoded sound lies: `UNTOLD_CACHE`, else `$XDG_CACHE_HOME/untold`, else `~/.cache/untold`."""
    if place := os.environ.get("UNTOLD_CACHE"):
        return Path(place)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "untold"


def name_hash(text: str) -> int:
    """64 bits of a name, the same for composed and decomposed letters."""
    data = unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


class Build:
    """A finished build on disk; reads a line at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.header: dict[str, Any] = read_json(folder / "header.json")
        self.medium = medium(self.header.get("medium", "audio"))
        self._offsets = np.load(folder / "offsets.npy", mmap_mode="r", allow_pickle=False)
        self._index = np.memmap(folder / "index.jsonl", np.uint8, "r")
        self._hashes: np.ndarray | None = None
        self._orders: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def line(self, number: int) -> dict[str, Any]:
        """One recording's line of the index."""
        start, end = int(self._offsets[number]), int(self._offsets[number + 1])
        line: dict[str, Any] = json.loads(self._index[start:end].tobytes())
        return line

    def shard(self, number: int) -> Path:
        """The file of a shard."""
        return self.folder / f"{number:04d}.raw"

    def with_hash(self, column: int, wanted: int) -> list[int]:
        """The lines whose id (0), id with _ (1), stem (2) or file (3) has this hash, in order."""
        if self._hashes is None or self._orders is None:
            self._hashes = np.load(self.folder / "hashes.npy", mmap_mode="r", allow_pickle=False)
            self._orders = np.load(self.folder / "orders.npy", mmap_mode="r", allow_pickle=False)
        hashes, value = self._hashes[column], np.uint64(wanted)
        low, high = np.searchsorted(hashes, value, "left"), np.searchsorted(hashes, value, "right")
        return sorted(int(i) for i in self._orders[column][low:high])


def stored(slot: Path, listing: str) -> Build | None:
    """The build of a listing, when there is one."""
    folder = slot / listing
    if not (folder / "header.json").is_file():
        return None
    build = Build(folder)
    if build.header.get("version") != VERSION:
        return None
    if build.header["outside"] and not all(_unchanged(build.line(i)) for i in range(len(build))):
        return None
    with contextlib.suppress(OSError):  # a cache that is only readable works as well
        os.utime(folder)
    return build


def _unchanged(line: Mapping[str, Any]) -> bool:
    return _state(Path(line["file"])) == line["state"]


def _state(path: Path) -> list[int]:
    try:
        state = path.stat()
    except OSError:
        return [0, 0]
    return [state.st_size, state.st_mtime_ns]


def _content(entry: Entry, state: Sequence[int]) -> str:
    """What the samples of an entry depend on: another one with the same has the same."""
    own = entry.id if entry.drawn is not None else ""
    direction = entry.sides.get("direction", "")  # in which a line is stored
    return f"{entry.file}\0{state[0]}\0{state[1]}\0{entry.channel}\0{own}\0{entry.cut}\0{entry.made_up}\0{direction}"


class Writer:
    """Makes a build: `add` entries, `finish` it. As a context it leaves nothing half made."""

    def __init__(self, slot: Path, listing: str, of: str = "audio") -> None:
        self.medium: Medium = medium(of)
        slot.mkdir(parents=True, exist_ok=True)
        self._slot, self._listing = slot, listing
        self._folder = slot / f".{listing}.{os.getpid()}.part"
        _sweep(slot)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        self._earlier = [Build(p.parent) for p in sorted(slot.glob("[!.]*/header.json"))]
        self._earlier = [b for b in self._earlier if b.header.get("version") == VERSION]
        self._index = (self._folder / "index.jsonl").open("wb")
        self._offsets, self._hashes = array("Q", [0]), [array("Q") for _ in range(4)]
        self._shard: BinaryIO | None = None
        self._shards = 0
        self._decoded: dict[str, dict[str, Any] | str] = {}  # files of which entries take parts
        self.skipped: list[tuple[str, str]] = []
        self.skipped_count = self.skipped_recordings = self.count = 0
        self.length = 0.0  # in units of the axis
        self.outside = False
        self.kinds: dict[str, list[str]] = {}  # what happened -> [how many, of which the first]
        self.notes: list[str] = []

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._index.close()
        if self._shard:
            self._shard.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def skip(self, name: str, reason: str, *, recording: bool = True) -> None:
        """Counts what is not read, by name."""
        self.skipped_count += 1
        self.skipped_recordings += recording
        if len(self.skipped) < _MOST_NAMED:
            self.skipped.append((name, reason))

    def note(self, sentence: str) -> None:
        """Keeps a sentence for the person, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _happened(self, kind: str, name: str, times: int = 1) -> None:
        seen = self.kinds.setdefault(kind, ["0", name])
        seen[0] = str(int(seen[0]) + times)

    def add(self, entry: Entry) -> bool:
        """Decodes an entry and writes its line; whether it could be used."""
        try:
            inside(Path("/"), entry.id)
        except UntoldError:
            self.skip(entry.id + entry.file.suffix, "a name that is no safe path: rename it")
            return False
        try:
            piece = self._piece(entry)
        except Unreadable as error:
            self.skip(entry.id + entry.file.suffix, str(error))
            return False
        line = {
            "id": entry.id,
            "sides": {key: value or UNKNOWN for key, value in entry.sides.items()},
            "tiers": {name: t for name, tier in entry.tiers.items() if (t := self._tier(name, tier, piece, entry.id))},
            "split": entry.split,
            "labels": [str(p) for p in entry.labels],
            **piece,
        }
        sizes = [_state(p)[0] for p in (entry.file, *entry.labels)]
        line["print"] = hashlib.blake2b(f"{entry.id}\0{sizes}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        self._index.write(data)
        self._offsets.append(self._offsets[-1] + len(data))
        stem = entry.id.rpartition("/")[2]
        content = _content(entry, piece["state"])
        for column, text in zip(self._hashes, (entry.id, entry.id.replace("/", "_"), stem, content), strict=True):
            column.append(name_hash(text))
        for kind, detail in self.medium.remarks(piece["facts"]):
            self._happened(kind, entry.id + detail)
        self.count += 1
        self.length += piece["steps"] / self.medium.rate
        return True

    def _piece(self, entry: Entry) -> dict[str, Any]:
        """Where the steps of an entry lie (decoding them if need be), and what was seen of its file."""
        state = _state(entry.file)
        content = _content(entry, state)
        part = entry.start is not None or entry.end is not None
        whole = self._decoded.get(content) if part else None
        if whole is None:
            try:
                whole = self._copied(content) or self._decode(entry, state)
            except Unreadable as error:
                whole = str(error)
            if part:
                self._decoded[content] = whole
        if isinstance(whole, str):
            raise Unreadable(whole)
        if not part:
            return {**whole, "start": "0"}
        start = entry.start or Fraction(0)
        rate, shortest = self.medium.rate, self.medium.shortest
        first = round(start * rate)
        last = whole["steps"] if entry.end is None else min(round(entry.end * rate), whole["steps"])
        if first < 0 or last - first < shortest:
            raise Unreadable(f"its part from {float(start):.3f} s has {max(0, last - first)} samples at 16 kHz ({shortest} needed)")
        return {**whole, "at": whole["at"] + first, "steps": last - first, "start": str(Fraction(first, rate))}

    def _decode(self, entry: Entry, state: list[int]) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        shard, number, begin = self._place()
        try:
            for block in self.medium.decode(entry, facts):
                shard.write(block.tobytes())
        except BaseException:
            shard.seek(begin)
            shard.truncate()
            raise
        at, steps = begin // self.medium.width, (shard.tell() - begin) // self.medium.width
        return {
            "file": str(entry.file), "state": state, "shard": number, "at": at, "steps": steps, "file_steps": steps,
            "file_at": at, "facts": facts,
        }

    def _copied(self, content: str) -> dict[str, Any] | None:
        """The steps of a file that an earlier build of this source has decoded."""
        width = self.medium.width
        for build in reversed(self._earlier):
            for number in build.with_hash(3, name_hash(content))[:1]:
                line = build.line(number)
                shard, at, begin = self._place()
                left = width * line["file_steps"]
                with build.shard(line["shard"]).open("rb") as old:
                    old.seek(width * line["file_at"])
                    while left:
                        data = old.read(min(left, 1 << 22))
                        if not data:
                            shard.seek(begin)
                            shard.truncate()
                            return None
                        shard.write(data)
                        left -= len(data)
                kept = ("file", "state", "facts", "file_steps")
                where = {"shard": at, "at": begin // width, "file_at": begin // width, "steps": line["file_steps"]}
                return {key: line[key] for key in kept} | where
        return None

    def _place(self) -> tuple[BinaryIO, int, int]:
        """The open shard, its number and where it ends; a new one when it is full."""
        if self._shard is not None and self._shard.tell() >= _SHARD:
            self._shard.close()
            self._shard = None
        if self._shard is None:
            self._shard = (self._folder / f"{self._shards:04d}.raw").open("wb", buffering=1 << 20)
            self._shards += 1
        return self._shard, self._shards - 1, self._shard.tell()

    def _tier(self, name: str, tier: Sequence[Interval], piece: Mapping[str, Any], identity: str) -> dict[str, Any] | None:
        """A tier as JSON, sorted, cut at the recording's ends, exact."""
        end, rows, beyond, facts = Fraction(piece["steps"], self.medium.rate), [], 0, piece["facts"]
        ends = ((sorted((self.medium.place(i.start, facts), self.medium.place(i.end, facts))), i.label) for i in tier)
        tier = [Interval(first, last, label) for (first, last), label in ends]  # leftward lines run against their picture
        spare = Fraction(320, self.medium.rate) if self.medium.unit == "second" else 2  # a frame or so is how such labels end
        for interval in sorted(tier, key=lambda i: (i.start, i.end)):
            first, last = max(interval.start, Fraction(0)), min(interval.end, end)
            beyond += name != TRANSCRIPTION and interval.end - end > spare
            if first < last:
                rows.append((first, last, interval.label))
        if beyond:
            self._happened(f"beyond {name}", identity, beyond)
        if not rows:
            return None
        per = lcm(*(q.denominator for first, last, _ in rows for q in (first, last)))
        return {"per": per, "intervals": [[int(first * per), int(last * per), label] for first, last, label in rows]}

    def _refuse_same(self, *lines: int) -> None:
        with (self._folder / "index.jsonl").open("rb") as index:
            found = []
            for line in lines:
                index.seek(self._offsets[line])
                found.append(json.loads(index.read(self._offsets[line + 1] - self._offsets[line])))
        files = " and ".join(one["file"] for one in found)
        raise UntoldError(f"two recordings have one id, {found[0]['id']!r}: {files}: keep one, or rename one")

    def finish(self, **header: Any) -> Build:
        """Writes what is left, puts the build in its place, and forgets those that nobody reads any more.

        Raises `UntoldError` when two recordings have one id.
        """
        self._index.close()
        if self._shard is not None:
            self._shard.close()
        np.save(self._folder / "offsets.npy", np.frombuffer(self._offsets, np.uint64))
        hashes = np.stack([np.frombuffer(column, np.uint64) for column in self._hashes])
        orders = np.argsort(hashes, axis=1, kind="stable")
        same = np.flatnonzero(np.diff(np.take_along_axis(hashes, orders, axis=1)[0]) == 0)
        if len(same):
            self._refuse_same(int(orders[0][same[0]]), int(orders[0][same[0] + 1]))
        np.save(self._folder / "hashes.npy", np.take_along_axis(hashes, orders, axis=1))
        np.save(self._folder / "orders.npy", orders.astype(np.uint32))
        notes = self.notes + [_sentence(kind, int(times), first, self.medium.does) for kind, (times, first) in self.kinds.items()]
        write_json(self._folder / "header.json", {
            "version": VERSION, "medium": self.medium.name, "skipped": self.skipped, "skipped_count": self.skipped_count, "notes": notes,
            "outside": self.outside, **header,
        })
        final = self._slot / self._listing
        try:
            self._folder.rename(final)
        except OSError:  # somebody else was faster, or an old layout lies there
            if stored(self._slot, self._listing) is None:
                shutil.rmtree(final, ignore_errors=True)
                self._folder.rename(final)
        for old in self._slot.glob("[!.]*"):
            if old != final and time.time() - old.stat().st_mtime > _KEPT:
                shutil.rmtree(old, ignore_errors=True)
        return Build(final)


def _sentence(kind: str, times: int, first: str, does: Mapping[str, str]) -> str:
    """What happened to recordings, for the person."""
    if kind.startswith("beyond "):
        return f"{times} intervals of tier {kind[7:]} end after their recording: cut there (first: {first})"
    count = "1 recording" if times == 1 else f"{times} recordings"
    return f"{count} {does[kind]} (first: {first})"


def _sweep(slot: Path) -> None:
    """Removes what a killed process left half made."""
    for part in slot.glob(".*.part"):
        number = part.name.split(".")[-2]
        if number.isdigit() and not _alive(int(number)):
            shutil.rmtree(part, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
