"""Say what a source holds: hours, speakers, labels, what is skipped and why, and how far labels lag the sound."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from untold.commands._terminal import Terminal
from untold.errors import printable

if TYPE_CHECKING:
    from untold.corpora import Corpus

_NAMED_FIRST = 10


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command line."""
    parser.add_argument("source", metavar="SOURCE", help="recordings: a folder, a manifest, or a corpus by name (untold list corpora)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")


def run(
    source: str, *, json: bool = False, force: bool = False, device: str = "auto", threads: int | None = None,
    limit: int | None = None, quiet: bool = False,
) -> Corpus:
    """Reads a source into the cache, says what it holds, and gives the corpus."""
    from untold.corpora import counted, open_source

    terminal = Terminal(quiet)
    with Terminal(quiet or json).bar(0, counted(source), "reading recordings") as bar:
        corpus = open_source(source, limit=limit, progress=bar.advance)
    facts = gather(corpus)
    if json:
        terminal.result(_dumped(facts))
    else:
        _say(terminal, corpus, facts)
    return corpus


def gather(corpus: Corpus) -> dict[str, Any]:
    """All that is said of a corpus, as JSON values; seconds unless a name says otherwise."""
    from collections import Counter

    from untold.corpora import held_out
    from untold.corpora._lag import lag

    speakers, sexes = corpus.sides("speaker"), corpus.sides("sex")
    of_sex: dict[str, set[str]] = {}
    for who, sex in zip(speakers, sexes, strict=True):
        of_sex.setdefault(sex, set()).add(who)
    steps, rate = corpus.steps(), corpus.medium.rate
    declared = corpus.declared()
    trained = [i for i, split in enumerate(declared) if split == "train"]
    ids = list(corpus.ids())
    held = sum(held_out([ids[i] for i in trained], [speakers[i] for i in trained]))
    seen = Counter(corpus.medium.kind(corpus.origin(i).facts) for i in range(len(corpus)))
    found = [(name, lag(corpus, name)) for name in corpus.tiers] if corpus.axis == "second" else []
    if any(one is not None and one.mask == "vowels" for _, one in found):  # what is rougher tells nothing beside it
        found = [(name, one) for name, one in found if one is not None and one.mask == "vowels"]
    return {
        "source": corpus.source, "taken_for": corpus.name, "description": corpus.description,
        "recordings": len(corpus), "axis": corpus.axis, f"{corpus.axis}s": corpus.length,
        **({"hours": corpus.length / 3600} if corpus.axis == "second" else {}),
        "shortest": float(steps.min()) / rate, "median": sorted(steps.tolist())[len(steps) // 2] / rate,
        "longest": float(steps.max()) / rate,
        "speakers": len(corpus.speakers), "recordings_of_unknown_speakers": speakers.count("unknown"),
        "sexes": {sex: len(who - {"unknown"}) for sex, who in sorted(of_sex.items()) if who - {"unknown"}},
        "languages": dict(Counter(corpus.sides("language")).most_common(20)) if "language" in corpus.side_names else {},
        "kinds": dict(sorted(seen.items())),
        "tiers": {name: {"intervals": count, "lag": None} for name, count in corpus.counts().items()}
        | {name: {"intervals": corpus.counts()[name], "lag": one.seconds, "lag_by": one.mask, "lag_warns": one.warns}
           for name, one in found if one is not None},
        "splits": {"train": len(trained) - held, "held_out": held, "evaluation": len(declared) - len(trained)},
        "skipped": corpus.skipped_count,
        "skipped_first": [{"name": name, "reason": reason} for name, reason in corpus.skipped],
        "notes": list(corpus.notes), "fingerprint": corpus.fingerprint,
        "decoded_bytes": int(steps.sum()) * corpus.medium.width,
    }


def _say(terminal: Terminal, corpus: Corpus, facts: dict[str, Any]) -> None:
    def say(line: str) -> None:
        terminal.result(printable(line))  # names with line ends in them stay on their line

    say(facts["description"])
    unit, fine = ("s", 2) if corpus.axis == "second" else (f"{corpus.axis}s", 0)
    say(f"lengths: {facts['shortest']:.{fine}f} to {facts['longest']:.{fine}f} {unit}, median {facts['median']:.{fine}f} {unit}")
    if facts["speakers"]:
        told = set(facts["sexes"]) - {"unknown"}
        sexes = " (" + ", ".join(f"{count} {sex}" for sex, count in facts["sexes"].items()) + ")" if told else ", sexes not told"
        unknown = facts["recordings_of_unknown_speakers"]
        say(f"{corpus.medium.who}s: {facts['speakers']}{sexes}" + (f"; {unknown} recordings of unknown ones" if unknown else ""))
    if facts["languages"]:
        first = list(facts["languages"].items())[:8]
        say("languages: " + ", ".join(f"{name} ({count})" for name, count in first) + (", ..." if len(facts["languages"]) > 8 else ""))
    say(corpus.medium.described(facts["kinds"]))
    for name, tier in facts["tiers"].items():
        say(f"tier {name}: {tier['intervals']} intervals" + _lag_in_words(tier))
        if tier.get("lag_warns"):
            say(f"warning: the labels of {name} are {abs(tier['lag']) * 1000:.0f} ms {'late' if tier['lag'] > 0 else 'early'}: "
                "boundary scores on them mean nothing until they are moved")
    splits = ", ".join(f"{name} {count}" for name, count in facts["splits"].items())
    say(f"splits: {splits}")
    if facts["skipped"]:
        say(f"skipped: {facts['skipped']}")
        for one in facts["skipped_first"][:_NAMED_FIRST]:
            say(f"  {one['name']}: {one['reason']}")
        if facts["skipped"] > _NAMED_FIRST:
            say(f"  ... and {facts['skipped'] - _NAMED_FIRST} more (all with --json)")
    for note in facts["notes"]:
        say(f"note: {note}")
    say(f"cost: {facts['decoded_bytes'] / 1e6:.1f} MB of decoded recordings in the cache")


def _lag_in_words(tier: dict[str, Any]) -> str:
    if tier["lag"] is None:
        return ""
    rough = "" if tier["lag_by"] == "vowels" else ", roughly"
    return f", lag {tier['lag'] * 1000:+.0f} ms{rough}"


def _dumped(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=True, allow_nan=False)
