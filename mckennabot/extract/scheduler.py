"""Many books, side by side: here or on a Dask cluster, a bounded number at a time.

A place gives an executor of `concurrent.futures`; everything else is the same for both.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError, MckennabotError, PasswordNeeded, ResourceError, UsageError
from mckennabot.extract.worker import Calls, Extracted, Task, extract_isolated
from mckennabot.system.machine import cores

LOOK_SECONDS = 5.0  # how often the number of workers is asked for
CONNECT_SECONDS = 5
NO_WORKER_SECONDS = 60.0  # how long a cluster may be without any


class Place(Protocol):
    """Where books are read."""

    def __enter__(self) -> Place: ...
    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None: ...

    def slots(self) -> int:
        """How many books are read at a time now."""

    def task(self, source: Path) -> Task:
        """How to read a book there."""

    def submit(self, task: Task, avoid: str | None = None) -> Future[Outcome] | None:
        """Have a book read, not by the worker to `avoid`; None where there is no other."""


@dataclass(frozen=True)
class Outcome:
    """What became of a book, and where.

    Attributes:
        result: the text, or what was wrong.
        worker: who read it.
    """

    result: Extracted | MckennabotError
    worker: str | None = None


def read_all(sources: Iterable[Path], place: Place) -> Iterator[tuple[Path, Extracted | MckennabotError]]:
    """Read books as workers come free; each is given out as soon as it is done.

    A book that fails is tried once more on another worker, where there is one.

    Args:
        sources: taken as they are needed.
        place: where.

    Raises:
        ResourceError: the cluster is lost.
    """
    todo = iter(sources)
    under_way: dict[Future[Outcome], tuple[Path, bool]] = {}
    slots, looked, seen = place.slots(), time.monotonic(), time.monotonic()
    exhausted = False
    while True:
        # Twice what is being read, so that nobody waits for this process.
        while not exhausted and len(under_way) < 2 * max(1, slots):
            source = next(todo, None)
            if source is None:
                exhausted = True
                break
            future = place.submit(place.task(source))
            assert future is not None
            under_way[future] = source, True
        if not under_way:
            return
        done, _ = wait(under_way, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            source, first = under_way.pop(future)
            outcome = _outcome(future, source)
            if first and isinstance(outcome.result, MckennabotError):
                again = _again(place, source, outcome)
                if again is not None:
                    under_way[again] = source, False
                    continue
            yield source, outcome.result
        del done
        now = time.monotonic()
        if now - looked >= LOOK_SECONDS:
            slots, looked = place.slots(), now
            seen = now if slots else seen
            if now - seen > NO_WORKER_SECONDS:
                raise ResourceError(
                    f"the cluster has had no worker for {NO_WORKER_SECONDS:.0f} seconds",
                    hint="Start some: dask worker ADDRESS. What is done is kept; the same command continues.",
                )


def _again(place: Place, source: Path, outcome: Outcome) -> Future[Outcome] | None:
    if isinstance(outcome.result, PasswordNeeded) or outcome.worker is None:
        return None
    return place.submit(place.task(source), avoid=outcome.worker)


def _outcome(future: Future[Outcome], source: Path) -> Outcome:
    """A future's result; what only this one book suffers from is an error of the book."""
    from concurrent.futures import CancelledError

    try:
        outcome = future.result()
    except CancelledError as error:
        raise ResourceError(
            "the connection to the scheduler is lost",
            hint="What is done is kept; the same command continues.",
        ) from error
    except MckennabotError:
        raise
    except Exception as error:
        if type(error).__name__ == "KilledWorker":
            return Outcome(InputError("every worker that read it died", path=source))
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise ResourceError(
            f"the cluster cannot run mckennabot ({reason})",
            hint="Scheduler and workers need this version of it: pip install 'mckennabot[dask]'.",
        ) from error
    if isinstance(outcome.result, MckennabotError):
        outcome.result.path = source  # as the user named it
    return outcome


class Local:
    """This machine: a process for each book.

    Args:
        settings: how books are read; `jobs` is the number of processes in all.
        books: how many there are; a few books share the processes.
    """

    def __init__(self, settings: ExtractSettings, books: int) -> None:
        jobs = settings.jobs or cores()
        self._slots = max(1, min(jobs, books))
        self._settings = replace(settings, jobs=max(1, jobs // self._slots))
        self._executor: Executor = ThreadPoolExecutor(self._slots)
        self._calls = Calls()

    def __enter__(self) -> Local:
        return self

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        if kind is not None:
            self._calls.stop()
        self._executor.shutdown()

    def slots(self) -> int:
        """One for each process."""
        return self._slots

    def task(self, source: Path) -> Task:
        """As it is named."""
        return Task(source, self._settings)

    def submit(self, task: Task, avoid: str | None = None) -> Future[Outcome] | None:
        """There is nobody else here."""
        return None if avoid else self._executor.submit(self._read, task)

    def _read(self, task: Task) -> Outcome:
        return Outcome(extract_isolated(task, self._calls))


class Cluster:
    """A Dask cluster whose workers see the books under the same paths.

    Args:
        address: the scheduler's, such as ``tcp://host:8786``.
        settings: how books are read.

    Raises:
        UsageError: no such address, or Dask is not installed.
        ResourceError: nobody answers there.
    """

    def __init__(self, address: str, settings: ExtractSettings) -> None:
        try:
            from distributed import Client, comm
        except ImportError as error:
            raise UsageError(
                "--scheduler needs Dask", hint="Install it: pip install 'mckennabot[dask]'"
            ) from error
        import logging

        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters becomes an error of ours
        self._settings = replace(settings, jobs=1)
        try:
            scheme, place = comm.parse_address(address, strict=True)
            comm.registry.get_backend(scheme)
            comm.parse_host_port(place)
        except ValueError as error:
            raise UsageError(
                f"no address of a Dask scheduler: {address}", hint="It looks like tcp://host:8786."
            ) from error
        try:
            self._client: Any = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except OSError as error:
            raise ResourceError(
                f"no Dask scheduler answers at {address}", hint="Start one: dask scheduler --port 8786"
            ) from error

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        self._client.close(timeout=5)

    def slots(self) -> int:
        """Threads of all workers."""
        return sum(self._client.nthreads().values())

    def task(self, source: Path) -> Task:
        """Under its full name, as every worker knows it."""
        return Task(source.absolute(), self._settings)

    def submit(self, task: Task, avoid: str | None = None) -> Future[Outcome] | None:
        """To any worker, or to any other than one that failed."""
        where: dict[str, Any] = {}
        if avoid:
            others = [worker for worker in self._client.nthreads() if worker != avoid]
            if not others:
                return None
            where = {"workers": others, "allow_other_workers": True}
        future: Future[Outcome] = self._client.get_executor(pure=False, **where).submit(_read_there, task)
        return future


def _read_there(task: Task) -> Outcome:
    from distributed import get_worker

    return Outcome(extract_isolated(task), get_worker().address)
