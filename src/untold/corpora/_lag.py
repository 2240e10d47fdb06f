"""By how much labels lag the sound: the shift at which a mask of speech fits the energy best (speech.md, 3.1.9).

A published alignment can be late by tens of milliseconds, and boundary scores on it then say nothing. The mask is 1 in
vowels, 1/2 in other phones and 0 in silence and beyond the labels; where labels tell no vowels (words), 1 in all that is
not silence, which is rougher. It is compared with the logarithm of the energy of 10 ms every 5 ms, by correlation over
each recording, at shifts of -200 to +200 ms; the correlations are added up over recordings, and the lag is where the
sum is highest. It is positive when labels come after their sound.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from untold.contract import Interval
from untold.corpora._corpus import Corpus

WARN = 0.020  # seconds: the tolerance of boundary scores
_HOP, _WINDOW = 80, 160  # samples at 16 kHz: 5 and 10 ms
_FARTHEST = 40  # hops either way
_MOST = 300  # recordings looked at, evenly spread
_LONGEST = 16000 * 60  # samples of each
SILENCE = frozenset((
    "sil", "sp", "spn", "nsn", "h#", "#", "pau", "epi", "pause", "silence", "<sil>", "<p:>", "<s>", "</s>", "_", ".", "-",
    "...", "noise", "<noise>", "breath", "laugh", "<unk>", "xxx",
))
_VOWELS = frozenset("aeiouyæøœɐɑɒɔəɘɛɜɞɤɪɨɵʉʊʌʏɯɶαεωάέώ")


@dataclass(frozen=True)
class Lag:
    """Seconds by which a tier lags the sound, by what mask (`vowels` or `speech`), over how many recordings."""

    tier: str
    seconds: float
    mask: str
    recordings: int

    @property
    def warns(self) -> bool:
        """Whether scores of boundaries within 20 ms mean nothing on this tier as it is."""
        return self.mask == "vowels" and abs(self.seconds) > WARN  # by speech alone the fit is flat


def lag(corpus: Corpus, tier: str) -> Lag | None:
    """The lag of `tier`, or None when no recording has speech and silence (or vowels and the rest) to compare."""
    chosen = np.unique(np.linspace(0, len(corpus) - 1, min(len(corpus), _MOST)).astype(int))
    sums = {"vowels": np.zeros(2 * _FARTHEST + 1), "speech": np.zeros(2 * _FARTHEST + 1)}
    counts = {"vowels": 0, "speech": 0}
    for index in chosen:
        recording = corpus[int(index)]
        intervals = recording.tiers.get(tier, ())
        if len(intervals) < 2:
            continue
        signal = recording.signals["audio"]
        mask, kind = _mask(intervals, signal.steps, tier not in ("words", "syllables", "utterances"))
        curve = _fit(signal.read(0, min(_LONGEST, signal.steps)), mask)
        if curve is not None:
            sums[kind] += curve
            counts[kind] += 1
    kind = "vowels" if counts["vowels"] >= counts["speech"] else "speech"
    if not counts[kind] or sums[kind].max() < 0.1 * counts[kind]:
        return None  # the energy says nothing of these labels
    return Lag(tier, _peak(sums[kind]) * _HOP / 16000, kind, counts[kind])


def _peak(curve: np.ndarray) -> float:
    """Where the curve is highest, in hops, between them by a parabola."""
    best = int(np.argmax(curve))
    if not 0 < best < len(curve) - 1:
        return float(best - _FARTHEST)
    left, middle, right = curve[best - 1 : best + 2]
    bend = left - 2 * middle + right
    return float(best - _FARTHEST + (0.5 * (left - right) / bend if bend < 0 else 0.0))


def _fit(sound: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """Correlation (2 farthest + 1,) of the mask, moved, with the energy; in the middle it is not moved."""
    hops = (len(sound) - _WINDOW) // _HOP + 1
    mask = mask[:hops]
    if hops < 2 * _FARTHEST or mask.min() == mask.max():
        return None
    sums = np.concatenate([[0.0], np.cumsum(sound.astype(np.float64) ** 2)])
    starts = np.arange(hops) * _HOP
    energy = np.log(sums[starts + _WINDOW] - sums[starts] + 1e-6)
    energy -= energy.mean()
    around = np.pad(mask, _FARTHEST)
    out = np.zeros(2 * _FARTHEST + 1)
    for shift in range(len(out)):  # what is labelled `shift - farthest` hops later, against the sound of now
        moved = around[shift : shift + hops] - around[shift : shift + hops].mean()
        scale = np.sqrt(float(moved @ moved) * float(energy @ energy))
        out[shift] = float(moved @ energy) / scale if scale > 0 else 0.0
    return out


def _mask(intervals: Sequence[Interval], samples: int, phones: bool) -> tuple[np.ndarray, str]:
    """How much speech the labels tell in each hop, and by what it was made: `vowels` or `speech`."""
    times = (np.arange(max(0, (min(samples, _LONGEST) - _WINDOW) // _HOP + 1)) * _HOP + _WINDOW / 2) / 16000
    vowels = sum(is_vowel(i.label) for i in intervals)
    by_vowels = phones and 6 * vowels >= len(intervals) and all(len(i.label) <= 8 for i in intervals)
    mask = np.zeros(len(times))
    for interval in intervals:
        if is_silence(interval.label):
            continue
        first, last = np.searchsorted(times, [float(interval.start), float(interval.end)])
        mask[first:last] = 0.5 if by_vowels and not is_vowel(interval.label) else 1.0
    return mask, "vowels" if by_vowels else "speech"


def is_silence(label: str) -> bool:
    """Whether a label is one of the names that corpora give to silence and noise."""
    return not label.strip() or label.strip().lower() in SILENCE


def is_vowel(label: str) -> bool:
    """Whether a phone's label begins with a vowel, of IPA, ARPABET or an alphabet (accents left off)."""
    plain = unicodedata.normalize("NFD", label.strip().lower())
    first = next((c for c in plain if c.isalpha()), "")
    return first in _VOWELS and bool(first) and not is_silence(label) and plain not in ("em", "en", "eng", "epi", "y", "ye")
