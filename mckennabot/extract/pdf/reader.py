"""Read a PDF's pages in parallel, in worker processes that a bad page may crash."""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Generic, TypeVar

from mckennabot.errors import InputError, UsageError
from mckennabot.extract.page import Contents, RawPage, Reading
from mckennabot.extract.pdf.ocr import count_letters, is_picture
from mckennabot.system.machine import cores
from mckennabot.system.processes import MEMORY, PATIENCE, RENEW, Call, Child, Died, deadline

PREPARE_SECONDS = 15.0
"""CPU seconds for qpdf to write a file anew."""
PAGE_SECONDS = 8.0
"""CPU seconds to read a page; one of a book takes some twenty milliseconds."""
TICK = 1.0
"""Seconds between two looks for workers that hang."""
LOST_SECONDS = 20.0
"""Seconds spent on pages that failed after which the rest is given up: a hostile file has a thousand such."""
CHUNK = 32
"""Pages handed to a worker at a time: enough to keep it busy, few enough that all end at the same time."""
LEAST_PAGES = 12
"""Pages for which it is worth while to start another worker."""
MAX_JOBS = 4
"""Workers by default; more would only wait for the process that puts the book together."""

T = TypeVar("T")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Result(Generic[T]):
    """What became of a page: its transform, or the problem with it, or both if a part of it was read."""

    number: int
    page: T | None = None
    problem: str | None = None
    picture: bool = False
    letters: int = 0
    unknown: int = 0


