"""mp3 files without a table of their length: what libsndfile guesses from the first frame would cut the rest off.

A file of variable rate whose writer left no `Xing` or `Info` frame decodes to too little: libsndfile stops at its guess.
Such a file is read with a frame before it that states more frames than the file can hold; decoding ends at its end.
Layout of frames: ISO/IEC 11172-3, section 2.4; of the table: the LAME project's description of the Xing header.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version bits
_HIGHEST = {3: 320_000, 2: 160_000, 0: 160_000}  # bits per second of rate index 14
_SMALLEST_FRAME = 24  # bytes: 8 kbit/s at 24 kHz
_SEARCHED = 1 << 16


def has_table(path: Path) -> bool:
    """Whether the first frame states how many follow."""
    with path.open("rb") as file:
        file.seek(_after_tag(file))
        head = file.read(_SEARCHED)
    at = _first_frame(head)
    return at is None or any(name in head[at : at + 256] for name in (b"Xing", b"Info", b"VBRI"))


def with_table(path: Path) -> Prefixed | None:
    """The file with a frame before it that states more frames than it has; None when no frame can be found."""
    file = path.open("rb")
    begin = _after_tag(file)
    file.seek(begin)
    head = file.read(_SEARCHED)
    at = _first_frame(head)
    if at is None:
        file.close()
        return None
    size = path.stat().st_size
    return Prefixed(_table(head[at : at + 4], (size - begin) // _SMALLEST_FRAME + 2), file, begin + at, size)


def _after_tag(file: BinaryIO) -> int:
    """Where the frames begin: behind an ID3 tag, if there is one."""
    file.seek(0)
    head = file.read(10)
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    return 10 + sum((byte & 127) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))


def _first_frame(head: bytes) -> int | None:
    """Where the first frame header of layer III lies."""
    at = head.find(b"\xff")
    while 0 <= at <= len(head) - 4:
        second, third = head[at + 1], head[at + 2]
        version, layer = second >> 3 & 3, second >> 1 & 3
        if second >> 5 == 7 and version in _RATES and layer == 1 and third >> 4 not in (0, 15) and third >> 2 & 3 != 3:
            return at
        at = head.find(b"\xff", at + 1)
    return None


def _table(header: bytes, frames: int) -> bytes:
    """A frame of the same kind that holds nothing but a table with a number of frames."""
    version, mono = header[1] >> 3 & 3, header[3] >> 6 == 3
    rate = _RATES[version][header[2] >> 2 & 3]
    length = (144 if version == 3 else 72) * _HIGHEST[version] // rate
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    first = bytes([header[0], header[1] | 1, 0xE0 | header[2] & 0x0C, header[3]])  # without a checksum, rate index 14, unpadded
    return (first + bytes(side) + b"Xing" + struct.pack(">II", 1, frames)).ljust(length, b"\0")


class Prefixed(io.RawIOBase):
    """Bytes, and then a file from some place on."""

    def __init__(self, prefix: bytes, file: BinaryIO, begin: int, size: int) -> None:
        self._prefix, self._file, self._begin, self._at = prefix, file, begin, 0
        self._length = len(prefix) + size - begin

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._at < len(self._prefix):
            data = self._prefix[self._at : self._at + len(view)]
        else:
            self._file.seek(self._begin + self._at - len(self._prefix))
            data = self._file.read(len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, place: int, whence: int = 0) -> int:
        self._at = max(0, place + (0, self._at, self._length)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._file.close()
        super().close()
