"""WHAT can be measured: a RUN, a front end, a frozen checkpoint, a codebook on top of these, or features and units of other programs.

Everything that can be measured of us can be measured of anyone: evaluation knows these by the same few questions.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from untold import registry, runs
from untold.contract import Features, Grid, Recording, Units
from untold.corpora import Corpus
from untold.driver import Model
from untold.errors import UntoldError, unknown_name
from untold.formats.codebook import Codebook, read_codebook
from untold.formats.features import FeatureFolder
from untold.formats.units import read_units
from untold.frontends import FrontEnd, adapt, read_frames
from untold.settings import Choice, parse_assignments

CODEBOOK = "codebook"  # the folder in a RUN that `discover` leaves where the method has no tokens
_BLOCK = 3000  # steps that are handed on at once


class Subject(Protocol):
    """What is measured: features at points, and units where it has an alphabet."""

    name: str
    points: tuple[str, ...]
    minutes: float | None
    alphabet: int | None
    notes: tuple[str, ...]
    origin: dict[str, Any]  # what made it, for the files that it leaves

    def grid(self, point: str) -> Grid: ...
    def chunks(self, recording: Recording, point: str) -> Iterator[np.ndarray]: ...
    def features(self, recording: Recording, point: str) -> Features: ...
    def units(self, recording: Recording) -> Units: ...
    def fingerprint(self) -> str: ...


class _Read(ABC):
    """What is the same for all subjects."""

    name: str
    alphabet: int | None = None
    minutes: float | None = None
    notes: tuple[str, ...] = ()  # what a person should be told
    points: tuple[str, ...] = ()

    @abstractmethod
    def chunks(self, recording: Recording, point: str) -> Iterator[np.ndarray]:
        """Parts of a recording at a point, in order: float32 (steps, dimensions)."""

    @abstractmethod
    def grid(self, point: str) -> Grid:
        """Where the steps of a point stand."""

    def features(self, recording: Recording, point: str) -> Features:
        """A whole recording at a point: float32 (steps, dimensions)."""
        return Features(np.concatenate(list(self.chunks(recording, point))).astype(np.float32, copy=False), self.grid(point), point)

    def covers(self, recording: Recording) -> bool:
        """Whether there is something to read of a recording."""
        return True

    def units(self, recording: Recording) -> Units:
        """Raises `UntoldError`: there are no tokens."""
        raise UntoldError(f"{self.name} has no tokens: make some with 'untold codebook {self.name} SOURCE --size K --out DIR'")


class FrontEndSubject(_Read):
    """A front end: its one point is its own name."""

    def __init__(self, what: str, name: str, words: str, corpus: Corpus | None, device: str) -> None:
        choice = Choice.of("frontends", name).changed(parse_assignments(words.split(",")) if words else {})
        self.name, self.points, self.minutes = what, (name,), 0.0
        self.front: FrontEnd = choice.build().to(device)
        if getattr(self.front, "warper", None) is not None:
            raise UntoldError(f"{what}: warp=file needs a mixture that chooses warps: train a method with it (untold train mixture SOURCE)")
        self.corpus = corpus
        self._speakers: dict[str, dict[str, torch.Tensor]] = {}
        self.origin = {"frontend": choice.to_json()}

    def fingerprint(self) -> str:
        """Of the settings."""
        return _digest(repr(self.origin).encode())

    def grid(self, point: str) -> Grid:
        """The grid of its frames."""
        return self.front.grid

    def adapted(self, recording: Recording) -> dict[str, torch.Tensor]:
        """What the front end has to know of the recording, or of all of its speaker's."""
        if self.front.adapts != "speaker":
            return adapt(self.front, recording.signal_for(self.front.stream, self.name))
        if self.corpus is None:
            raise UntoldError(f"{self.name}: normalise=speaker needs the whole source")
        if recording.speaker not in self._speakers:
            same = [i for i, speaker in enumerate(self.corpus.sides("speaker")) if speaker == recording.speaker]
            self._speakers[recording.speaker] = adapt(self.front, [self.corpus[i].signals[self.front.stream] for i in same])
        return self._speakers[recording.speaker]

    def chunks(self, recording: Recording, point: str) -> Iterator[np.ndarray]:
        """Frames in blocks."""
        if point not in self.points:
            raise unknown_name(f"point of {self.name}", point, self.points)
        signal = recording.signal_for(self.front.stream, self.name)
        adapted, steps = self.adapted(recording), self.front.steps(signal.steps)
        if not steps:
            yield np.zeros((0, self.front.dimensions), np.float32)
        for start in range(0, steps, _BLOCK):
            yield read_frames(self.front, signal, start, min(start + _BLOCK, steps), adapted).cpu().numpy()


