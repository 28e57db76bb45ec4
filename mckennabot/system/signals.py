"""Handles the signals that ask a command to end; what is worth keeping is saved first."""

from __future__ import annotations

import _thread
import os
import signal
import stat
import sys
import threading
import time

ENDING: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
"""Ctrl-C, SIGTERM, the closing of the terminal, and Ctrl-Break on Windows; those that this system has."""


def ending() -> list[signal.Signals]:
    """Return the signals that end this command: `ENDING`, without SIGHUP if it is ignored (nohup)."""
    return [n for n in ENDING if n.name != "SIGHUP" or signal.getsignal(n) is not signal.SIG_IGN]


def received(number: int) -> None:
    """Detach from the terminal after a hang-up, since writing to it would fail; a handler's first call."""
    if number != getattr(signal, "SIGHUP", None):
        return
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        try:
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(nowhere, descriptor)
        except OSError:
            continue
    os.close(nowhere)


def keep_interrupts() -> None:
    """Raise `KeyboardInterrupt` again if it came during a ``__del__``, where Python prints and drops it."""
    usual = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _thread.start_new_thread(_interrupt_soon, ())
        else:
            usual(unraisable)

    sys.unraisablehook = hook


def _interrupt_soon() -> None:
    # Raised by the hook itself it would be dropped again; by then the `__del__` has most likely returned.
    time.sleep(0.01)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # the command is over
        return
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:  # a signal of its own, since nothing less wakes a thread that waits
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
