"""Embedded: real handwritten digits set into lines by made-up pens; exact places of every digit.

The 1797 digits of scikit-learn (43 people, 8 x 8 pixels, UCI Optical Recognition of Handwritten Digits) are enlarged, and
each of 16 pens writes with a slant, a size, a stroke and a spacing of its own. Twelve pens write the lines for training,
four others those for evaluation, with other digits. Pens are not people: who wrote a digit is not known any more. Labels
are the digits and the blanks between numbers; a digit ends where the next begins, in the middle of the gap.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from untold.contract import Interval
from untold.corpora._entry import Entry
from untold.corpora._making import made_once
from untold.corpora._setting import Hand, Sort, in_words, inked, set_line
from untold.errors import unknown_name
from untold.formats._writing import write_json

LICENCE = "CC BY 4.0 (UCI, Alpaydin and Kaynak 1998), as scikit-learn brings them"
WHERE = "comes with untold"
EMBEDDED = True
MEDIUM = "line"
TITLE = "the embedded corpus digit-lines"

_FORM = 1  # of the corpus: another number makes it anew
_INDEX = "digit-lines.jsonl"
_PENS, _JUDGES = 12, 4
_LINES, _JUDGED = 40, 20  # of each pen


def prepare(options: Mapping[str, str], cache: Path) -> Path:
    """The folder of the corpus below `cache`, made when it is not there yet (a few seconds). It has no options."""
    for name in options:
        raise unknown_name("setting of digit-lines", name, ())
    folder = cache / "digit-lines" / f"form-{_FORM}"
    return made_once(folder, _INDEX, lambda work, made: _make(made))


def recognise(root: Path) -> bool:
    """Whether `root` is a folder that `prepare` made."""
    return (root / _INDEX).is_file()


def read(root: Path, skip: Callable[[str, str], None], note: Callable[[str], None]) -> Iterator[Entry]:
    """Lines pen after pen in turn, training first. Places are exact."""
    note("real digits, set into lines by made-up pens; their places are exact")
    index = root / _INDEX
    with index.open(encoding="utf-8") as lines:
        for line in lines:
            told = json.loads(line)
            tier = [Interval(Fraction(a), Fraction(b), label) for a, b, label in told["characters"]]
            yield Entry(told["id"], root / f"{told['id']}.png", sides={"speaker": told["pen"]}, tiers={"characters": tier}, split=told["split"], labels=(index,), made_up=True)


def _digits() -> list[list[np.ndarray]]:
    """Ink (height, width) float in [0, 1] of every digit, by class, enlarged to 40 pixels of height."""
    from sklearn.datasets import load_digits

    found = load_digits()
    out: list[list[np.ndarray]] = [[] for _ in range(10)]
    for picture, label in zip(found.images, found.target, strict=True):
        large = ndimage.zoom(np.pad(picture / 16, 1), 5, order=3).clip(0, 1)
        large = np.clip((ndimage.gaussian_filter(large, 1.0) - 0.25) * 2.2, 0, 1)
        out[label].append(inked(large))
    return out


def _pick(draw: np.random.Generator, own: list[list[np.ndarray]]) -> Sort:
    label = int(draw.integers(10))
    return Sort(str(label), own[label][int(draw.integers(len(own[label])))])


def _make(made: Path) -> None:
    made.mkdir()
    digits, digest = _digits(), hashlib.sha256()
    with (made / _INDEX).open("w", encoding="utf-8") as index:
        for split, pens, lines in (("train", range(_PENS), _LINES), ("evaluation", range(_PENS, _PENS + _JUDGES), _JUDGED)):
            own = [some[: len(some) * 2 // 3] if split == "train" else some[len(some) * 2 // 3 :] for some in digits]
            for turn in range(lines):
                for pen in pens:
                    draw = np.random.default_rng((_FORM, pen, turn))
                    sorts = in_words(draw, partial(_pick, draw, own), (3, 6), (1, 5))
                    ink, tier = set_line(sorts, Hand.of((_FORM, pen)), draw)
                    name = f"pen-{pen + 1:02d}/line-{turn + 1:03d}"
                    (made / name).parent.mkdir(exist_ok=True)
                    values = np.round(255 * ink).astype(np.uint8)
                    digest.update(values.tobytes())
                    Image.fromarray(values, "L").save(made / f"{name}.png")
                    index.write(json.dumps({"id": name, "pen": f"pen-{pen + 1:02d}", "split": split, "characters": tier}) + "\n")
    write_json(made / "made.json", {"form": _FORM, "sha256": digest.hexdigest()})
