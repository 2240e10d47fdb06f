"""What `discover` measures on each kind of recordings, beside whom, and which of the scores stand on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from untold.contract import Unit


@dataclass(frozen=True)
class Instruments:
    """Tasks by what they need; a front end as a rival is named by its place among `_scoring.yardsticks`.

    `remade` and `coded` need a decoder, `texts` need texts, `features` and `units` need labels with places. `mixture` are the
    changes under which the mixture reads these recordings. `shown` are scores by metric and conventions. `labelled` names
    in words what needs labels, `without` that there are none, `absent` what cannot be asked of such recordings at all.
    """

    features: tuple[str, ...]
    probed: tuple[int, ...]  # yardsticks that are probed
    shown: tuple[Mapping[str, str], ...]
    labelled: str
    without: str
    remade: tuple[str, ...] = ()
    coded: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    units: tuple[str, ...] = ("clusters", "boundaries")
    mixture: Mapping[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


SOUND = Instruments(
    features=("abx", "probes"), probed=(0, 2), labelled="ABX, probes, PNMI and boundaries", without="the recordings have no labels in time", remade=("conversion",), coded=("codec",),
    shown=(
        {"metric": "abx_across", "kind": "phone", "context": "any"}, {"metric": "abx_within", "kind": "phone", "context": "any"},
        {"metric": "phone_accuracy"}, {"metric": "speaker_accuracy"}, {"metric": "gender_accuracy"}, {"metric": "pnmi", "silence": "out"},
        {"metric": "r_value"}, {"metric": "bits_per_second", "accounting": "unigram"}, {"metric": "bits_per_dim"},
    ),
)
LINES = Instruments(
    features=("probes",), probed=(0,), labelled="Probes, mutual information and boundaries", without="the lines have no characters with places", texts=("recognition",), units=("clusters", "boundaries", "mapped"),
    mixture={"input": {"name": "columns"}, "crop": 320.0, "context": 0, "scale": 0.3},
    shown=(
        {"metric": "character_accuracy", "silence": "in"}, {"metric": "speaker_accuracy"}, {"metric": "mutual_information", "silence": "in"},
        {"metric": "token_to_character", "silence": "in"}, {"metric": "r_value"}, {"metric": "cer"}, {"metric": "bits_per_pixel", "accounting": "unigram"},
    ),
    absent=(
        "ABX: its items are stretches of sound; characters are told apart by probes and by recognition.",
        "Codecs: they are rivals for sound; what is drawn of the units stands on this page.",
        "Conversion: it is judged by ear; what is redrawn in other hands stands on this page.",
    ),
)
INSTRUMENTS: Mapping[Unit, Instruments] = {"second": SOUND, "pixel": LINES}
