"""Making an embedded corpus once: beside its place, then moved there, whoever else makes it at the same time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path


def made_once(folder: Path, index: str, make: Callable[[Path, Path], None]) -> Path:
    """`folder`, which holds the file `index` when it is whole; `make(work, made)` fills `made`, with room to work in `work`."""
    if (folder / index).exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as work:
        made = Path(work) / "made"
        make(Path(work), made)
        try:
            made.replace(folder)
        except OSError:
            if not (folder / index).exists():  # another process was not faster: the disk refuses
                raise
    return folder
