"""Runs work in a child process, with bounds on memory and time, which ends when its parent ends.

There is one kind of child for everything that must not harm the command that needs it: files that nobody
can trust, and libraries that take gigabytes or hours. On Linux the kernel keeps the bounds: a timer that
nothing catches ends a process that has used up its time, wherever it hangs; a limit on its address space;
and a signal when its parent dies. Elsewhere (macOS, Windows) a thread in the child checks memory and parent
several times a second, and the parent checks the time. Time is the processor's, so that no page is lost
because the machine is busy or was asleep; the parent also ends a child that waits without working.

A child is forked where that is possible: it inherits what is loaded, and starts in a millisecond. It is a
fresh interpreter where it is not, or where the work asks for one; then the work travels by pickle.
"""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

from mckennabot.errors import MckennabotError
from mckennabot.system.signals import ENDING

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MEMORY = 800 << 20  # bytes, besides what the parent has
TOO_LONG = "it takes too long"
TOO_LARGE = "it takes too much memory"
PATIENCE = 2  # times its own time that a child may wait without working
RENEW = 75  # exit code of a child that wants to be replaced by a fresh one
_FULL = 76  # of one that has used up its memory, where it looks after that itself
_LOOK = 0.25  # seconds between looks at parent and memory, where the kernel does not look

SAFE_PATH = "PYTHONSAFEPATH"
"""Set, Python imports nothing from the current directory; from version 3.11 on."""

_PR_SET_PDEATHSIG = 1
_FORKS = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
_signal: Any = signal  # of which not every system has every name
_TIMERS = hasattr(signal, "setitimer")
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_starting = threading.Lock()


