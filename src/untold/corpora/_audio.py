"""Decoding: any recording as blocks of 16-bit samples at 16 kHz, one channel, in constant memory.

Every format goes one way. libsndfile gives float32 in [-1, 1], channels are averaged, `soxr` (quality HQ) resamples as a
stream, and a sample becomes round(32768 x), half to even, clipped to [-32768, 32767]. So 16-bit sound at 16 kHz comes
out bit for bit. Files are read from their beginning to their end, never after a seek: the first quarter second that
libsndfile gives of an mp3 after a seek is wrong.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr

from untold.corpora._entry import Entry
from untold.corpora._media import Medium, Unreadable
from untold.corpora._mp3 import has_table, with_table

RATE = 16000
SHORTEST = RATE // 40  # 25 ms: one analysis window
ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".sph")
FOREIGN = (".m4a", ".wma", ".aac", ".mp4", ".amr", ".3gp", ".webm", ".mov", ".avi", ".mkv", ".ape", ".wv", ".aif", ".aiff")
_MOST_CHANNELS, _LOWEST_RATE, _HIGHEST_RATE = 64, 1000, 1_000_000
_MOST_PER_BYTE = 10_000  # samples; no coder here can pack silence denser (FLAC: 65535 in about 12 bytes)
_UNKNOWN_FRAMES = 1 << 62  # libsndfile's word for a FLAC that was written to a pipe
_BLOCK = 1 << 18  # samples of all channels read at once
_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"NIST_1A", b"fLaC", b"OggS", b"ID3")
_UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0xFFFFFFFF)  # what writers to a pipe leave as a length that they cannot know


@dataclass
class Facts:
    """What was seen of one file while it was decoded: `steps` samples at 16 kHz came of it."""

    rate: int = 0
    channels: int = 0
    steps: int = 0
    lowest: int = 0
    highest: int = 0
    clipped: int = 0

    @property
    def silent(self) -> bool:
        """Nothing but a constant, up to the last bit."""
        return self.highest - self.lowest <= 2


class Sound(Medium):
    """Sound of one channel, 16 bits, 16 kHz."""

    name, unit, rate, shortest = "audio", "second", RATE, SHORTEST
    stored, scale = np.dtype(np.int16), 1 / 32768
    who, counted = "speaker", "s of sound"
    does = {
        "channels": "of several channels, mixed down to one", "rate": f"not at {RATE} Hz, resampled",
        "silent": "of pure silence", "clipped": "louder than full scale, clipped",
    }

    def decode(self, entry: Entry, facts: dict[str, Any]) -> Iterator[np.ndarray]:
        """Blocks (samples,) int16."""
        seen = Facts()
        yield from decode(entry.file, seen, entry.channel)
        channels = seen.channels if entry.channel is None else 1
        facts.update(rate=seen.rate, channels=channels, silent=seen.silent, clipped=seen.clipped)

    def remarks(self, facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What was done to the sound, and that there is none."""
        if facts["channels"] > 1:
            yield "channels", f", {facts['channels']} channels"
        if facts["rate"] != RATE:
            yield "rate", f", {facts['rate']} Hz"
        if facts["silent"]:
            yield "silent", ""
        if facts["clipped"]:
            yield "clipped", ""

    def amount(self, length: float) -> str:
        """Seconds in the unit that a person would use."""
        for size, word in ((3600.0, "hours"), (60.0, "minutes")):
            if length >= size:
                return f"{length / size:.1f} {word}"
        return f"{length:.1f} seconds"

    def kind(self, facts: Mapping[str, Any]) -> str:
        """The file's own rate and channels."""
        return f"{facts['rate']} Hz, {facts['channels']} channel{'s' * (facts['channels'] > 1)}"

    def described(self, facts: Mapping[str, int]) -> str:
        """Rates and channels."""
        return "files: " + "; ".join(f"{name} ({count})" for name, count in facts.items()) + f"; read at {RATE} Hz, one channel"


