"""Makes an item file for ABX from a tier of labels.

The items are the phones of the tier (or each with its two neighbours, as a triphone), without silence; times are exact.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from untold.commands._terminal import Terminal
from untold.errors import UntoldError

if TYPE_CHECKING:
    from untold.formats.item import Item

FOLDS = ("timit39",)


def _seconds(word: str) -> Fraction:
    """An exact time of at least 0 for an option."""
    try:
        seconds = Fraction(word) if len(word) <= 40 and "e" not in word.lower() else Fraction(-1)
    except (ValueError, ZeroDivisionError):
        seconds = Fraction(-1)
    if seconds < 0:
        raise argparse.ArgumentTypeError(f"{word!r} is no time in seconds")
    return seconds


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `untold items`."""
    parser.add_argument("source", metavar="SOURCE", help="recordings with a tier of labels")
    parser.add_argument("--tier", default=None, metavar="NAME", help="the tier (phones, where there is one)")
    parser.add_argument("--kind", default="phone", choices=["triphone", "phone"], help="what an item covers (phone)")
    parser.add_argument("--fold", choices=FOLDS, help="fold labels to fewer classes")
    parser.add_argument(
        "--shortest", type=_seconds, default=Fraction(0), metavar="SECONDS", help="leave out shorter items"
    )
    parser.add_argument(
        "--split", default="all", choices=["train", "held_out", "evaluation", "all"], help="only this part of SOURCE"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.item", help="the file to write")


def run(
    source: str,
    *,
    out: Path | str,
    tier: str | None = None,
    kind: Literal["triphone", "phone"] = "phone",
    fold: str | None = None,
    shortest: Fraction | float | str = Fraction(0),
    split: str = "all",
    force: bool = False,
    limit: int | None = None,
    quiet: bool = False,
    **_: Any,
) -> list[Item]:
    """Writes the items of SOURCE to `out` and returns them."""
    from untold.corpora import open_source
    from untold.evaluation._abx_items import items_of
    from untold.evaluation._labels import tier_of
    from untold.formats.item import write_items

    terminal, out = Terminal(quiet), Path(out)
    if out.exists() and not force:
        raise UntoldError(f"{out} is there already: name another file with --out, or replace it with --force")
    corpus = open_source(str(source), limit=limit, split=split, say=terminal.say)
    name = tier_of(corpus.tiers, tier)
    least = shortest if isinstance(shortest, Fraction) else Fraction(str(shortest))
    made = list(items_of(corpus, name, kind=kind, fold=fold, shortest=least))
    if not made:
        raise UntoldError(
            f"the tier {name!r} of {source} gives no {kind} item: its labels are all silence, apart, or too short"
        )
    write_items(out, made)
    terminal.say(
        f"{len(made)} {kind} items, {len({i.phone for i in made})} phones, {len({i.speaker for i in made})} speakers, tier {name}: {out}"
    )
    return made
