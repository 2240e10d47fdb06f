"""Is it healthy? What a person would want to know of a model that trains, measured and said in words.

The collapse check: codewords in use over a set (not over a batch), perplexity corrected for the size of the sample,
and whether the decoder uses the latents (loss with true, shuffled and zero latents).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from untold.formats._writing import write_text

_WORDS = {"speaker": ("time", "long pauses", "recording", "speaks"), "scribe": ("width", "wide blanks", "line", "writes")}


@dataclass(frozen=True)
class Finding:
    """A sentence and how bad it is: `good`, `warning` or `bad`."""

    severity: str
    sentence: str


def entropy(counts: np.ndarray) -> float:
    """Entropy in nats with the correction of Miller and Madow, (used - 1) / (2 n); 0 for nothing."""
    total = counts.sum()
    if not total:
        return 0.0
    p = counts[counts > 0] / total
    return float(-(p * np.log(p)).sum() + (len(p) - 1) / (2 * total))


def findings(
    counts: np.ndarray | None, use: Mapping[str, float], silent_share: float | None = None,
    speaker_bits: float | None = None, unit_bits: float | None = None, who: str = "speaker",
) -> list[Finding]:
    """What the numbers say, in words: counts of each codeword over a set, nats per frame with each kind of latents, information about `who`."""
    out: list[Finding] = []
    over, cause, other, does = _WORDS[who]
    if counts is not None:
        used, perplexity = int((counts > 0).sum()), math.exp(entropy(counts))
        share = counts.max() / max(1, counts.sum())
        if used <= 2 or perplexity < 2.5:
            out.append(Finding("bad", f"The code has collapsed: {used} of {len(counts)} units in use. Train longer, lower commitment, or raise revive_below."))
        elif used < len(counts) / 4 and counts.sum() > 8 * len(counts):  # of fewer tokens that says nothing
            out.append(Finding("warning", f"Only {used} of {len(counts)} units are in use (perplexity {perplexity:.0f}): a smaller alphabet would do as well."))
        else:
            out.append(Finding("good", f"{used} of {len(counts)} units are in use (perplexity {perplexity:.0f})."))
        if share > 0.5:
            silence = " It is mostly silence." if silent_share is not None and silent_share > 0.5 else ""
            out.append(Finding("bad", f"One unit covers {share:.0%} of the {over}.{silence} Trim {cause}, or use a larger alphabet."))
        elif share > 0.25:
            out.append(Finding("warning", f"The most frequent unit covers {share:.0%} of the {over} ({cause} do that)."))
    if use:
        gain, full = use["shuffled"] - use["true"], use["zero"] - use["true"]
        sentence = f"nats: {use['true']:.2f} with the true latents, {use['shuffled']:.2f} with another {other}'s, {use['zero']:.2f} with none"
        if gain < 0.02 * max(1.0, abs(use["true"])) or full <= 0:
            out.append(Finding("bad", f"The decoder ignores the latents ({sentence}). Price them less, give free bits, or weaken the decoder."))
        else:
            out.append(Finding("good", f"The decoder uses the latents ({sentence})."))
    if speaker_bits is not None and unit_bits:
        share = speaker_bits / unit_bits
        if share > 0.15:
            out.append(Finding("warning", f"The units follow the {who}: {speaker_bits:.2f} of {unit_bits:.2f} bits per unit tell who {does}."))
        else:
            out.append(Finding("good", f"The units tell little of the {who} ({speaker_bits:.2f} of {unit_bits:.2f} bits per unit)."))
    return out


class Progress:
    """`progress.jsonl`: a line a report, none twice after a resume."""

    def __init__(self, path: Path, resumed_at: tuple[str, int] | None = None) -> None:
        self.path = path
        if path.exists():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            kept = _until(lines, resumed_at) if resumed_at else []
            if kept != lines:
                write_text(path, "".join(line + "\n" for line in kept))

    def write(self, **facts: Any) -> None:
        """One line; numbers that are not finite become null."""
        clean = {key: (None if isinstance(value, float) and not math.isfinite(value) else value) for key, value in facts.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(clean) + "\n")


def _until(lines: list[str], place: tuple[str, int]) -> list[str]:
    """The lines up to a phase and step: what comes after will be told again."""
    kept: list[str] = []
    reached = False
    for line in lines:
        try:
            fact = json.loads(line)
            phase, step = fact["phase"], int(fact["step"])
        except (ValueError, KeyError, TypeError):
            break  # cut by the kill
        if step > place[1] if phase == place[0] else reached:
            break
        reached = reached or phase == place[0]
        kept.append(line)
    return kept
