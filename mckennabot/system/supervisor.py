"""Lets work continue in a child, watched over by its parent, if libraries may abort the process.

The work goes on in a child. Signals are passed on to it, the end of what is written there below Python is
remembered in case it is aborted, and each of the two ends when the other has.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterable
from typing import Any, NoReturn

LEFT_ALONE = 75
"""Exit code of a child that ended since the process above it, or another that it needs, has gone."""

BEAT = 1.0
"""Seconds between signs of life from the parent."""

PATIENCE = 20.0
"""Seconds without one after which the child ends: whoever stops or kills the parent means the child too."""

KEPT = 1 << 16
"""Bytes that are remembered of what a library has written; it gives its reason last."""

_os: Any = os  # of which not every system has every name
_in_child = False


class Ended(Exception):  # noqa: N818 - it happened to the child
    """The child ended without being able to say why.

    Attributes:
        code: its exit code; a signal's number is negative.
        said: the end of what was written below Python, by a library in C for example.
    """

    def __init__(self, code: int, said: bytes) -> None:
        super().__init__(code, said)
        self.code = code
        self.said = said


def supported() -> bool:
    """Return whether this system can fork."""
    return hasattr(os, "fork")


def in_child() -> bool:
    """Return whether this process is such a child."""
    return _in_child


def work_in_child(signals: Iterable[signal.Signals]) -> None:
    """Continue in a child process; the parent ends as the child does.

    Must be called while there is one thread, and before anything large is loaded.

    Args:
        signals: to pass on.

    Raises:
        Ended: in the parent, for a child that a signal or the loss of another process has ended.
    """
    ours, childs = socket.socketpair()
    output, written = os.pipe()
    child = _os.fork()
    if child:
        childs.close()
        os.close(written)
        _watch(child, ours, output, signals)
    ours.close()
    os.close(output)
    global _in_child
    _in_child = True
    _os.setpgid(0, 0)  # Ctrl-C reaches the parent, which passes it on
    threading.Thread(target=_follow, args=(childs,), daemon=True).start()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace")
    for descriptor in (1, 2):
        os.dup2(written, descriptor)
    os.close(written)


def _follow(lifeline: socket.socket) -> NoReturn:
    """In the child: end when the parent has, or has stopped."""
    lifeline.settimeout(PATIENCE)
    try:
        while lifeline.recv(64):
            pass
    except OSError:
        pass
    os._exit(LEFT_ALONE)


def _watch(child: int, lifeline: socket.socket, output: int, signals: Iterable[signal.Signals]) -> NoReturn:
    """In the parent: pass signals on, and end as the child does."""
    for number in signals:
        signal.signal(number, lambda number, _: os.kill(child, number))
    lifeline.setblocking(False)
    _os.set_blocking(output, False)
    life, said, ended = lifeline.fileno(), b"", False
    while not ended:
        ended = life in select.select([life, output], [], [], BEAT)[0]  # nothing comes but its end
        while piece := _read(output):
            said = (said + piece)[-KEPT:]
        try:
            lifeline.send(b".")
        except OSError:  # full: the child has been stopped; or gone
            continue
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code >= 0 and code != LEFT_ALONE:
        sys.exit(code)
    raise Ended(code, said)


def _read(output: int) -> bytes:
    """What there is to read now."""
    try:
        return os.read(output, KEPT)
    except BlockingIOError:
        return b""
