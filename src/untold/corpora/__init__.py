"""Where recordings come from: one file a corpus or kind of source."""

from __future__ import annotations

import difflib
import hashlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from untold import registry
from untold.corpora import _splits
from untold.corpora._audio import ENDINGS
from untold.corpora._cache import Build, Writer, cache_folder, stored
from untold.corpora._corpus import Corpus, Origin, Stretch
from untold.corpora._cutting import Pieces
from untold.corpora._entry import Entry
from untold.corpora._labels import ENDINGS as LABEL_ENDINGS
from untold.corpora._media import medium
from untold.corpora._splits import held_out
from untold.corpora._walking import inside, listing
from untold.errors import UntoldError, printable, unknown_name

__all__ = ["Corpus", "Entry", "Origin", "Pieces", "Stretch", "cache_folder", "counted", "held_out", "open_source"]

_GENERAL = ("kaldi", "audiofolder", "lhotse", "pages", "lines", "folder")  # tried in this order, after the named ones
_LABELS = (".phn", ".wrd", ".lab", ".lablaut", ".silb", ".txt", ".csv", ".tsv", ".item", ".dat", ".ali")  # of the named corpora
_NAMED_FIRST = 10  # skipped recordings that are said by name


@dataclass(frozen=True)
class Source:
    """What SOURCE on the command line means: a reader, a place, and options for an embedded corpus."""

    reader: str
    root: Path
    trusted: bool = False
    options: dict[str, str] = field(default_factory=dict)


