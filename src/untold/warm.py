"""Compiles the kernels once, so that the first use of each comes at once: `python -m untold.warm`."""

from __future__ import annotations


def main() -> None:
    """Runs each kernel on something small; Numba keeps the result on disk."""
    from untold.decoders import _walk
    from untold.evaluation import _dtw

    _dtw.warm()
    _walk.warm()


if __name__ == "__main__":
    main()