class Child:
    """A child process with a pipe to it.

    Args:
        serve: what runs in it, given its end of the pipe; where processes do not fork it must pickle.
        memory: bytes that it may use, beside what it inherits; None is no bound.
        fresh: start an interpreter of its own even where processes fork. Such a child may have children.
    """

    def __init__(
        self, serve: Callable[[Connection], None], memory: int | None = MEMORY, *, fresh: bool = False
    ) -> None:
        fork = _FORKS and not fresh
        # mypy knows no type for what the two contexts have in common.
        context: Any = multiprocessing.get_context("fork" if fork else "spawn")
        self.pipe, theirs = context.Pipe()
        self._late = False
        self._worked, self._since = 0.0, time.monotonic()
        self._process = context.Process(
            target=_run, args=(serve, theirs, memory, os.getpid()), daemon=not fresh
        )
        with _signals_blocked(), _as_if_alone(not fork):
            self._process.start()
        theirs.close()

    def end(self) -> str | None:
        """Wait for a process that has closed its pipe; return what it died of, None if it ended by itself."""
        self._process.join()
        self.pipe.close()
        # Another thread that starts a child may have been the one to learn of this one's end.
        while (code := self._process.exitcode) is None:
            self._process.join(0.01)
        if code in (0, RENEW):
            return None
        if self._late or (_TIMERS and code == -_signal.SIGPROF):
            return TOO_LONG
        if code == _FULL:
            return TOO_LARGE
        if code == -9:
            return "it was killed, perhaps for want of memory"
        return f"it crashes the reader ({code})"

    def stop(self) -> None:
        """Kill it as if its time were used up; `end` then says so."""
        self._late = True
        self._process.kill()

    def kill(self) -> None:
        """Kill it, and wait for its end."""
        with suppress(OSError):
            self._process.kill()
        self.end()

    def seconds(self) -> float:
        """Return the seconds of processor time that it has taken so far."""
        import psutil

        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except (OSError, psutil.Error):  # it has ended
            return self._worked
        return float(times.user + times.system)

    def idle(self) -> float:
        """Return the seconds, by the wall clock, since a call of this last saw it at work."""
        worked = self.seconds()
        if worked > self._worked:
            self.wake(worked)
        return time.monotonic() - self._since

    def wake(self, worked: float | None = None) -> None:
        """Count idle time from now on."""
        self._worked = self.seconds() if worked is None else worked
        self._since = time.monotonic()


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Let this process die if the block takes more processor time; only for children."""
    if seconds is None or not _TIMERS:
        yield
        return
    _signal.setitimer(_signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        _signal.setitimer(_signal.ITIMER_PROF, 0)


class Died(Exception):  # noqa: N818 - it happened to the child
    """A contained call ended without a result; the message says why."""


class Call:
    """A function that runs in a child while this process continues.

    Args:
        function: its result comes back through a pipe, and so do the errors that `passing` names. Where
            processes do not fork it must pickle: a `functools.partial` of a module's function, no lambda.
        seconds: of the processor's time that it may take; None is no bound.
        memory: bytes that it may use, beside what it inherits; None is no bound.
        fresh: have an interpreter of its own, as in `Child`.
        passing: kinds of errors that are the caller's.
    """

    def __init__(
        self,
        function: Callable[[], Any],
        seconds: float | None,
        *,
        memory: int | None = MEMORY,
        fresh: bool = False,
        passing: tuple[type[Exception], ...] = (MckennabotError,),
    ) -> None:
        self._child = Child(_Once(function, seconds, passing), memory, fresh=fresh)
        self._seconds = seconds

    def result(self) -> Any:
        """Wait for the result.

        Raises:
            Died: the child ended without a result.
            MckennabotError: what it raised, or another error of the kinds that pass.
        """
        try:
            while not self._child.pipe.poll(None if self._seconds is None else 1.0):
                self._look()
            result = self._child.pipe.recv()
        except (EOFError, ConnectionError):
            raise Died(self._child.end() or "it ended early") from None
        except BaseException:
            self._child.kill()
            raise
        self._child.end()
        if isinstance(result, Exception):
            raise result
        return result

    def kill(self) -> None:
        """End it at once; whoever waits for its result learns that it died. From any thread."""
        with suppress(OSError):
            self._child._process.kill()

    def _look(self) -> None:
        assert self._seconds is not None
        idle = self._child.idle()
        if idle > PATIENCE * self._seconds or self._child.seconds() > PATIENCE * self._seconds:
            raise Died(TOO_LONG)


class _Once:
    """Runs a `Call` in its child; an object rather than a closure, so that it can be pickled."""

    def __init__(
        self, function: Callable[[], Any], seconds: float | None, passing: tuple[type[Exception], ...]
    ) -> None:
        self._function, self._seconds, self._passing = function, seconds, passing

    def __call__(self, pipe: Connection) -> None:
        with deadline(self._seconds):
            try:
                result: Any = self._function()
            except self._passing as error:
                result = error
            except MemoryError:
                result = Died(TOO_LARGE)
            except Exception as error:
                result = Died(f"{type(error).__name__}: {error}")
        pipe.send(result)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block signals while Python forks: one that came then would be lost, or handled in both processes."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


@contextmanager
def _as_if_alone(fresh: bool) -> Iterator[None]:
    """Keep multiprocessing from three things that it does to whoever starts a process.

    A fresh interpreter would run the user's script again, which may have no guard against that; and until
    it is told its path, it would take the current directory's ``struct.py`` for Python's own. And a worker
    of Dask is a daemon, which would not be allowed to start one.
    """
    with _starting:
        main, me = sys.modules["__main__"], multiprocessing.current_process()
        daemon = me.daemon
        if fresh:
            sys.modules["__main__"] = types.ModuleType("__main__")
            me.daemon = False
            safe = os.environ.get(SAFE_PATH)
            os.environ[SAFE_PATH] = "1"
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            if fresh:
                me.daemon = daemon
                if safe is None:
                    del os.environ[SAFE_PATH]
                else:
                    os.environ[SAFE_PATH] = safe


def _run(serve: Callable[[Connection], None], pipe: Connection, memory: int | None, parent: int) -> NoReturn:
    """Run a child: bind it, serve, and leave without the exit handlers that its parent registered."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent sees to it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if _TIMERS:
        signal.signal(_signal.SIGPROF, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, ENDING)
    _bind(memory, parent)
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
    pipe.close()
    os._exit(code)


def _bind(memory: int | None, parent: int) -> None:
    """Bind this process to its parent's life and to its memory limit."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, 9)
        if os.getppid() != parent:
            os._exit(0)
    if resource is not None and sys.platform == "linux":
        if memory is not None:
            room, most = memory + _address_space(), resource.getrlimit(resource.RLIMIT_AS)[1]
            room = room if most == resource.RLIM_INFINITY else min(room, most)
            resource.setrlimit(resource.RLIMIT_AS, (room, room))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    else:
        threading.Thread(target=_look_after, args=(memory,), daemon=True).start()


def _address_space() -> int:
    """Return this process's address space in bytes; a parent with TensorFlow hands down gigabytes."""
    import psutil

    return int(psutil.Process().memory_info().vms)


def _look_after(memory: int | None) -> NoReturn:
    """In a thread: end this process when its parent has ended, or with too much memory."""
    import psutil

    me, above = psutil.Process(), parent_process()
    most = None if memory is None else memory + me.memory_info().rss
    while True:
        if above is not None and wait([above.sentinel], _LOOK):
            os._exit(0)
        if most is not None and me.memory_info().rss > most:
            os._exit(_FULL)
        time.sleep(0 if above is not None else _LOOK)
