"""Ctrl-C, SIGTERM or a closed terminal while training: finish the step, save, then leave."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from mckennabot.errors import Interrupted
from mckennabot.system import signals


class Interruption:
    """Takes over these signals for the length of a ``with`` block.

    Before `defer` a signal ends the block at once, for there is nothing to save. After it the first signal
    only sets `requested`; a second ends the block at once. Either way the block ends in `Interrupted`.

    Attributes:
        requested: whether a signal has come.
    """

    def __init__(self) -> None:
        self.requested = False
        self._deferring = False
        self._previous: dict[signal.Signals, Any] = {}

    def defer(self) -> None:
        """Let the next signal only be noted: from now on there is something to save."""
        self._deferring = True

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in signals.ending()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        # A library that is interrupted while it loads may turn the interruption into an error of its own.
        if self.requested and error is not None and not isinstance(error, Interrupted):
            raise Interrupted("interrupted; nothing new to save") from error

    def _handle(self, number: int, frame: FrameType | None) -> None:
        signals.received(number)
        first, self.requested = not self.requested, True
        if not (first and self._deferring):
            raise KeyboardInterrupt
