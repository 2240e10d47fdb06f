"""Which recordings are held out: a hash of ids decides, so that it is the same everywhere and for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

SPLITS = ("all", "train", "held_out", "evaluation")


def held_out(ids: Sequence[str], speakers: Sequence[str]) -> list[bool]:
    """For each recording whether it is held out of training: a tenth of those whose speaker has two or more.

    A recording is chosen when SHA-256 of its id, as a fraction of its range, is below 0.1. Two mends for small corpora:
    no speaker loses all recordings (the one with the largest hash stays), and when none at all would be chosen though
    some could be, the one with the smallest hash is. Recordings of unknown speakers count as of one speaker.
    """
    hashes = [int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest(), "big") for name in ids]
    of_speaker: dict[str, list[int]] = {}
    for number, speaker in enumerate(speakers):
        of_speaker.setdefault(speaker, []).append(number)
    chosen = [False] * len(ids)
    possible: list[int] = []
    for numbers in of_speaker.values():
        if len(numbers) < 2:
            continue
        stays = max(numbers, key=lambda i: (hashes[i], i))
        for number in numbers:
            if number != stays:
                possible.append(number)
                chosen[number] = 10 * hashes[number] < 1 << 256
    if possible and not any(chosen):
        chosen[min(possible, key=lambda i: (hashes[i], i))] = True
    return chosen