MEDIUM = Sound()


def decode(path: Path, facts: Facts, channel: int | None = None) -> Iterator[np.ndarray]:
    """Blocks (samples,) int16 at 16 kHz of a file; `facts` are filled while it is read.

    Raises `Unreadable` with the reason, possibly after some blocks: whoever keeps them must be able to drop them.
    """
    size = _look(path)
    try:
        with contextlib.ExitStack() as stack:
            longer = with_table(path) if _is_mpeg(path) and not has_table(path) else None
            stack.enter_context(longer or contextlib.nullcontext())
            with _quiet():
                sound = stack.enter_context(_Forward(longer or path))
            _check(sound, size, channel)
            facts.rate, facts.channels = sound.samplerate, sound.channels
            read = 0
            resample = None
            if sound.samplerate != RATE:
                resample = soxr.ResampleStream(sound.samplerate, RATE, 1, dtype="float32", quality="HQ")
            for block in _blocks(sound, size, channel):
                read += len(block)
                yield from _whole(resample.resample_chunk(block) if resample else block, facts)
            if resample:
                wanted = (read * RATE + sound.samplerate // 2) // sound.samplerate
                rest = resample.resample_chunk(np.zeros(0, np.float32), last=True)
                missing = wanted - facts.steps
                rest = np.concatenate([rest[:missing], np.zeros(max(0, missing - len(rest)), np.float32)])
                yield from _whole(rest, facts)
            spare = 2 * 1152 if sound.format == "MP3" else 0  # some writers count the frame of the table as well
            if read < sound.frames - spare and longer is None and sound.frames < _UNKNOWN_FRAMES:
                told, there = sound.frames / sound.samplerate, read / sound.samplerate
                raise Unreadable(f"truncated: its header tells {told:.2f} s, it holds {there:.2f} s")
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        why = str(error).rpartition(": ")[2].rstrip(".")
        why = "nothing in it can be decoded" if "does not exist" in why or not why else why  # libsndfile's word for a bad mp3
        raise Unreadable(f"not readable as audio ({why})") from error
    except OSError as error:
        raise Unreadable(f"not readable ({error.strerror or error})") from error
    if facts.steps < SHORTEST:
        raise Unreadable(f"too short: {facts.steps} samples at 16 kHz, {SHORTEST} (25 ms) needed")


def _blocks(sound: soundfile.SoundFile, size: int, channel: int | None) -> Iterator[np.ndarray]:
    """The file from its beginning: (samples,) float32, channels averaged."""
    length = max(1, _BLOCK // sound.channels)
    buffer = np.empty((length, sound.channels), np.float32)
    most = sound.frames if sound.frames < _UNKNOWN_FRAMES else size * _MOST_PER_BYTE // sound.channels
    most += length
    read = 0
    while True:
        with _quiet():
            block = sound.read(out=buffer)
        if len(block) == 0:
            return
        read += len(block)
        if read > most:  # a decoder that runs on beyond what the file tells
            raise Unreadable("damaged: it decodes to more than its header tells")
        mono = block[:, 0] if sound.channels == 1 else block.mean(axis=1) if channel is None else block[:, channel]
        if not np.isfinite(mono).all():
            raise Unreadable("holds samples that are no numbers (NaN or infinite)")
        yield np.ascontiguousarray(mono)


def _whole(block: np.ndarray, facts: Facts) -> Iterator[np.ndarray]:
    """The block as 16-bit samples."""
    if len(block) == 0:
        return
    scaled = np.rint(block * np.float32(32768))
    facts.clipped += int(np.count_nonzero((scaled > 32768) | (scaled < -32768)))  # 1.0 itself is full scale, not beyond
    out = np.clip(scaled, -32768, 32767).astype(np.int16)
    low, high = int(out.min()), int(out.max())
    facts.lowest = low if facts.steps == 0 else min(low, facts.lowest)
    facts.highest = high if facts.steps == 0 else max(high, facts.highest)
    facts.steps += len(out)
    yield out


def _check(sound: soundfile.SoundFile, size: int, channel: int | None) -> None:
    """The header's word against bounds and the file's size, before anything is allocated on it."""
    if not 1 <= sound.channels <= _MOST_CHANNELS:
        raise Unreadable(f"its header tells {sound.channels} channels (at most {_MOST_CHANNELS})")
    if not _LOWEST_RATE <= sound.samplerate <= _HIGHEST_RATE:
        raise Unreadable(f"its header tells {sound.samplerate} samples per second ({_LOWEST_RATE} to {_HIGHEST_RATE})")
    known = sound.frames < _UNKNOWN_FRAMES
    if sound.frames < 0 or (known and sound.frames * sound.channels > size * _MOST_PER_BYTE):
        raise Unreadable(f"its header tells {sound.frames} samples, more than {size} bytes can hold")
    if channel is not None and not 0 <= channel < sound.channels:
        raise Unreadable(f"has no channel {channel} (it has {sound.channels}, counted from 0)")


class _Forward(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A file that is read on and on: the wrapper would seek after each block, which spoils mp3 and endless FLAC."""

    def seekable(self) -> bool:
        return False


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """mpg123, inside of libsndfile, writes what it thinks of a damaged mp3 to standard error: not while we listen."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _look(path: Path) -> int:
    """The file's size. Raises for what libsndfile would let pass: no sound at all, or less than the header tells."""
    try:
        if not path.is_file():
            raise Unreadable("no such file")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(1024)
            if not head:
                raise Unreadable("empty file")
            if not head.startswith(_MAGIC) and not _is_mpeg(path, head):
                raise Unreadable("not audio: it begins like no wav, flac, ogg, opus, mp3 or NIST file")
            if head.startswith((b"RIFF", b"RIFX")):
                _look_riff(file, size, "<" if head[:4] == b"RIFF" else ">")
            elif head.startswith(b"NIST_1A"):
                _look_nist(head, size)
            elif head.startswith(b"OggS"):
                file.seek(max(0, size - 70_000))  # a page is at most 65307 bytes
                _look_ogg(file.read())
        return size
    except OSError as error:
        raise Unreadable(f"not readable ({error.strerror or error})") from error


def _is_mpeg(path: Path, head: bytes = b"") -> bool:
    return path.suffix.lower() == ".mp3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0)


def _look_riff(file: BinaryIO, size: int, order: str) -> None:
    place = 12
    for _ in range(1000):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        name, length = struct.unpack(order + "4sI", head)
        if name == b"data":
            if length not in _UNKNOWN_SIZES and place + 8 + length > size:
                raise Unreadable(f"truncated: its header tells {length} bytes of sound, {max(0, size - place - 8)} are there")
            return
        place += 8 + length + (length & 1)


def _look_nist(head: bytes, size: int) -> None:
    told = {}
    for line in head.split(b"\n")[2:]:
        words = line.split(None, 2)
        if len(words) == 3 and words[2].strip().isdigit():
            told[words[0]] = int(words[2])
    if b"shorten" in head:
        raise Unreadable("compressed by shorten: convert it with sph2pipe -f wav")
    wanted = told.get(b"sample_count", 0) * told.get(b"channel_count", 1) * told.get(b"sample_n_bytes", 1)
    if wanted > size:
        raise Unreadable(f"truncated: its header tells {wanted} bytes of sound, the file has {size}")


def _look_ogg(tail: bytes) -> None:
    at = tail.rfind(b"OggS")
    if at < 0:
        raise Unreadable("truncated or damaged: no page in its last 70000 bytes")
    segments = tail[at + 26] if len(tail) > at + 26 else 255
    table = tail[at + 27 : at + 27 + segments]
    if len(table) < segments or at + 27 + segments + sum(table) > len(tail):
        raise Unreadable("truncated: its last page is not whole")