def read_pages(
    path: Path,
    transform: Callable[[RawPage], T],
    *,
    password: str | None = None,
    span: tuple[int, int] | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Reading[T]:
    """Read a PDF's pages, whatever it is; the result does not depend on `jobs`.

    Args:
        path: the file.
        transform: runs on each page in the process that read it; its result must pickle.
        password: opens an encrypted file.
        span: first and last page to read, from 1; None reads all.
        jobs: worker processes; None starts as many as help.
        progress: called with the number of pages done, and of all.

    Raises:
        InputError: it is not a PDF, needs a password, or cannot be normalised.
        UsageError: `span` lies outside the document.
    """
    os.environ.pop("CMAP_PATH", None)  # or pdfminer would load from there what a document names
    with tempfile.TemporaryDirectory(prefix="mckennabot-") as folder:
        normal = Path(folder) / "normal.pdf"
        preparing = Call(partial(_prepare, path, password, normal), PREPARE_SECONDS)
        import mckennabot.extract.pdf.document  # noqa: F401 - while the child works, and before the next ones fork

        try:
            contents: Contents = preparing.result()
        except Died as died:
            raise InputError(f"the PDF is damaged: {died}", path=path) from died
        first, last = span or (1, len(contents.labels))
        numbers = range(max(1, first), min(last, len(contents.labels)) + 1)
        if not numbers:
            raise UsageError(
                f"--pages begins at {first}, and the document ends at {len(contents.labels)}", path=path
            )
        crew = _Crew(normal, contents, transform, jobs, numbers, progress)
        return _gather(crew.read(), contents, numbers)


def _prepare(path: Path, password: str | None, normal: Path) -> Contents:
    from mckennabot.extract.pdf.normalise import normalise

    with normal.open("w+b") as file:
        return normalise(path, password, file)


def _gather(results: dict[int, _Result[T]], contents: Contents, numbers: range) -> Reading[T]:
    reading: Reading[T] = Reading(outline=contents.outline)
    for number in numbers:
        result = results[number]
        if result.page is not None:
            reading.pages.append(result.page)
        if result.problem is not None:
            reading.failed[number] = result.problem
        if result.picture:
            reading.pictures.append(number)
        reading.letters += result.letters
        reading.unknown += result.unknown
    return reading


class _Crew(Generic[T]):
    """Worker processes that read one document, and which of them reads which pages."""

    def __init__(
        self,
        normal: Path,
        contents: Contents,
        transform: Callable[[RawPage], T],
        jobs: int | None,
        numbers: range,
        progress: Progress | None,
    ) -> None:
        self._serve = _Pages(normal, contents, transform, PAGE_SECONDS)
        self._numbers = numbers
        self._progress = progress
        helpful = min(MAX_JOBS, cores()) if jobs is None else jobs
        self._jobs = max(1, min(helpful, len(numbers) // LEAST_PAGES))
        # Together the workers may take twice the memory of one, and each of them half of it in any case.
        self._memory = max(MEMORY // 2, min(MEMORY, 2 * MEMORY // self._jobs))
        size = max(1, min(CHUNK, len(numbers) // (2 * self._jobs)))
        self._chunks = deque(deque(numbers[i : i + size]) for i in range(0, len(numbers), size))
        self._results: dict[int, _Result[T]] = {}
        self._lost = 0.0

    def read(self) -> dict[int, _Result[T]]:
        """Return a result for each page, read or failed."""
        busy: dict[Connection, tuple[Child, deque[int]]] = {}
        since: dict[Connection, float] = {}
        try:
            while self._chunks or busy:
                while self._chunks and len(busy) < self._jobs:
                    child = Child(self._serve, self._memory)
                    busy[child.pipe] = child, self._hand_out(child.pipe)
                    since[child.pipe] = time.monotonic()
                looked = time.monotonic()
                for ready in wait(list(busy), TICK):
                    assert isinstance(ready, Connection)
                    child, todo = busy[ready]
                    spent = time.monotonic() - since[ready]
                    since[ready] = time.monotonic()
                    try:
                        result = ready.recv()
                    except (EOFError, OSError):
                        del busy[ready]
                        self._bury(child.end(), todo, spent)
                        continue
                    # Pages come back one by one, so that a crash costs only the page in work.
                    todo.remove(result.number)
                    self._note(result, spent)
                    if not todo:
                        if self._chunks:
                            busy[ready] = child, self._hand_out(ready)
                        else:
                            with suppress(OSError):
                                ready.send(None)
                            del busy[ready]
                            child.end()
                # If the command or the machine was suspended, no worker is to blame for the time that passed.
                slept = time.monotonic() - looked > 2 * TICK
                for pipe, (child, _) in busy.items():
                    if slept:
                        since[pipe] = time.monotonic()
                        child.wake()
                    elif child.idle() > PATIENCE * PAGE_SECONDS:
                        child.stop()
        finally:
            for child, _ in busy.values():
                child.kill()
        return self._results

    def _hand_out(self, pipe: Connection) -> deque[int]:
        chunk = self._chunks.popleft()
        with suppress(OSError):  # if it has died meanwhile, the next look at its pipe shows it
            pipe.send(list(chunk))
        return chunk

    def _bury(self, cause: str | None, todo: deque[int], spent: float) -> None:
        """Give up the page that killed a worker, and queue the rest of its pages for another."""
        # Its first page that has not come back is the one it was reading.
        failed = todo.popleft() if cause is not None and todo else None
        if todo:
            self._chunks.appendleft(todo)
        if failed is not None:
            self._note(_Result(failed, problem=cause), spent)

    def _note(self, result: _Result[T], spent: float) -> None:
        self._results[result.number] = result
        if result.page is None:
            self._lost += spent
        if self._lost > LOST_SECONDS:
            given_up = [number for chunk in self._chunks for number in chunk]
            self._chunks.clear()
            for number in given_up:
                self._results[number] = _Result(number, problem="not tried, after so many that failed")
        if self._progress:
            self._progress(len(self._results), len(self._numbers))


@dataclass(frozen=True)
class _Pages(Generic[T]):
    """A worker's task: read the pages whose numbers come through its pipe, until None comes."""

    file: Path
    contents: Contents
    transform: Callable[[RawPage], T]
    seconds: float

    def __call__(self, pipe: Connection) -> None:
        import logging

        from mckennabot.extract.pdf.document import Document

        logging.disable()
        document: Document | None = None
        while (numbers := pipe.recv()) is not None:
            for number in numbers:
                with deadline(self.seconds):
                    try:
                        if document is None:
                            with self.file.open("rb") as file:
                                view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                            document = Document(view, self.contents)  # type: ignore[arg-type]
                        result = self._read(document, number)
                    except MemoryError:
                        pipe.send(_Result(number, problem="it takes too much memory"))
                        raise SystemExit(RENEW) from None
                    except Exception as error:
                        result = _Result(number, problem=f"it is damaged ({type(error).__name__})")
                pipe.send(result)

    def _read(self, document: object, number: int) -> _Result[T]:
        raw: RawPage = document.page(number)  # type: ignore[attr-defined]
        count, unknown = count_letters(raw)
        return _Result(
            number,
            page=self.transform(raw),
            problem="it holds more than a page of a book; the rest was left out" if raw.cut else None,
            picture=is_picture(raw, count),
            letters=count,
            unknown=unknown,
        )
