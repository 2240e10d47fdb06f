"""Labels that lie beside a recording: TextGrid, ELAN, CTM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from untold.contract import UNKNOWN, Interval
from untold.corpora._entry import Entry
from untold.corpora._walking import Found
from untold.errors import UntoldError

LABEL_ENDINGS = (".textgrid", ".eaf", ".ctm")


def label_files(root: Path, note: Callable[[str], None]) -> Mapping[str, Mapping[str, list[Interval]]]:
    """CTM files that lie in `root` itself and tell of many recordings: file -> tier -> intervals."""
    return {}


class Labels:
    """The label files of one recording."""

    def __init__(
        self, audio: Found, beside: Mapping[str, Found], shared: Mapping[str, Mapping[str, list[Interval]]],
        skip: Callable[[str, str], None],
    ) -> None:
        self._skip = skip

    def entries(self, entry: Entry) -> Iterator[Entry]:
        """The recording with its tiers, or its utterances one by one."""
        yield entry
