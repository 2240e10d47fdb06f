"""Foldings of label sets: TIMIT's 61 phones to 39 (Lee & Hon 1989; Kaldi's table, speech.md 3.3)."""

from __future__ import annotations

_TIMIT39 = {
    "ax": "ah", "ax-h": "ah", "axr": "er", "ix": "ih", "ux": "uw", "hv": "hh", "el": "l", "em": "m", "en": "n", "nx": "n",
    "eng": "ng", "ao": "aa", "zh": "sh", "bcl": "sil", "dcl": "sil", "gcl": "sil", "pcl": "sil", "tcl": "sil", "kcl": "sil",
    "epi": "sil", "h#": "sil", "pau": "sil", "q": None,
}  # fmt: skip


def timit39(label: str) -> str | None:
    """The class of a TIMIT label among the 39; None for the glottal stop, which is removed. Other labels stay."""
    return _TIMIT39.get(label, label)
