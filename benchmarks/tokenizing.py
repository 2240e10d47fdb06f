"""Hours of speech tokenised per minute by a RUN: reading, front end, encoder, codewords, writing.

Whole processes, the second of which finds the sound decoded; the time of starting is measured with one recording and
taken off. Usage: python benchmarks/tokenizing.py RUN SOURCE
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from untold.corpora import open_source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("source")
    given = parser.parse_args()
    untold = str(Path(sys.executable).parent / "untold")
    hours = open_source(given.source).length / 3600

    def spent(*more: str) -> float:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            subprocess.run([untold, "tokenize", given.run, given.source, "--out", f"{folder}/units", "--quiet", *more], check=True, capture_output=True)
            return time.perf_counter() - start

    spent("--limit", "1")
    begin, whole = spent("--limit", "1"), spent()
    print(f"{hours:.2f} hours in {whole:.1f} s ({begin:.1f} s of it to start): {hours / (whole - begin) * 60:.1f} hours a minute, {3600 * hours / (whole - begin):.0f} times real time")


if __name__ == "__main__":
    main()
