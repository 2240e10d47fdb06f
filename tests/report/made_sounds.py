"""A small corpus of made sounds (tone, hiss, quiet) whose units are known, with names that want to be markup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from untold.contract import Grid, Interval, Recording, Units

GRID = Grid("second", Fraction(100), Fraction(1, 200))
HOSTILE = "<img src=x onerror=alert(1)>"
SCRIPT = "<script>alert(1)</script>"
TONE, HISS, QUIET = 0, 1, 2


class Sound:
    """A signal held in memory."""

    grid = Grid("second", Fraction(16000), Fraction(1, 32000))
    shape: tuple[int, ...] = ()

    def __init__(self, samples: np.ndarray) -> None:
        self.samples = samples
        self.steps = len(samples)

    def read(self, start: int, stop: int) -> np.ndarray:
        assert 0 <= start <= stop <= self.steps
        return self.samples[start:stop]


class Corpus:
    """Recordings in memory."""

    name = SCRIPT

    def __init__(self, recordings: list[Recording]) -> None:
        self.recordings = recordings
        self.length = float(sum(r.length for r in recordings))
        self.speakers = tuple(sorted({r.speaker for r in recordings}))
        self.tiers = tuple(sorted({name for r in recordings for name in r.tiers}))

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int, /) -> Recording:
        return self.recordings[index]

    def __iter__(self) -> Iterator[Recording]:
        return iter(self.recordings)


def sound(token: int, steps: int, key: np.random.Generator) -> np.ndarray:
    """`steps` hundredths of a second of what a token stands for."""
    time = np.arange(steps * 160) / 16000
    if token == TONE:
        return np.asarray(sum(np.sin(2 * np.pi * 150 * h * time) / h for h in range(1, 9)) * 0.2, np.float32)
    return np.asarray(key.normal(size=len(time)) * (0.1 if token == HISS else 0.0005), np.float32)


def corpus(*, speakers: int = 4, labels: bool = True) -> tuple[Corpus, dict[str, Units]]:
    """Eight recordings of two seconds, and their units."""
    key = np.random.default_rng(0)
    recordings, units = [], {}
    for number in range(8):
        tokens = [QUIET, TONE, HISS, TONE, QUIET, HISS, TONE, QUIET]
        lengths = key.integers(5, 30, len(tokens))
        ends = np.cumsum(lengths)
        starts = ends - lengths
        samples = np.concatenate([sound(t, n, key) for t, n in zip(tokens, lengths, strict=True)])
        tier = [Interval(Fraction(int(a), 100), Fraction(int(b), 100), ["a", HOSTILE, "sil"][t]) for t, a, b in zip(tokens, starts, ends, strict=True)]
        identity = f"{HOSTILE}/{SCRIPT}{number}"
        recordings.append(Recording(identity, {"audio": Sound(samples)}, {"speaker": f"{HOSTILE}{number % speakers}"}, {"phones": tier} if labels else {}))
        frames = np.repeat(tokens, lengths)
        units[identity] = Units.from_frames(frames, 5, GRID, "made")
    return Corpus(recordings), units


def accompany(run: Path) -> None:
    """scores.csv, progress.jsonl and run.json as a run leaves them."""
    head = "corpus,task,metric,point,value,low,high,n,better,method,seed,seconds,conventions\n"
    rows = [
        "c,abx,abx_across,condition,0.12,0.10,0.14,16,lower,vq_vae,0,3,context=any;kind=phone;cells=90",
        "c,abx,abx_across,condition,0.15,0.13,0.17,16,lower,vq_vae,0,3,context=within;kind=triphone;cells=50",
        "c,abx,abx_across,frames,0.19,,,16,lower,mfcc,,3,context=any;kind=phone;cells=90",
        "c,probes,phone_accuracy,encoder,0.7,0.6,0.8,8,higher,vq_vae,0,3,probe=MLP",
        "c,probes,phone_accuracy,bottleneck,0.6,0.5,0.7,8,higher,vq_vae,0,3,probe=MLP",
        "c,probes,phone_accuracy,,0.1,,,8,higher,chance,,3,probe=MLP",
        f"c,clusters,pnmi,,0.5,0.4,0.6,8,higher,{HOSTILE},0,3,tier={SCRIPT}",
    ]
    (run / "scores.csv").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    lines = [{"phase": "train", "step": i, "steps": 20, "seconds": i / 10, "losses": {"reconstruction": 100 - i}, "units": {"reconstruction": "nats per frame"}, "perplexity": 5.0 + i} for i in range(20)]
    (run / "progress.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + '\n{"step": 2', encoding="utf-8")
    (run / "run.json").write_text(json.dumps({"method": "vq_vae", "command": ["untold", "discover", SCRIPT], "versions": {"untold": "0.1.0"}}), encoding="utf-8")
