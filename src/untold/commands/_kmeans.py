"""k-means on anyone's features: frames drawn while they stream by, in memory that no corpus outgrows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from untold.errors import UntoldError

if TYPE_CHECKING:
    import numpy as np

    from untold.commands._terminal import Terminal
    from untold.contract import Recording
    from untold.corpora import Corpus
    from untold.formats.codebook import Codebook
    from untold.runs import Run
    from untold.subjects import RunSubject, Subject

USUAL = 100  # codewords, where nobody says how many
_FRAMES = 300_000  # drawn from the source at most; what k-means sees
_BYTES = 256 << 20  # that they take, but for large codebooks
_A_WORD = 30  # frames a codeword for which more is taken
_HEARD = 4  # times as many frames are read as are drawn; of larger sources, recordings are drawn first


def usual_size(subject: Subject, point: str, corpus: Corpus) -> int:
    """`USUAL`, or for a very small source as many as have ten frames each."""
    return max(2, min(USUAL, int(float(corpus.length) * float(subject.grid(point).rate)) // 10))


def of_run(run: Run, corpus: Corpus, device: str, size: int | None, terminal: Terminal) -> RunSubject:
    """The run, with tokens: where its method has none, they are codewords of its first point, which stay in the run."""
    from untold.formats.codebook import write_codebook
    from untold.subjects import CODEBOOK, RunSubject

    subject = RunSubject(run, device)
    if subject.alphabet or not subject.points:
        return subject
    point = subject.points[0]
    write_codebook(run.path / CODEBOOK, fit(subject, str(run.path), point, corpus, size or usual_size(subject, point, corpus), run.facts["seed"], terminal))
    return RunSubject(run, device)


def fit(subject: Subject, what: str, point: str, corpus: Corpus, size: int, seed: int, terminal: Terminal) -> Codebook:
    """Mini-batch k-means of features at a point, each dimension with mean 0 and deviation 1 over the frames drawn.

    Raises `UntoldError` for fewer frames than codewords and for features that are not finite.
    """
    import numpy as np
    from sklearn.cluster import MiniBatchKMeans

    from untold.formats.codebook import Codebook

    grid = subject.grid(point)
    rate, width = float(grid.rate), next(iter(subject.chunks(corpus[0], point))).shape[1]
    wanted = min(_FRAMES, max(_BYTES // (4 * width), _A_WORD * size))
    lengths = corpus.steps() / corpus.medium.rate
    chosen = _recordings(lengths, _HEARD * wanted / rate, seed)
    share = min(1.0, wanted / max(1.0, float(lengths[chosen].sum()) * rate))
    draw, kept = np.random.default_rng(seed), []
    read: Iterable[Recording] = (corpus[i] for i in chosen)
    for recording in terminal.over(read, len(chosen), "recordings", "reading features"):
        kept += [chunk[draw.random(len(chunk)) < share] for chunk in subject.chunks(recording, point)]
    frames = np.concatenate(kept).astype(np.float32, copy=False)
    del kept
    if len(frames) < size:
        raise UntoldError(f"--size {size} is larger than the data ({len(frames)} steps): use fewer codewords or more recordings")
    if not np.isfinite(frames).all():
        raise UntoldError(f"{what} gives numbers at {point} that are not finite: nothing can be near to them")
    mean, scale = frames.mean(0), np.maximum(frames.std(0), 1e-6)
    frames -= mean
    frames /= scale
    fitted = MiniBatchKMeans(size, batch_size=max(4096, 4 * size), n_init=3, random_state=seed, max_iter=100, reassignment_ratio=0.0).fit(frames)
    terminal.say(f"{size} codewords of {what} at {point}: inertia {fitted.inertia_ / len(frames):.3f} per frame, {len(frames)} frames")
    told = {"source": corpus.source, "fingerprint": corpus.fingerprint, "recordings": len(chosen), "frames": len(frames), "seed": seed}
    return Codebook(fitted.cluster_centers_.astype(np.float32), what, point, grid, "dimension", "squared", subject.fingerprint(), mean, scale, told)


def _recordings(lengths: np.ndarray, wanted: float, seed: int) -> list[int]:
    """All recordings in their order, or as many of them, drawn, as are so long together."""
    import numpy as np

    if lengths.sum() <= wanted:
        return list(range(len(lengths)))
    order = np.random.default_rng((seed, 1)).permutation(len(lengths))
    return sorted(order[: int(np.searchsorted(np.cumsum(lengths[order]), wanted)) + 1].tolist())
