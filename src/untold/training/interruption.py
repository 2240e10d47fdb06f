"""Ctrl-C in training: the step in hand is finished and the state saved, so that nothing is half done."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from untold.layers.across import spread


class Interruption:
    """As a context: the first Ctrl-C only sets `asked`, the second stops at once.

    Several processes are stopped by their launcher at different steps: there Ctrl-C keeps its usual meaning, and the
    last saved state is what is kept. The same outside of the main thread, where no signal arrives.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Interruption:
        if not spread() and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._heard)
        return self

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
