"""A library of books: side by side here and on a Dask cluster, each text once, whatever dies on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import pytest

from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError, ResourceError
from mckennabot.extract import scheduler
from mckennabot.extract.scheduler import Local, Outcome, read_all
from mckennabot.extract.worker import Extracted, Task
from tests.conftest import ROOT, Cli, QuickCli
from tests.pdfs import book, line

GOOD, BAD = 8, 2


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """``library/`` with good books in two directories, and bad ones among them."""
    directory = tmp_path / "library"
    for i in range(GOOD):
        pages = [
            "".join(
                line(f"Book {i} says on leaf {n} that river {j} dreams.", y=500 - 15 * j) for j in range(9)
            )
            for n in range(2)
        ]
        path = directory / str(i % 2) / f"book{i:02}.pdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(book(pages))
    for i in range(BAD):
        (directory / f"bad{i}.pdf").write_bytes(b"%PDF-1.4\nnothing in it")
    return directory


def texts(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("*.txt")}


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def test_what_is_done_is_not_done_again(quick_cli: QuickCli, books: Path) -> None:
    done = quick_cli("extract", books, "-o", "corpus/", code=3)
    assert f"{BAD} of {BAD + GOOD} sources failed" in done.stderr
    assert all(f"bad{i}.pdf" in done.stderr for i in range(BAD))
    first = texts(quick_cli.cwd / "corpus")
    assert len(first) == GOOD
    for path in books.glob("bad*"):
        path.unlink()

    # A text of its own mind, a source that only looks new, one that is new, and a text that is gone.
    (quick_cli.cwd / "corpus" / "book00.txt").write_text("edited", encoding="utf-8")
    os.utime(books / "1" / "book01.pdf")
    (books / "0" / "book02.pdf").write_bytes((books / "1" / "book03.pdf").read_bytes())
    (quick_cli.cwd / "corpus" / "book04.txt").unlink()
    again = quick_cli("extract", books, "-o", "corpus/")
    assert f"{GOOD - 2} were done already" in again.stderr
    second = texts(quick_cli.cwd / "corpus")
    assert second.pop("book00.txt") == b"edited"
    assert second.pop("book02.txt") == first["book03.txt"]
    assert second == {name: text for name, text in first.items() if name not in ("book00.txt", "book02.txt")}

    forced = quick_cli("extract", books, "-o", "corpus/", "--force", "--report", "report.json")
    assert "were done already" not in forced.stderr
    assert texts(quick_cli.cwd / "corpus") == {**first, "book02.txt": first["book03.txt"]}
    reports = json.loads((quick_cli.cwd / "report.json").read_text(encoding="utf-8"))
    assert len({report["source"] for report in reports}) == GOOD


def test_other_settings_make_other_texts(quick_cli: QuickCli, books: Path) -> None:
    quick_cli("extract", books / "0", "-o", "corpus/")
    done = quick_cli("extract", books / "0", "-o", "corpus/", "--pages", "1")
    assert "were done already" not in done.stderr
    assert not any(b"leaf 1" in text for text in texts(quick_cli.cwd / "corpus").values())
    (quick_cli.cwd / "corpus" / "book00.txt").write_text("edited", encoding="utf-8")
    assert "--force" in quick_cli("extract", books / "0", "-o", "corpus/", code=3).stderr


def test_a_ledger_that_a_kill_cut_off_still_counts(quick_cli: QuickCli, books: Path) -> None:
    quick_cli("extract", books / "0", "-o", "corpus/")
    ledger = quick_cli.cwd / "corpus" / ".extracted.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-20])
    for _ in range(2):
        done = quick_cli("extract", books / "0", "-o", "corpus/")
    assert f"{GOOD // 2} were done already" in done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_process_and_is_continued(
    cli: Cli, books: Path, how: signal.Signals
) -> None:
    psutil = pytest.importorskip("psutil")
    process = cli.start("extract", books / "0", "-o", "corpus/", "--jobs", "2")
    try:
        wait_for(lambda: len(texts(cli.cwd / "corpus")) >= 2)
        wait_for(lambda: psutil.Process(process.pid).children())
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
        if how != signal.SIGKILL:
            assert process.returncode == 130
            assert b"the same command continues" in said
        assert psutil.wait_procs(children, timeout=10)[1] == []
    finally:
        process.kill()
    before = len(texts(cli.cwd / "corpus"))
    done = cli("extract", books / "0", "-o", "corpus/")
    assert len(texts(cli.cwd / "corpus")) == GOOD // 2
    if before < GOOD // 2:
        assert "were done already" in done.stderr


class Everywhere:
    """A place of so many slots where nothing ends until it is told."""

    def __init__(self, slots: int) -> None:
        self.futures: list[Future[Outcome]] = []
        self._slots = slots

    def __enter__(self) -> Everywhere:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def slots(self) -> int:
        return self._slots

    def task(self, source: Path) -> Task:
        return Task(source, ExtractSettings())

    def submit(self, task: Task, avoid: str | None = None) -> Future[Outcome]:
        self.futures.append(Future())
        return self.futures[-1]


def test_ten_thousand_books_are_taken_a_few_at_a_time() -> None:
    place = Everywhere(4)
    taken = 0

    def sources() -> Iterator[Path]:
        nonlocal taken
        for taken in range(1, 10_001):
            yield Path(f"{taken}.pdf")

    def finish_one() -> None:
        while not ended.is_set():
            for future in [future for future in place.futures if not future.done()][:1]:
                future.set_result(Outcome(InputError("it is bad")))

    ended = threading.Event()
    finisher = threading.Thread(target=finish_one)
    finisher.start()
    results = read_all(sources(), place)
    for given in range(200):
        next(results)
        assert taken <= given + 2 * 4
    ended.set()
    finisher.join()


def test_a_cluster_without_workers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(scheduler, "NO_WORKER_SECONDS", 0.05)
    with pytest.raises(ResourceError, match="no worker"):
        list(read_all([Path("a.pdf")], Everywhere(0)))


def test_few_books_share_the_processes() -> None:
    for jobs, number, slots, each in ((4, 2, 2, 2), (2, 100, 2, 1), (1, 5, 1, 1), (8, 3, 3, 2)):
        with Local(ExtractSettings(jobs=jobs), number) as place:
            assert (place.slots(), place.task(Path("x")).settings.jobs) == (slots, each)


def test_one_library_that_is_stopped_ends_no_other(books: Path) -> None:
    settings = ExtractSettings(jobs=1)
    with Local(settings, 1) as going_on:
        with suppress(KeyboardInterrupt), Local(settings, 1):
            raise KeyboardInterrupt
        ((_, result),) = read_all([books / "0" / "book00.pdf"], going_on)
    assert isinstance(result, Extracted)


class Dask:
    """A scheduler and two workers, each in processes of its own."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "scheduler.json"
        self._directory = directory
        self.processes: list[subprocess.Popen[bytes]] = []
        self._start("dask_scheduler", "--port", "0", "--no-dashboard", "--no-show")
        wait_for(self._file.exists)
        self.address = json.loads(self._file.read_text(encoding="utf-8"))["address"]
        self.workers = [
            self._start(
                "dask_worker", "--nthreads", "1", "--no-dashboard", "--local-directory", str(directory)
            )
            for _ in range(2)
        ]

    def _start(self, module: str, *args: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{module}", "--scheduler-file", str(self._file)]
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", *args],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "false",
            },
            cwd=self._directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in self.processes:
            self.kill(process)

    @staticmethod
    def kill(process: subprocess.Popen[bytes]) -> None:
        """The process and its own: a worker has a nanny."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    pytest.importorskip("distributed", reason="needs the extra dask")
    cluster = Dask(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.stop()


def test_a_cluster_makes_the_same_texts_though_one_of_its_workers_dies(
    cli: Cli, books: Path, dask: Dask
) -> None:
    process = cli.start("extract", "library", "-o", "corpus/", "--scheduler", dask.address)
    wait_for(lambda: len(texts(cli.cwd / "corpus")) >= GOOD // 4)
    dask.kill(dask.workers[0])
    assert process.poll() is None
    _, said = process.communicate(timeout=120)
    assert process.returncode == 3, said.decode()
    assert f"{BAD} of {BAD + GOOD} sources failed".encode() in said
    assert b"library/bad0.pdf" in said
    cli("extract", "library", "-o", "local/", code=3)
    assert texts(cli.cwd / "corpus") == texts(cli.cwd / "local")

    again = cli("extract", "library", "-o", "corpus/", "--scheduler", dask.address, code=3)
    assert f"{GOOD} were done already" in again.stderr


def test_a_lost_cluster_ends_the_run_and_another_goes_on(cli: Cli, books: Path, dask: Dask) -> None:
    process = cli.start("extract", books / "0", "-o", "corpus/", "--scheduler", dask.address)
    wait_for(lambda: texts(cli.cwd / "corpus"))
    dask.stop()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 5, said.decode()
    assert b"Traceback" not in said, said.decode()
    assert b"connection to the scheduler is lost" in said
    cli("extract", books / "0", "-o", "corpus/")
    assert len(texts(cli.cwd / "corpus")) == GOOD // 2


def test_a_book_whose_process_is_killed_is_read_elsewhere(cli: Cli, books: Path, dask: Dask) -> None:
    psutil = pytest.importorskip("psutil")

    def readers() -> list[object]:
        below = psutil.Process(dask.workers[0].pid).children(recursive=True)
        return [p for p in below if "spawn_main" in " ".join(_command(p))]

    def _command(process: object) -> list[str]:
        try:
            return process.cmdline()  # type: ignore[no-any-return,attr-defined]
        except psutil.Error:
            return []

    process = cli.start("extract", books / "0", "-o", "corpus/", "--scheduler", dask.address)
    killed = 0
    while process.poll() is None and killed < 2:
        for reader in readers():
            reader.kill()  # type: ignore[attr-defined]
            killed += 1
        time.sleep(0.05)
    _, said = process.communicate(timeout=120)
    assert killed
    assert process.returncode == 0, said.decode()
    assert len(texts(cli.cwd / "corpus")) == GOOD // 2


def test_a_cluster_that_is_not_there_is_told(quick_cli: QuickCli, books: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra dask")
    assert (
        "no address" in quick_cli("extract", books, "-o", "c/", "--scheduler", "nonsense://x", code=2).stderr
    )
    assert (
        "End -o with a /"
        in quick_cli("extract", books, "-o", "-", "--scheduler", "tcp://127.0.0.1:9", code=2).stderr
    )
    done = quick_cli("extract", books, "-o", "c/", "--scheduler", "tcp://127.0.0.1:9", code=5)
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3


def test_without_dask_its_extra_is_named(cli: Cli, books: Path) -> None:
    hidden = cli.cwd / "hide"
    hidden.mkdir()
    (hidden / "distributed.py").write_text("raise ImportError('not here')", encoding="utf-8")
    cli.env["PYTHONPATH"] = f"{hidden}{os.pathsep}{ROOT}"
    done = cli("extract", books, "-o", "c/", "--scheduler", "tcp://127.0.0.1:9", code=2)
    assert "mckennabot[dask]" in done.stderr
