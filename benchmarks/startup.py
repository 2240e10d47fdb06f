"""How long it takes until something is said: `untold --help` and `untold list` against `python -c pass`.

Whole processes in turns, medians. Goal: under eight times. Usage: python benchmarks/startup.py [--times N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {"--help": ["--help"], "list": ["list"], "a mistake": ["lisst"], "an unknown run": ["tokenize", "no/such/run", "no/such/source", "--out", "x"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=9)
    times = parser.parse_args().times
    untold = str(Path(sys.executable).parent / "untold")
    every = {"python -c pass": [sys.executable, "-c", "pass"], **{f"untold {name}": [untold, *words] for name, words in COMMANDS.items()}}
    found: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(times + 1):
        for name, command in every.items():
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=False)
            found[name].append(time.perf_counter() - start)
    floor = statistics.median(found["python -c pass"][1:])
    for name, values in found.items():
        middle = statistics.median(values[1:])
        print(f"{name}: {1000 * middle:.0f} ms, {middle / floor:.1f} times python -c pass")


if __name__ == "__main__":
    main()