def open_source(
    source: str,
    *,
    limit: int | None = None,
    split: str = "all",
    say: Callable[[str], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Corpus:
    """The recordings of SOURCE, recognised by what it holds, decoded into the cache when that has not been done.

    `limit` takes the first recordings of those that `split` may hold; `say` is told what the source was taken for, what
    was skipped, and notes; `progress` is told of each recording's seconds as it is decoded. Raises `UntoldError` for a place
    that is absent, a source without anything usable, or one of which more than half cannot be read.
    """
    if split not in _splits.SPLITS:
        raise unknown_name("split", split, _splits.SPLITS)
    where = recognise(source)
    build = _build(source, where, limit, {"held_out": "train"}.get(split, split), progress)
    corpus = _narrow(Corpus(build, source), limit, split)
    if len(corpus) == 0:
        raise UntoldError(f"{source} has no recording in the split {split!r}: use --split all")
    if say is not None:
        for line in report(corpus):
            say(line)
    return corpus


def counted(source: str) -> str:
    """The word for what a bar over a source counts."""
    return medium(getattr(registry.load("corpora", recognise(source).reader), "MEDIUM", "audio")).counted


def report(corpus: Corpus) -> Iterator[str]:
    """What a person is told of a corpus first: what it is, what is skipped, notes."""
    yield printable(corpus.description)
    if corpus.skipped_count:
        yield f"skipped: {corpus.skipped_count}"
        for name, reason in corpus.skipped[:_NAMED_FIRST]:
            yield printable(f"  {name}: {reason}")
        if corpus.skipped_count > _NAMED_FIRST:
            yield f"  ... and {corpus.skipped_count - _NAMED_FIRST} more"
    every = len(corpus.whole)
    told = f", of all {every}" if every > len(corpus) else ""  # notes that count were made when the whole source was read
    yield from (printable(f"note: {note}{told if note[:1].isdigit() else ''}") for note in corpus.notes)


def recognise(source: str) -> Source:
    """Which reader takes SOURCE, and where it lies."""
    name, colon, rest = source.partition(":")
    name = name if Path(source).exists() else name.replace("-", "_")
    known = registry.names("corpora")
    if name in known and (colon or not Path(source).exists()):
        if registry.literals("corpora", name).get("EMBEDDED"):
            options = _options(source, rest)
            return Source(name, registry.load("corpora", name).prepare(options, cache_folder()), options=options)
        if not rest:
            where = registry.literals("corpora", name).get("WHERE", "")
            raise UntoldError(f"{name} needs its place: write {name}:PATH (get it from {where})")
        return Source(name, _existing(rest), trusted=True)
    if colon and not Path(source).exists() and difflib.get_close_matches(name, known, cutoff=0.7):
        raise unknown_name("corpus", name, known)
    root = _existing(source)
    named = [n for n in known if n not in _GENERAL and not registry.literals("corpora", n).get("EMBEDDED")]
    for reader in (*named, *(n for n in _GENERAL if n in known)):
        if registry.load("corpora", reader).recognise(root):
            return Source(reader, root)
    raise UntoldError(f"{source} is no corpus: name a folder of recordings ({', '.join(e[1:] for e in ENDINGS[:6])}) or a manifest")


def _existing(place: str) -> Path:
    path = Path(place).expanduser()
    if "\0" in place or not path.exists():
        raise UntoldError(f"{place}: no such folder or file (a SOURCE is a folder, NAME:PATH, or an embedded corpus: untold list corpora)")
    return path.absolute()


def _options(source: str, words: str) -> dict[str, str]:
    options = {}
    for word in words.split(",") if words else []:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UntoldError(f"{source}: {word!r} is no option: write name=value")
        options[key] = value
    return options


def _build(
    source: str, where: Source, limit: int | None, split: str, progress: Callable[[float], None] | None
) -> Build:
    place = f"{where.reader}\0{where.root.resolve()}\0{where.trusted}"
    slot = cache_folder() / "corpora" / f"{where.reader}-{hashlib.sha256(place.encode('utf-8', 'surrogatepass')).hexdigest()[:20]}"
    files = listing(where.root)[:40]
    if (build := stored(slot, files)) is not None:
        return build
    named = files if limit is None else f"{files}-{split}-{limit}"
    if limit is not None and (build := stored(slot, named)) is not None:
        return build
    module = registry.load("corpora", where.reader)
    with Writer(slot, named, getattr(module, "MEDIUM", "audio")) as writer:
        for entry in _entries(module, where, writer):
            if limit is not None and split != "all" and entry.split != split:
                continue
            if not where.trusted and not inside(entry.file, where.root if where.root.is_dir() else where.root.parent):
                writer.skip(entry.id, "leads out of the folder of the source")
                continue
            writer.outside = writer.outside or not inside(entry.file, where.root)
            before = writer.length
            if writer.add(entry) and progress is not None:
                progress(writer.length - before)
            if limit is not None and writer.count >= limit:
                break
        _refuse(source, writer)
        build = writer.finish(
            name=where.reader, title=getattr(module, "TITLE", f"the corpus {where.reader}"), limit=limit, split=split,
            speakers_from="speakers.csv" if (where.root / "speakers.csv").is_file() and where.reader in ("folder", "lines", "pages") else "",
        )
    return build


def _entries(module: ModuleType, where: Source, writer: Writer) -> Iterator[Entry]:
    def skip(name: str, reason: str) -> None:
        writer.skip(name, reason, recording=not name.lower().endswith((*LABEL_ENDINGS, *_LABELS)))

    read = module.read
    more: dict[str, Any] = {"trusted": where.trusted} if "trusted" in inspect.signature(read).parameters else {}
    return iter(read(where.root, skip, writer.note, **more))


def _refuse(source: str, writer: Writer) -> None:
    """Raises when there is nothing, or when most of it cannot be read."""
    first = "; ".join(f"{name}: {reason}" for name, reason in writer.skipped[:3])
    if writer.count == 0:
        why = f"{writer.skipped_count} skipped ({first})" if writer.skipped else f"none found ({', '.join(e[1:] for e in ENDINGS[:6])} are read)"
        raise UntoldError(f"{source}: no usable recording: {why}")
    if writer.skipped_recordings > writer.count:
        total = writer.skipped_recordings + writer.count
        raise UntoldError(f"{source}: more than half cannot be read, {writer.skipped_recordings} of {total} ({first}): mend or remove them")


def _narrow(corpus: Corpus, limit: int | None, split: str) -> Corpus:
    """The recordings that split and limit leave: the limit counts those of the declared split, then some are held out."""
    declared = {"held_out": "train"}.get(split, split)
    if declared != "all":
        corpus = corpus.select(np.flatnonzero(np.array(corpus.declared()) == declared))
    if limit is not None and len(corpus) > limit:
        corpus = corpus.select(np.arange(limit))
    if split in ("train", "held_out"):
        out = np.array(held_out(list(corpus.ids()), corpus.sides("speaker")), bool)
        corpus = corpus.select(np.flatnonzero(out == (split == "held_out")))
    return corpus