class ModelSubject(_Read):
    """A method that is taken as it is: its place and its settings say all (`hf:PATH`)."""

    model: Model
    origin: dict[str, Any]

    def __init__(self, what: str, device: str) -> None:
        method, settings = runs.resolve(*runs.wished(what))
        self.name, self.model = what, runs.build(method, settings, {}, 0).to(device).eval()
        self.points, self.alphabet, self.notes = self.model.points, self.model.alphabet, tuple(getattr(self.model.method, "notes", ()))
        self.origin = {"method": method, "settings": settings.to_json()}
        place = runs.place_of(method)  # moved, it is the same; which point is listed first changes none of them
        self._makes = {key: value for key, value in settings.to_json().items() if key not in (place, "layer")}

    def fingerprint(self) -> str:
        """Of weights and settings, not of the data."""
        return _digest(repr(self._makes).encode())

    def grid(self, point: str) -> Grid:
        """The grid of a point."""
        return self.model.grid(point)

    def chunks(self, recording: Recording, point: str) -> Iterator[np.ndarray]:
        """A point in chunks that overlap by what the stages reach."""
        yield from self.model.chunks(recording, point)

    def units(self, recording: Recording) -> Units:
        """A token a step."""
        if not self.model.alphabet:
            return super().units(recording)
        return self.model.units(recording)


class RunSubject(ModelSubject):
    """A trained run; where the method has no tokens, those of the codebook that `discover` left in the run."""

    def __init__(self, run: runs.Run, device: str) -> None:
        self.run, self.name = run, run.name
        self.model = run.model(device)
        self.points, self.alphabet, self.notes = self.model.points, self.model.alphabet, tuple(getattr(self.model.method, "notes", ()))
        seconds = run.facts["cost"].get("seconds")
        self.minutes = float(seconds) / 60 if isinstance(seconds, int | float) else None
        self.origin = {"run": str(run.path), "method": run.facts["method"], "recipe": run.facts.get("recipe"), "seed": run.facts["seed"]}
        self.book: Codebook | None = None
        path = run.path / CODEBOOK
        if not self.alphabet and (path / "codebook.json").exists():
            self.book = fitting(read_codebook(path), self, path)
            self.alphabet = len(self.book.codewords)

    def fingerprint(self) -> str:
        """Of weights and settings, not of the data."""
        return _digest(repr(self.run.facts["settings"]).encode(), (self.run.path / "model.safetensors").read_bytes())

    def units(self, recording: Recording) -> Units:
        """A token a step."""
        return super().units(recording) if self.book is None else nearest(self, self.book, recording)


class FolderSubject(_Read):
    """A folder of features and units that some program made."""

    def __init__(self, path: Path) -> None:
        self.name, self.path = path.name, path
        self.folder = FeatureFolder(path) if (path / "features.json").exists() else None
        units = next((p for p in (path / "units.jsonl", path) if p.is_file()), None)
        self._units = read_units(units) if units else {}
        self._names = frozenset(self.folder.ids()) if self.folder else frozenset()
        self.points = (self.folder.point,) if self.folder else ()
        self.alphabet = next((u.alphabet for u in self._units.values()), None)
        self.origin = {"folder": str(path)}

    def fingerprint(self) -> str:
        """That of what made the features, where their header tells it."""
        return self.folder.hash if self.folder else ""

    def _found(self, names: Any, recording: Recording) -> str:
        for name in (recording.id, recording.id.replace("/", "_")):
            if name in names:
                return name
        raise UntoldError(f"{self.path} has nothing for the recording {recording.id}: make it for the whole source, or use --limit")

    def grid(self, point: str) -> Grid:
        """As its header says."""
        assert self.folder is not None
        return self.folder.grid

    def chunks(self, recording: Recording, point: str) -> Iterator[np.ndarray]:
        """The stored values."""
        if self.folder is None:
            raise UntoldError(f"{self.path} holds units and no features")
        yield self.folder.read(self._found(self._names, recording))

    def covers(self, recording: Recording) -> bool:
        """Whether the folder holds it: features and units where it has both."""
        held = [names for names in (self._names, self._units) if names]
        return all(recording.id in names or recording.id.replace("/", "_") in names for names in held)

    def units(self, recording: Recording) -> Units:
        """The stored units."""
        if not self._units:
            return super().units(recording)
        return self._units[self._found(self._units, recording)]


