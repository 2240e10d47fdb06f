"""Units in the layout of the ZeroSpeech 2021 challenge: `quantized_outputs.txt`.

A line a recording: its name, a tab, its tokens, one a step, joined by commas. The format has no gaps; a step without a
unit is written -1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from untold.errors import UntoldError
from untold.formats._writing import beside


class Writer:
    """Writes recording by recording; the file appears under its name when all went well."""

    def __init__(self, path: Path | str) -> None:
        self._path, self._stack = Path(path), ExitStack()

    def __enter__(self) -> Writer:
        part = self._stack.enter_context(beside(self._path))
        self._file = self._stack.enter_context(part.open("w", encoding="utf-8", newline="\n"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, recording: str, tokens: np.ndarray) -> None:
        """One recording: tokens (steps,), -1 where nothing was emitted."""
        if any(c in recording for c in "\t\r\n") or not recording:
            raise UntoldError(f"{recording!r} cannot stand in {self._path.name}, whose columns are parted by tabs: rename it")
        self._file.write(f"{recording}\t{','.join(map(str, tokens.tolist()))}\n")


def write(path: Path | str, recordings: Mapping[str, np.ndarray] | Iterable[tuple[str, np.ndarray]]) -> None:
    """`quantized_outputs.txt` of recordings -> tokens (steps,), whole or not at all; takes pairs one by one too."""
    with Writer(path) as writer:
        for recording, tokens in recordings.items() if isinstance(recordings, Mapping) else recordings:
            writer.write(recording, tokens)
