"""What label files have in common: bounded sizes, text in several encodings, times as exact decimals."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from untold.errors import UntoldError

LARGEST = 64 << 20  # bytes of a label file: a day of phones is a tenth of it
_LONGEST = 10**7  # seconds, four months: a time beyond is damage
_TIME = re.compile(r"[+-]?(\d{1,15}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,2})?", re.ASCII)


def read_bytes(path: Path) -> bytes:
    """The whole file; raises `UntoldError` when there is none or it is larger than a label file can be."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise UntoldError(f"{path}: too large for a label file ({size} bytes)")
        return path.read_bytes()
    except OSError as error:
        raise UntoldError(f"{path}: {error.strerror or error}") from None


def read_text(path: Path) -> str:
    """Text with a byte-order mark, or in UTF-8, or else in Latin-1, as Praat reads it."""
    data = read_bytes(path)
    try:
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            text = data.decode("utf-16")
        else:
            try:
                text = data.decode("utf-8-sig")
            except UnicodeDecodeError:
                text = data.decode("latin-1")
    except UnicodeDecodeError:
        raise UntoldError(f"{path}: damaged: it begins as UTF-16 and is none") from None
    if "\0" in text:
        raise UntoldError(f"{path}: damaged: it holds zero bytes")
    return text


def seconds(word: str, where: str) -> Fraction:
    """A time written as a decimal, exact; `where` begins the message of the `UntoldError` for what is none."""
    if not _TIME.fullmatch(word):
        raise UntoldError(f"{where}: {word[:40]!r} is no time in seconds")
    time = Fraction(word)
    if abs(time) > _LONGEST:
        raise UntoldError(f"{where}: a time of {word[:40]} seconds is beyond any recording")
    return time
