"""Locks between processes, each held through a file; the system releases it however the process ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

fcntl: Any
try:
    fcntl = __import__("fcntl")
except ImportError:  # Windows, which lets nobody rename or remove a file that is open
    fcntl = None
_os: Any = os  # of which not every system has every name


class Busy(Exception):  # noqa: N818 - it is what the other is
    """Another process holds the lock."""


@contextlib.contextmanager
def held(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock that the file at `path` stands for; the file stays.

    Args:
        path: made if need be.
        waiting: called once where another process holds the lock, which is then waited for; without it,
            nobody waits.

    Raises:
        Busy: another process holds it, and nobody waits.
        OSError: the file cannot be made or opened, or the file system knows no locks.
    """
    import filelock

    # filelock takes a place that cannot be written to for a lock that is held.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o644))
    lock = filelock.FileLock(str(path))
    try:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if waiting is None:
                raise Busy(str(path)) from None
            waiting()
            lock.acquire(poll_interval=0.1)
    except NotImplementedError as error:  # how filelock says ENOSYS
        raise OSError(f"the file system knows no locks: {path}") from error
    try:
        yield
    finally:
        lock.release()


def claim(descriptor: int) -> None:
    """Mark an open file or directory as under work until it is closed or the process ends; see `claimed`."""
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks, where nobody is sure
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def claimed(path: Path) -> bool:
    """Return whether a process is, or may be, at work on a file or directory; a killed one is not.

    Raises:
        OSError: it cannot be opened.
    """
    if fcntl is None:
        return True
    descriptor = os.open(path, os.O_RDONLY | _os.O_NONBLOCK | _os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
