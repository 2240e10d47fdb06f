"""Walking a folder of strangers: sorted, without hidden files, never out of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from untold.errors import UntoldError

_DEEPEST = 60  # folders within folders
_OURS = ("run.json", "features.json", "codebook.json")  # a folder that holds one of these is what untold wrote


@dataclass(frozen=True)
class Found:
    """A file below the folder: its name there (with /), size and time, and what is wrong with it, if anything."""

    path: Path
    name: str
    size: int
    modified: int
    problem: str | None = None


def walk(root: Path) -> Iterator[Found]:
    """All files below `root`, sorted within each folder. Links that lead out or to folders come with a `problem`."""
    home = os.path.realpath(root)
    folders = [(str(root), "", 0)]
    while folders:
        folder, prefix, depth = folders.pop()
        try:
            with os.scandir(folder) as inside:
                entries = sorted((e for e in inside if not e.name.startswith(".")), key=lambda e: e.name)
        except OSError as error:
            yield Found(Path(folder), prefix.rstrip("/") or ".", 0, 0, f"a folder that cannot be read ({error.strerror})")
            continue
        if depth and any(e.name in _OURS for e in entries):
            continue
        below = []
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if depth + 1 > _DEEPEST:
                    yield Found(Path(entry.path), name, 0, 0, f"folders within folders, more than {_DEEPEST}")
                else:
                    below.append((entry.path, name + "/", depth + 1))
                continue
            yield _file(entry, name, home)
        folders.extend(reversed(below))


def _file(entry: os.DirEntry[str], name: str, home: str) -> Found:
    path = Path(entry.path)
    try:
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not (target + os.sep).startswith(home.rstrip(os.sep) + os.sep):
                return Found(path, name, 0, 0, "a link that leads out of the folder")
            if Path(target).is_dir():
                return Found(path, name, 0, 0, "a link to a folder")
        state = entry.stat()
        if not entry.is_file():
            return Found(path, name, 0, 0, "no ordinary file")
    except OSError as error:
        return Found(path, name, 0, 0, f"not readable ({error.strerror})")
    return Found(path, name, state.st_size, state.st_mtime_ns)


def inside(path: Path, root: Path) -> bool:
    """Whether `path`, all links followed, lies below `root`."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def listing(root: Path) -> str:
    """A hash of the names, sizes and times of all files below `root` (or of the file `root`)."""
    digest = hashlib.sha256()
    if root.is_file():
        state = root.stat()
        digest.update(f"{root.name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()
    for found in walk(root):
        line = f"{found.name}\0{found.size}\0{found.modified}\0{found.problem or ''}\n"
        digest.update(line.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def read_small(path: Path, most: int = 64 << 20) -> str:
    """A text file of at most `most` bytes, UTF-8 with or without a byte order mark; raises `UntoldError`."""
    try:
        if path.stat().st_size > most:
            raise UntoldError(f"{path}: larger than {most >> 20} MB, too large for a table of its kind")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UntoldError(f"{path}: not UTF-8 (byte {error.start}): save it as UTF-8") from None
