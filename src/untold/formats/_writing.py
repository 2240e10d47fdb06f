"""Nothing made is lost: files are written beside and then renamed; what is written stays under its folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from untold.errors import UntoldError


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder that becomes `path` when the block ends well, and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """The whole text or nothing."""
    with beside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """The whole value, indented, or nothing. NaN and infinities are refused: JSON has none."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path, *, most: int = 64 << 20) -> Any:
    """A JSON file of at most `most` bytes; raises `UntoldError` when it is none, too large or too deep."""
    try:
        if path.stat().st_size > most:
            raise UntoldError(f"{path}: too large for a JSON file of its kind ({path.stat().st_size} bytes)")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UntoldError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:
        raise UntoldError(f"{path}: not readable as JSON ({str(error)[:100]})") from None


def inside(folder: Path, identity: str, ending: str = "") -> Path:
    """`folder`/`identity` + `ending`; raises `UntoldError` when that would lie outside of the folder."""
    pure = PurePosixPath(identity)
    bad = not identity or pure.is_absolute() or ".." in pure.parts or "\0" in identity or "\\" in identity
    path = folder / (identity + ending)
    if bad or not path.resolve().is_relative_to(folder.resolve()):
        raise UntoldError(f"the id {identity!r} leads out of its folder: rename it")
    return path


def make_folder(out: Path, *, force: bool = False) -> Path:
    """An empty folder to write into. One that holds something is refused, or emptied with `force`."""
    if out.exists() and not out.is_dir():
        raise UntoldError(f"{out} is a file: name a folder with --out")
    if out.exists() and any(out.iterdir()):
        if not force and any(not (child.name.startswith(".") and child.suffix == ".part") for child in out.iterdir()):
            raise UntoldError(f"{out} holds something already: name another folder with --out, or replace it with --force")
        for child in out.iterdir():
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
    out.mkdir(parents=True, exist_ok=True)
    return out