class CodebookSubject(_Read):
    """Codewords on top of another subject's point: the nearest one is the token."""

    def __init__(self, path: Path, corpus: Corpus | None, device: str) -> None:
        book = read_codebook(path)
        self.name, self.book = path.name, book
        if (Path(book.what) / "codebook.json").exists():
            raise UntoldError(f"{path} is a codebook of another codebook, {book.what}: that cannot be")
        self.below = open_subject(book.what, corpus=corpus, device=device)
        fitting(book, self.below, path)
        self.notes = () if book.hash else (f"{path} does not say what exactly it was made of (no hash): taken on trust",)
        self.points, self.minutes, self.alphabet = (book.point,), self.below.minutes, len(book.codewords)
        self.origin = {"codebook": str(path), "what": book.what, "point": book.point}

    def fingerprint(self) -> str:
        """Of the codewords and what lies below."""
        return _digest(self.book.codewords.tobytes(), self.below.fingerprint().encode())

    def grid(self, point: str) -> Grid:
        """The grid below."""
        return self.below.grid(point)

    def chunks(self, recording: Recording, point: str) -> Iterator[np.ndarray]:
        """What lies below."""
        yield from self.below.chunks(recording, point)

    def covers(self, recording: Recording) -> bool:
        """Whether what lies below does."""
        return bool(getattr(self.below, "covers", lambda _: True)(recording))

    def units(self, recording: Recording) -> Units:
        """The nearest codeword a step."""
        return nearest(self, self.book, recording)


def fitting(book: Codebook, below: Subject, path: Path) -> Codebook:
    """The codebook, where it was fitted on what lies below; raises `UntoldError` that names both where it was not."""
    ours = below.fingerprint()
    if book.hash and ours and book.hash != ours:
        raise UntoldError(f"{path} was made of another {book.what} ({book.hash[:12]}) than this one ({ours[:12]}; its hash differs): make the codebook again")
    if book.point not in below.points:
        raise unknown_name(f"point of {book.what}", book.point, below.points)
    if book.grid != below.grid(book.point):
        raise UntoldError(f"{path} was made at {book.grid.rate} steps per {book.grid.unit}, {book.what} has {below.grid(book.point).rate}: make the codebook again")
    return book


def nearest(subject: Subject, book: Codebook, recording: Recording) -> Units:
    """The nearest codeword a step."""
    tokens = np.concatenate([book.nearest(chunk) for chunk in subject.chunks(recording, book.point)])
    return Units.from_frames(tokens, len(book.codewords), subject.grid(book.point), subject.name)


def _digest(*parts: bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()


def open_subject(what: str, *, corpus: Corpus | None = None, device: str = "cpu") -> Subject:
    """What WHAT means; `corpus` for front ends that need the whole source. Raises `UntoldError` for what is nothing of ours."""
    path = Path(what)
    name, _, words = what.partition(":")
    if path.is_dir():
        if (path / "run.json").exists():
            return RunSubject(runs.Run.open(path), device)
        if (path / "codebook.json").exists():
            return CodebookSubject(path, corpus, device)
        if (path / "features.json").exists() or (path / "units.jsonl").exists():
            return FolderSubject(path)
        raise UntoldError(f"{what} is neither a RUN, a codebook, nor a folder of features or units (no run.json, codebook.json, features.json or units.jsonl)")
    if path.is_file() and path.suffix == ".jsonl":
        return FolderSubject(path)
    if name in registry.names("frontends"):
        return FrontEndSubject(what, name, words, corpus, device)
    if runs.place_of(name):
        return ModelSubject(what, device)
    if name in registry.names("methods") or name in registry.names("recipes"):
        raise UntoldError(f"{name} is a method, and has to be trained first: untold train {name} SOURCE")
    if "/" in what or path.suffix:
        raise UntoldError(f"{what}: no such folder")
    raise unknown_name("run, front end or folder", what, registry.names("frontends"))
