"""A process that only watches over the one that trains, and says what ended it where that cannot.

In a job, JAX aborts a process as soon as it learns that another is gone, and libraries below it write
to the terminal as they like. So a job's process works in a child: what is written there below Python goes
to a temporary file, and its end, whatever it is, becomes an error like any other.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import sys
import tempfile
import threading
from typing import IO, NoReturn

from mckennabot.errors import MckennabotError, ResourceError
from mckennabot.finetune.interrupt import SIGNALS

LOST = 75
"""Exit code of a child that another process of the job has left alone; the parent knows what to say."""

BEAT = 1.0
"""Seconds between signs of life from the parent."""

PATIENCE = 20.0
"""Seconds without one after which the child ends: whoever stops or kills the parent means the child too."""


_in_child = False

_LOST_ERROR = ResourceError(
    "another process of this job has ended or no longer answers",
    hint="See what it says; all of them, started again, go on from the last save.",
)


def lost() -> ResourceError:
    """The error for a process that another has left alone; a child ends with it, so that it is said once."""
    if _in_child:
        os._exit(LOST)
    atexit.register(os._exit, ResourceError.exit_code)  # JAX would wait for the other
    return _LOST_ERROR


def work_in_child() -> None:
    """Go on in a child process; the parent ends as that does.

    To be called while there is one thread, and before anything large is loaded.

    Raises:
        ResourceError: in the parent, for a child that could not say why it ended.
    """
    ours, childs = socket.socketpair()
    log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as both processes
    child = os.fork()
    if child:
        childs.close()
        _watch(child, ours, log)
    ours.close()
    global _in_child
    _in_child = True
    os.setpgid(0, 0)  # Ctrl-C reaches the parent, which passes it on
    threading.Thread(target=_follow, args=(childs,), daemon=True).start()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace")
    for descriptor in (1, 2):
        os.dup2(log.fileno(), descriptor)


def _follow(lifeline: socket.socket) -> NoReturn:
    """In the child: end when the parent has, or has stopped."""
    lifeline.settimeout(PATIENCE)
    try:
        while lifeline.recv(64):
            pass
    except OSError:
        pass
    os._exit(LOST)


def _watch(child: int, lifeline: socket.socket, log: IO[bytes]) -> NoReturn:
    """In the parent: pass signals on, and end as the child does."""
    for number in SIGNALS:
        signal.signal(number, lambda number, _: os.kill(child, number))
    lifeline.setblocking(False)
    while not select.select([lifeline], [], [], BEAT)[0]:  # nothing comes but its end
        try:
            lifeline.send(b".")
        except OSError:  # full: the child has been stopped; or gone
            continue
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code >= 0 and code != LOST:
        sys.exit(code)
    log.seek(0)
    raise _explained(code, log.read())


def _explained(code: int, said: bytes) -> MckennabotError:
    if code == LOST or b"JAX distributed service" in said:
        return _LOST_ERROR
    last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return ResourceError(
        f"the training process was ended by {signal.Signals(-code).name}{last and f' ({last[:200]})'}",
        hint="Where memory is short: a smaller --batch-size or --block-size.",
    )
