"""Extract a book in a process of its own, so that what goes wrong there stays there.

Runs on this machine, or on a worker of a cluster. The process is a fresh interpreter, not a fork: the caller
may have threads, and more address space than a book may use.
"""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mckennabot import __version__
from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError, MckennabotError, ResourceError
from mckennabot.extract.report import Report
from mckennabot.system.processes import Call, Died

MEMORY = 4 << 30
"""Bytes that a book may take in all."""
SECONDS = 4 * 3600.0
"""CPU seconds that a book may take; the limits on its pages end nearly all of them much sooner."""


@dataclass(frozen=True)
class Task:
    """A book to extract.

    Attributes:
        source: its file, under a path that is valid where it is read.
        settings: how to read it.
        version: version of mckennabot that made the task.
    """

    source: Path
    settings: ExtractSettings
    version: str = __version__


@dataclass(frozen=True)
class Fingerprint:
    """Identity of a file's content.

    Attributes:
        size: bytes.
        modified: time of its last change, in nanoseconds.
        sha256: digest of its content.
    """

    size: int
    modified: int
    sha256: str


@dataclass(frozen=True)
class Extracted:
    """An extracted book.

    Attributes:
        text: the content of its corpus file.
        places: the content of the file of places next to it (`mckennabot.places`).
        report: what was found and left out.
        origin: the file that it was made from.
    """

    text: str
    places: str
    report: Report
    origin: Fingerprint


class Calls:
    """The processes that one caller has started, to be stopped together."""

    def __init__(self) -> None:
        self._running: set[Call] = set()
        self._stopped = threading.Event()

    def result(self, call: Call) -> Extracted:
        """Wait for a book.

        Raises:
            Died, MckennabotError: as `Call.result`.
        """
        # Registered before the check, so that a `stop` in between is not missed.
        self._running.add(call)
        try:
            if self._stopped.is_set():
                call.kill()
            extracted: Extracted = call.result()
            return extracted
        finally:
            self._running.discard(call)

    def stop(self) -> None:
        """Stop every book that is being read, and any that begins later."""
        self._stopped.set()
        for call in list(self._running):
            call.kill()


def extract_isolated(task: Task, calls: Calls | None = None) -> Extracted | MckennabotError:
    """Extract a book in a process of its own; an error of the book is returned, not raised.

    Args:
        task: the book.
        calls: waits for the process, if the caller may want to stop it; None if not.

    Raises:
        ResourceError: the task was made by another version of mckennabot.
    """
    if task.version != __version__:
        raise ResourceError(f"the worker has mckennabot {__version__}, not {task.version}")
    call = Call(partial(_extract, task), SECONDS, memory=MEMORY, fresh=True)
    try:
        return (calls or Calls()).result(call)
    except Died as died:
        return InputError(str(died), path=task.source)
    except MckennabotError as error:
        return error


def fingerprint(source: Path) -> Fingerprint:
    """Return the fingerprint of a file as it is now.

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


def _extract(task: Task) -> Extracted:
    from mckennabot.extract import extract_book
    from mckennabot.system.inputs import check_file

    check_file(task.source)
    origin = fingerprint(task.source)  # before it is read: a later change shows
    book = extract_book(task.source, task.settings)
    return Extracted(book.text, book.places, book.report, origin)
