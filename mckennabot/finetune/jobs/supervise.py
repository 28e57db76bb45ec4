"""Lets a job's process work in a child, since JAX aborts it as soon as it learns that another is gone.

However the child ends, it becomes an error like any other; see `mckennabot.system.supervisor`.
"""

from __future__ import annotations

import atexit
import os
import signal

from mckennabot.errors import MckennabotError, ResourceError
from mckennabot.system import signals, supervisor

_LOST_ERROR = ResourceError(
    "another process of this job has ended or no longer answers",
    hint="See what it says; all of them, started again, go on from the last save.",
)


def lost() -> ResourceError:
    """Return the error for a lost process; a child ends instead, so that its parent reports it once."""
    if supervisor.in_child():
        os._exit(supervisor.LEFT_ALONE)
    atexit.register(os._exit, ResourceError.exit_code)  # JAX would wait for the other
    return _LOST_ERROR


def work_in_child() -> None:
    """Continue in a child process, if the system can fork; the parent ends as the child does.

    Raises:
        ResourceError: in the parent, if the child could not say why it ended.
    """
    if not supervisor.supported():
        return
    try:
        supervisor.work_in_child(signals.ending())
    except supervisor.Ended as ended:
        raise _explained(ended.code, ended.said) from ended


def _explained(code: int, said: bytes) -> MckennabotError:
    if code == supervisor.LEFT_ALONE or b"JAX distributed service" in said:
        return _LOST_ERROR
    last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return ResourceError(
        f"the training process was ended by {signal.Signals(-code).name}{last and f' ({last[:200]})'}",
        hint="Where memory is short: a smaller --batch-size or --block-size.",
    )
