"""Processes for work on files that nobody can trust: bounded memory, and bounded time from outside.

The kernel keeps the bounds: a timer that nothing catches ends a process that has used up its time,
wherever it hangs, and a child dies with its parent. Time is the processor's, so that a busy machine, or
one that was asleep, costs nobody a page; the parent ends what waits without working.
"""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from mckennabot.errors import MckennabotError

MEMORY = 800 << 20  # bytes of address space, beside what the parent has
TOO_LONG = "it takes too long"
PATIENCE = 2  # times its own time that a child gets by the clock on the wall
RENEW = 75  # exit code of a child that wants to be replaced by a fresh one

_HELD = (signal.SIGINT, signal.SIGTERM)
_PR_SET_PDEATHSIG = 1
_fork = multiprocessing.get_context("fork")
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child:
    """A forked process with a pipe to it.

    Args:
        serve: what runs in it, given its end of the pipe.
        memory: bytes of address space that it may use, beside what it inherits.
    """

    def __init__(self, serve: Callable[[Connection], None], memory: int = MEMORY) -> None:
        self.pipe, theirs = _fork.Pipe()
        self._late = False
        self._process = _fork.Process(target=_run, args=(serve, theirs, memory, os.getpid()), daemon=True)
        # A signal that comes while Python forks would be swallowed here, or be answered by both.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    def end(self) -> str | None:
        """Wait for a process that has closed its pipe; what it died of, None if it wanted to end."""
        self._process.join()
        self.pipe.close()
        code = self._process.exitcode
        if code in (0, RENEW):
            return None
        if self._late or code == -signal.SIGPROF:
            return TOO_LONG
        if code == -signal.SIGKILL:
            return "it was killed, perhaps for want of memory"
        return f"it crashes the reader ({code})"

    def stop(self) -> None:
        """Have it die at once, as if its time were used up; `end` then says so."""
        self._late = True
        self._process.kill()

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self.end()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Let this process die if the block takes more of the processor's time; only for children."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


class Died(Exception):  # noqa: N818 - it happened to the child
    """A contained call ended without a result; the message says of what."""


class Call:
    """A function that runs in a child while this process goes on.

    Args:
        function: its result, or the `MckennabotError` that it raises, comes back through a pipe.
        seconds: of the processor's time that it may take.
    """

    def __init__(self, function: Callable[[], Any], seconds: float) -> None:
        def serve(pipe: Connection) -> None:
            with deadline(seconds):
                try:
                    result: Any = function()
                except MckennabotError as error:
                    result = error
                except MemoryError:
                    result = Died("it takes too much memory")
                except Exception as error:
                    result = Died(f"{type(error).__name__}: {error}")
            pipe.send(result)

        self._child = Child(serve)
        self._patience = PATIENCE * seconds

    def result(self) -> Any:
        """Wait for it.

        Raises:
            Died: it ended without a result.
            MckennabotError: what it raised.
        """
        try:
            if not self._child.pipe.poll(self._patience):
                raise Died(TOO_LONG)
            result = self._child.pipe.recv()
        except EOFError:
            raise Died(self._child.end() or "it ended early") from None
        except BaseException:
            self._child.kill()
            raise
        self._child.end()
        if isinstance(result, Exception):
            raise result
        return result


def die_with(parent: int) -> None:
    """Let the kernel end this process when its parent, of that id, ends."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _inherited() -> int:
    """Bytes of address space that this process has; a parent with TensorFlow in it hands down gigabytes."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:  # no Linux
        return 0


def _run(serve: Callable[[Connection], None], pipe: Connection, memory: int, parent: int) -> NoReturn:
    """What a child does: bind itself, serve, and leave without its parent's farewells."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent sees to it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
    die_with(parent)
    memory += _inherited()
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    code = 1
    with suppress(BaseException):
        try:
            serve(pipe)
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
    os._exit(code)
