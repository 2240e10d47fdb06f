"""Units that last, of anyone's features and codewords: the exact path of least distance and a price for each change."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from untold.commands._options import machine
from untold.commands._terminal import Terminal
from untold.errors import UntoldError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from untold.formats.codebook import Codebook
    from untold.formats.features import FeatureFolder

_SEARCHED = 1 << 30  # steps x codewords on which a price is searched
_WHOLE = 1 << 27  # steps x codewords of a recording whose lengths are bounded


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("features", metavar="FEATURES", type=Path, help="a folder of features (untold encode, or another program's)")
    parser.add_argument("--codebook", type=Path, required=True, metavar="DIR", help="codewords: of untold codebook, of another program, or a RUN (features: its projection)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for units.jsonl")
    parser.add_argument("--rate", type=float, metavar="UNITS", help="wanted units a second (on pixels: a recording); one price for all is searched")
    parser.add_argument("--penalty", type=float, metavar="X", help="price of a change, in the codebook's distance")
    parser.add_argument("--shortest", type=float, metavar="SECONDS", help="least length of a unit, in seconds or pixels (but for the last of a recording)")
    parser.add_argument("--greedy", action="store_true", help="merge neighbours greedily in each recording instead: the lecture's alternative, not exact")
    parser.add_argument("--longest", type=float, metavar="SECONDS", help="greatest length of a unit, in seconds or pixels")


def run(
    features: Path | str, *, codebook: Path | str, out: Path, rate: float | None = None, penalty: float | None = None,
    shortest: float | None = None, longest: float | None = None, greedy: bool = False, force: bool = False, device: str = "auto", threads: int | None = None,
    limit: int | None = None, quiet: bool = False,
) -> Path:
    """Writes the units and gives their folder; says the price and the rate that came of it."""
    from untold.contract import Units
    from untold.formats._writing import make_folder
    from untold.formats.features import FeatureFolder
    from untold.formats.units import UnitsWriter
    from untold.layers.segmentation import check_price, price_of

    if (rate is None) == (penalty is None):
        raise UsageError("give --rate or --penalty (one of them)")
    if greedy and (rate is None or shortest is not None or longest is not None):
        raise UsageError("--greedy goes with --rate and nothing else")
    machine(device, threads)
    terminal = Terminal(quiet)
    folder, book = FeatureFolder(features, limit=limit), _book(Path(codebook))
    _check_fits(book, Path(codebook), folder)
    if not (book.hash and folder.hash):
        terminal.say(f"note: {features if book.hash else codebook} does not say what exactly it was made of (no hash): that they belong together is taken on trust")
    a_recording = folder.grid.unit == "pixel"
    if rate is not None:
        most = _amount(folder, folder.ids(), False) * float(folder.grid.rate) / max(1, len(folder.ids())) if a_recording else folder.grid.rate
        if not 0 < rate <= most:
            raise UntoldError(f"--rate {rate:g}: above 0 and at most the {float(most):.6g} steps per {'recording' if a_recording else folder.grid.unit} of {features}")
    if penalty is not None:
        check_price(penalty)
    decoded = _decoder(book, folder, shortest, longest, rate if greedy else None)
    ids = folder.ids()
    if greedy:
        penalty = 0.0
    elif rate is not None:
        searched = _some(folder, len(book.codewords))
        amount = _amount(folder, searched, a_recording)
        with terminal.bar(0, "passes", "searching the price") as bar:

            def rate_of(price: float) -> float:
                bar.advance(1)
                return sum(_runs(decoded(folder.read(name), price)) for name in searched) / amount

            penalty = price_of(rate_of, rate)
    assert penalty is not None
    make_folder(out, force=force)
    units = 0
    with terminal.bar(len(ids), "recordings", "segmenting") as bar, UnitsWriter(out / "units.jsonl") as writer:
        for name in ids:
            tokens = decoded(folder.read(name), penalty)
            found = Units.from_frames(tokens, len(book.codewords), folder.grid, f"{codebook}, price {penalty:g}").merged()
            units += len(found.tokens)
            writer.write(name, found, f"{name}.wav")
            bar.advance(1)
    per = "recording" if a_recording else folder.grid.unit
    reached = units / _amount(folder, ids, a_recording)
    terminal.result(f"{units} units, {reached:.2f} a {per}" + ("" if rate is None else f" ({rate:g} wanted)") + (", merged greedily" if greedy else f", price {penalty:.6g} ({book.distance} distance)"))
    terminal.result(f"{out}")
    return out


def _check_fits(book: Codebook, path: Path, folder: FeatureFolder) -> None:
    """Raises `UntoldError` that names both, where codewords were not fitted on such features."""
    apart = "they do not belong together"
    if book.grid.rate != folder.grid.rate or book.grid.unit != folder.grid.unit:
        raise UntoldError(f"{path} was made at {book.grid.rate} steps per {book.grid.unit}, {folder.path} has {folder.grid.rate} per {folder.grid.unit}: {apart}")
    if folder.dimensions not in (None, book.codewords.shape[1]):
        raise UntoldError(f"{path} holds codewords of {book.codewords.shape[1]} dimensions, {folder.path} features of {folder.dimensions}: {apart}")
    if not (book.hash and folder.hash):
        return
    if book.hash != folder.hash:
        raise UntoldError(f"{path} was fitted on {book.what} ({book.hash[:12]}), {folder.path} was made by {_maker(folder)} ({folder.hash[:12]}): {apart}")
    if book.point != folder.point:
        raise UntoldError(f"{path} was fitted on {book.what} at {book.point}, {folder.path} holds {folder.point}: {apart}")


def _maker(folder: FeatureFolder) -> str:
    """What made features, in a few words."""
    told = folder.made_by
    if isinstance(told, dict):
        settings = told.get("settings")
        if isinstance(settings, dict) and "path" in settings:
            return f"{told.get('method')}:{settings['path']}"
        front = told.get("frontend")
        if isinstance(front, dict):
            return f"{front.get('name')}:" + ",".join(f"{k}={v}" for k, v in front.items() if k != "name")
        told = told.get("run") or told.get("codebook") or told.get("folder") or told
    return str(told)[:80]


def _book(path: Path) -> Codebook:
    """A codebook DIR, or what a RUN chooses among: its own codewords, normalisation and distance."""
    import numpy as np
    import torch

    from untold.formats.codebook import Codebook, read_codebook
    from untold.runs import Run
    from untold.subjects import CODEBOOK, RunSubject

    if not (path / "run.json").exists():
        return read_codebook(path)
    run = RunSubject(Run.open(path), "cpu")
    if run.book is not None:
        return read_codebook(path / CODEBOOK)
    model = run.model
    code: Any = getattr(model.method, "bottleneck", None)
    if not hasattr(code, "codewords"):
        raise UntoldError(f"{path} has no table of codewords: make one with 'untold codebook {path} SOURCE --size K --out DIR'")
    with torch.no_grad():
        shift, slope = np.zeros(code.inputs), np.ones(code.inputs)
        if code.norm is not None:  # what it does to 0 and to 1 is all that it does
            ends = torch.stack([torch.zeros(code.inputs), torch.ones(code.inputs)])[None]
            shift, one = code.norm(ends, torch.ones(1, 2, dtype=torch.bool))[0].double().numpy()
            slope = one - shift
        words = code.codewords.detach().numpy()
    distance = "squared" if getattr(code, "squared", True) else "plain"
    return Codebook(words, path.name, "projection", model.grid("projection"), "dimension", distance, run.fingerprint(), -shift / slope, 1 / slope)


def _runs(tokens: np.ndarray) -> int:
    return 1 + int((tokens[1:] != tokens[:-1]).sum()) if len(tokens) else 0


def _amount(folder: FeatureFolder, ids: tuple[str, ...], recordings: bool) -> float:
    """What units are counted per: seconds (or positions), or recordings."""
    return max(1e-9, float(len(ids) if recordings else sum(len(folder.read(name)) for name in ids) / folder.grid.rate))


def _some(folder: FeatureFolder, size: int) -> tuple[str, ...]:
    """The recordings on which a price is searched: all, or as many as are not too many, drawn."""
    import numpy as np

    ids = folder.ids()
    chosen, held = [], 0
    for place in np.random.default_rng(0).permutation(len(ids)):
        held += len(folder.read(ids[place])) * size
        chosen.append(ids[place])
        if held > _SEARCHED:
            break
    return tuple(chosen)


def _decoder(
    book: Codebook, folder: FeatureFolder, shortest: float | None, longest: float | None, greedily: float | None
) -> Callable[[np.ndarray, float], np.ndarray]:
    """Features (steps, dimensions) and a price -> tokens (steps,); `greedily` units a second by merging, whatever the price."""
    import numpy as np

    from untold.layers.segmentation import Path as Steps
    from untold.layers.segmentation import blocks, decode_lengths, merge_greedily

    size, per = len(book.codewords), folder.grid.rate
    squares = np.square(book.codewords).sum(1)

    def costs(values: np.ndarray) -> Iterator[np.ndarray]:
        for start, stop in blocks(len(values), size):
            x = book.normalised(values[start:stop]).astype(np.float32)
            found = np.maximum(squares + np.square(x).sum(1, keepdims=True) - 2 * x @ book.codewords.T, 0)
            yield found if book.distance == "squared" else np.sqrt(found)

    def free(values: np.ndarray, price: float) -> np.ndarray:
        path = Steps(size, price)
        parts = [path.push(some) for some in costs(values)]
        return np.concatenate([*parts, path.finish()[0]])

    def merged(values: np.ndarray, price: float) -> np.ndarray:
        wanted = greedily if folder.grid.unit == "pixel" else len(values) / float(per) * (greedily or 0)
        return merge_greedily(np.concatenate([np.zeros((0, size), np.float32), *costs(values)]), max(1, round(wanted or 0)))

    if greedily is not None:
        return merged
    if shortest is None and longest is None:
        return free
    least = 1 if shortest is None else round(shortest * per)
    most = round(longest * per) if longest is not None else max(least, round((128 if folder.grid.unit == "pixel" else 2) * per))
    if not 1 <= least <= most:
        raise UntoldError(f"--shortest {shortest} and --longest {longest}: units of {least} to {most} steps of 1/{per} cannot be")

    def bounded(values: np.ndarray, price: float) -> np.ndarray:
        if len(values) * size > _WHOLE:
            raise UntoldError(f"a recording of {len(values)} steps is too long for bounded lengths with {size} codewords: cut it, or leave --shortest and --longest out")
        if not len(values):
            return np.zeros(0, np.int64)
        tokens, lengths, _ = decode_lengths(np.concatenate(list(costs(values))), np.full(most, price), least)
        return np.repeat(tokens, lengths)

    return bounded
