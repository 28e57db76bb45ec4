"""Extract many books in parallel, on this machine or on a Dask cluster, a bounded number at a time.

`read_all` keeps a `Scheduler` busy: `Local` runs a process for each book, `Cluster` gives them to Dask.
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

LOOK_SECONDS = 5.0
"""Seconds between two looks at how many workers there are: they come and go on a cluster."""
CONNECT_SECONDS = 5
NO_WORKER_SECONDS = 60.0
"""Seconds that a cluster may be without any worker."""
_AHEAD = 2
"""Books to submit for each slot, so that no worker waits for this process."""
_REASON = 120
"""Characters of an exception's text in an error."""


class Scheduler(Protocol):
    """Runs tasks somewhere, several at a time."""

    def __enter__(self) -> Scheduler: ...
    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None: ...

    def slots(self) -> int:
        """Return how many books are read at a time now."""

    def task(self, source: Path) -> Task:
        """Return the task of reading a book there."""

    def submit(self, task: Task, avoid: str | None = None) -> Future[Outcome] | None:
        """Submit a task, not to the worker to `avoid`; return None if there is no other."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task, and where.

    Attributes:
        result: the book, or what was wrong with it.
        worker: address of the cluster's worker that read it; None for this machine.
    """

    result: Extracted | MckennabotError
    worker: str | None = None


def read_all(
    sources: Iterable[Path], scheduler: Scheduler
) -> Iterator[tuple[Path, Extracted | MckennabotError]]:
    """Yield each book, or its error, as soon as it is done.

    A book that fails is tried once more on another worker, if there is one.

    Args:
        sources: taken only as they are needed.
        scheduler: runs the tasks.

    Raises:
        ResourceError: the cluster is lost.
    """
    todo = iter(sources)
    under_way: dict[Future[Outcome], tuple[Path, bool]] = {}
    slots, looked, seen = scheduler.slots(), time.monotonic(), time.monotonic()
    exhausted = False
    while True:
        while not exhausted and len(under_way) < _AHEAD * max(1, slots):
            source = next(todo, None)
            if source is None:
                exhausted = True
                break
            future = scheduler.submit(scheduler.task(source))
            assert future is not None
            under_way[future] = source, True
        if not under_way:
            return
        done, _ = wait(under_way, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            source, first = under_way.pop(future)
            outcome = _outcome(future, source)
            # The fault may be the worker's: less memory, or a damaged disk.
            if first and isinstance(outcome.result, MckennabotError):
                again = _again(scheduler, source, outcome)
                if again is not None:
                    under_way[again] = source, False
                    continue
            yield source, outcome.result
        del done
        now = time.monotonic()
        if now - looked >= LOOK_SECONDS:
            slots, looked = scheduler.slots(), now
            seen = now if slots else seen
            if now - seen > NO_WORKER_SECONDS:
                raise ResourceError(
                    f"the cluster has had no worker for {NO_WORKER_SECONDS:.0f} seconds",
                    hint="Start some: dask worker ADDRESS. What is done is kept; the same command continues.",
                )


def _again(scheduler: Scheduler, source: Path, outcome: Outcome) -> Future[Outcome] | None:
    """Submit a book that failed to another worker; return None if that cannot help, or there is none."""
    if isinstance(outcome.result, PasswordNeeded) or outcome.worker is None:
        return None
    return scheduler.submit(scheduler.task(source), avoid=outcome.worker)


def _outcome(future: Future[Outcome], source: Path) -> Outcome:
    """Return a future's outcome; what concerns only this book becomes an error of the book.

    Raises:
        ResourceError: the cluster is lost, or cannot run mckennabot.
    """
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
        if type(error).__name__ == "KilledWorker":  # by name, since Dask may not be installed
            return Outcome(InputError("every worker that read it died", path=source))
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:_REASON]
        raise ResourceError(
            f"the cluster cannot run mckennabot ({reason})",
            hint="Scheduler and workers need this version of it: pip install 'mckennabot[dask]'.",
        ) from error
    if isinstance(outcome.result, MckennabotError):
        outcome.result.path = source  # as the user named it
    return outcome


class Local:
    """Runs books on this machine, each in a process of its own.

    Args:
        settings: how books are read; `jobs` is the number of processes in all.
        books: number of books; if there are few, each may use several processes.
    """

    def __init__(self, settings: ExtractSettings, books: int) -> None:
        jobs = settings.jobs or cores()
        self._slots = max(1, min(jobs, books))
        # Few books share the processes among them; many use one each.
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
        """Return how many books are read at a time."""
        return self._slots

    def task(self, source: Path) -> Task:
        """Return the task of reading a book under its given path."""
        return Task(source, self._settings)

    def submit(self, task: Task, avoid: str | None = None) -> Future[Outcome] | None:
        """Submit a task; with `avoid` return None, since this machine is the only worker."""
        return None if avoid else self._executor.submit(self._read, task)

    def _read(self, task: Task) -> Outcome:
        return Outcome(extract_isolated(task, self._calls))


class Cluster:
    """Runs books on a Dask cluster whose workers see them under the same paths.

    Args:
        address: address of Dask's scheduler, such as ``tcp://host:8786``.
        settings: how books are read.

    Raises:
        UsageError: it is not an address, or Dask is not installed.
        ResourceError: no scheduler answers there.
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
        self._client.close(timeout=CONNECT_SECONDS)

    def slots(self) -> int:
        """Return the number of threads of all workers."""
        return sum(self._client.nthreads().values())

    def task(self, source: Path) -> Task:
        """Return the task of reading a book under its full path, which every worker knows."""
        return Task(source.absolute(), self._settings)

    def submit(self, task: Task, avoid: str | None = None) -> Future[Outcome] | None:
        """Submit a task to any worker, or to any but the one that failed."""
        where: dict[str, Any] = {}
        if avoid:
            others = [worker for worker in self._client.nthreads() if worker != avoid]
            if not others:
                return None
            # If the others leave meanwhile, any worker is better than none.
            where = {"workers": others, "allow_other_workers": True}
        future: Future[Outcome] = self._client.get_executor(pure=False, **where).submit(_read_there, task)
        return future


def _read_there(task: Task) -> Outcome:
    from distributed import get_worker

    return Outcome(extract_isolated(task), get_worker().address)
