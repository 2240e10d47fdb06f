"""Make tokens of anyone's features: k-means codewords, saved with exactly what they were fitted on."""

from __future__ import annotations

import argparse
from pathlib import Path

from untold.commands._options import machine, opened
from untold.commands._terminal import Terminal
from untold.errors import UntoldError

_FRAMES = 300_000  # drawn from the whole source; what k-means sees


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("what", metavar="WHAT", help="a RUN, a front end, a folder of features")
    parser.add_argument("source", metavar="SOURCE", help="recordings to fit on")
    parser.add_argument("--size", type=int, required=True, metavar="K", help="codewords")
    parser.add_argument("--point", metavar="NAME", help="where to read (the first that WHAT lists)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the codebook")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draw of frames and the first codewords (0)")
    parser.add_argument("--split", default="all", choices=["train", "held_out", "evaluation", "all"], help="which recordings")


def run(
    what: str, source: str, *, size: int, out: Path, point: str | None = None, seed: int = 0, split: str = "all", force: bool = False,
    device: str = "auto", threads: int | None = None, limit: int | None = None, quiet: bool = False,
) -> Path:
    """Fits mini-batch k-means on frames drawn from all recordings (features standardised) and gives the codebook's folder."""
    import numpy as np
    from sklearn.cluster import MiniBatchKMeans

    from untold.errors import unknown_name
    from untold.formats._writing import make_folder
    from untold.formats.codebook import Codebook, write_codebook
    from untold.subjects import open_subject

    if not 2 <= size <= 1 << 20:
        raise UntoldError(f"--size {size}: from 2 to {1 << 20}")
    if not 0 <= seed < 1 << 32:
        raise UntoldError(f"--seed {seed}: a whole number from 0 to {(1 << 32) - 1} expected")
    where = machine(device, threads)
    terminal = Terminal(quiet)
    corpus = opened(source, terminal, limit=limit, split=split)
    subject = open_subject(what, corpus=corpus, device=where)
    chosen = point or (subject.points[0] if subject.points else "")
    if chosen not in subject.points:
        raise unknown_name(f"point of {what}", chosen, subject.points)
    _check_empty(out, force)
    grid = subject.grid(chosen)
    share = min(1.0, _FRAMES / max(1.0, corpus.length * float(grid.rate)))
    draw = np.random.default_rng(seed)
    kept = []
    for recording in terminal.over(corpus, len(corpus), "recordings", "reading features"):
        kept += [chunk[draw.random(len(chunk)) < share] for chunk in subject.chunks(recording, chosen)]
    frames = np.concatenate(kept)
    if len(frames) < size:
        raise UntoldError(f"--size {size} is larger than the data ({len(frames)} steps): use fewer codewords or more recordings")
    mean, scale = frames.mean(0), np.maximum(frames.std(0), 1e-6)
    fitted = MiniBatchKMeans(size, batch_size=max(4096, 4 * size), n_init=3, random_state=seed, max_iter=100, reassignment_ratio=0.0).fit((frames - mean) / scale)
    make_folder(out, force=force)
    book = Codebook(fitted.cluster_centers_.astype(np.float32), what, chosen, grid, "dimension", "squared", subject.fingerprint(), mean, scale)
    write_codebook(out, book)
    terminal.say(f"{size} codewords of {what} at {chosen}: inertia {fitted.inertia_ / len(frames):.3f} per frame, {len(frames)} frames")
    terminal.result(f"{out}")
    return out


def _check_empty(out: Path, force: bool) -> None:
    """Says before the work, not after it, that there is no place for it."""
    if not force and out.is_dir() and any(out.iterdir()):
        raise UntoldError(f"{out} holds something already: name another folder with --out, or replace it with --force")
