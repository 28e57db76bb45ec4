"""A book in a process of its own, on this machine or on a cluster's: what goes wrong there stays there.

A fresh interpreter, and not a fork: the caller may have threads, and more address space than a book may use.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mckennabot import __version__
from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError, MckennabotError, ResourceError
from mckennabot.extract.report import Report

MEMORY = 4 << 30  # bytes of address space to put a book together in
SECONDS = 4 * 3600.0


@dataclass(frozen=True)
class Task:
    """A book to be read.

    Attributes:
        source: its file, under a name that holds wherever it is read.
        settings: how.
        version: mckennabot's, where the task was made.
    """

    source: Path
    settings: ExtractSettings
    version: str = __version__


@dataclass(frozen=True)
class Fingerprint:
    """What tells a file from another, or from what it was before.

    Attributes:
        size: bytes.
        modified: when, in nanoseconds.
        sha256: of its content.
    """

    size: int
    modified: int
    sha256: str


@dataclass(frozen=True)
class Extracted:
    """What became of a book.

    Attributes:
        text: the corpus file's content.
        places: of the file beside it that says where its paragraphs stood.
        report: the account of it.
        origin: the file that it was made from.
    """

    text: str
    places: str
    report: Report
    origin: Fingerprint


_running: set[subprocess.Popen[bytes]] = set()
_stopped = threading.Event()


def extract_apart(task: Task) -> Extracted | MckennabotError:
    """Read a book in a process of its own; an error of the book comes back, and is not raised.

    Raises:
        ResourceError: another mckennabot than here made the task.
    """
    if task.version != __version__:
        raise ResourceError(f"the worker has mckennabot {__version__}, not {task.version}")
    # The same modules as here, and none from a directory that happens to be the current one.
    code = f"import sys; sys.path[:] = {sys.path!r}; from mckennabot.extract.worker import serve; serve()"
    with _started([sys.executable, "-c", code, str(os.getpid())]) as process:
        out, said = process.communicate(pickle.dumps(task))
    if process.returncode == 0:
        result = pickle.loads(out)
        assert isinstance(result, Extracted | MckennabotError)
        return result
    what = {
        -signal.SIGALRM: "it takes too long",
        -signal.SIGKILL: "its process was killed, perhaps for want of memory",
    }.get(process.returncode, f"it crashes the reader ({process.returncode}{_last_line(said)})")
    return InputError(what, path=task.source)


def start() -> None:
    """Allow books to be read again after `stop`."""
    _stopped.clear()


def stop() -> None:
    """End every book that this process is having read, and begin no other."""
    _stopped.set()
    for process in list(_running):
        process.kill()


@contextlib.contextmanager
def _started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        _running.add(process)
        try:
            if _stopped.is_set():
                process.kill()
            yield process
        finally:
            process.kill()
            _running.discard(process)


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""


def fingerprint(source: Path) -> Fingerprint:
    """Of a file as it is now.

    Raises:
        InputError: it cannot be read.
    """
    sha256 = hashlib.sha256()
    try:
        with source.open("rb") as file:
            status = os.fstat(file.fileno())
            while piece := file.read(1 << 20):
                sha256.update(piece)
    except OSError as error:
        raise InputError(f"cannot read the file ({error.strerror})", path=source) from error
    return Fingerprint(status.st_size, status.st_mtime_ns, sha256.hexdigest())


def serve() -> None:
    """What the process does: one task from stdin, its result to stdout; argv[1] is its parent's id."""
    from mckennabot.system.processes import die_with

    die_with(int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    task = pickle.load(sys.stdin.buffer)
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # whatever a library prints is not the result
        pickle.dump(_extract(task), out)


def _extract(task: Task) -> Extracted | MckennabotError:
    from mckennabot.extract import extract_book
    from mckennabot.system.inputs import check_file

    try:
        check_file(task.source)
        origin = fingerprint(task.source)  # before it is read: a later change shows
        book = extract_book(task.source, task.settings)
        return Extracted(book.text, book.places, book.report, origin)
    except MemoryError:
        return InputError("it takes too much memory", path=task.source)
    except MckennabotError as error:
        return error
