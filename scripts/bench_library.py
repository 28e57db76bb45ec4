"""Books per minute of `mckennabot extract --scheduler` with one and with two Dask workers of one thread.

    python scripts/bench_library.py [BOOK.pdf] [--books 24] [--runs 3]

The book is copied; scheduler, workers and driver all run on this machine, so that they share its cores.
The numbers of workers take turns, so that a machine that is busy is busy for all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import benchmarks

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample.pdf"
WORKERS = (1, 2)


@contextlib.contextmanager
def cluster(workers: int, directory: Path) -> Iterator[str]:
    """The address of a scheduler with so many workers."""
    file = directory / f"scheduler{workers}.json"
    place = ["--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard"]
    commands = [["dask_scheduler", *place, "--port", "0"]]
    commands += [["dask_worker", *place, "--nthreads", "1", "--local-directory", str(directory)]] * workers
    python = [sys.executable, "-m"]
    processes = [
        subprocess.Popen([*python, f"distributed.cli.{command[0]}", *command[1:]], stderr=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        from distributed import Client

        while not file.exists():
            time.sleep(0.05)
        address = json.loads(file.read_text(encoding="utf-8"))["address"]
        with Client(address) as client:
            client.wait_for_workers(workers)
        yield address
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def seconds(library: Path, output: Path, where: list[str]) -> float:
    """How long one extraction of the library takes."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "mckennabot", "extract", "-q", str(library), "-o", f"{output}/"]
    subprocess.run([*command, *where], check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("book", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--books", type=int, default=24)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        library = directory / "library"
        library.mkdir()
        for i in range(args.books):
            shutil.copyfile(args.book, library / f"{i:04}.pdf")
        places = {f"Dask, {n} worker{'s' if n > 1 else ''}": n for n in WORKERS}
        for run in range(args.runs):
            for label, workers in places.items():
                with cluster(workers, directory) as address:
                    where = ["--scheduler", address]
                    taken.setdefault(label, []).append(
                        seconds(library, directory / f"{workers}-{run}", where)
                    )
            for jobs in WORKERS:
                where = ["--jobs", str(jobs)]
                taken.setdefault(f"local, --jobs {jobs}", []).append(
                    seconds(library, directory / f"local{jobs}-{run}", where)
                )
        texts = {path.read_bytes() for path in directory.glob("*/*.txt")}
        assert len(texts) == 1, "the texts differ"
    median = {label: statistics.median(times) for label, times in taken.items()}
    one = median["Dask, 1 worker"]
    rows = "\n".join(
        f"| {label} | {60 * args.books / value:.0f} | {one / value:.2f} |" for label, value in median.items()
    )
    benchmarks.write_section(
        "library",
        f"""
## A library of books

{args.books} copies of {args.book.name}, scheduler, workers and driver on one machine; median of {args.runs}
runs in turn, start of the driver included. All texts are the same, byte for byte.

| where | books per minute | against one worker |
|---|---|---|
{rows}

{benchmarks.machine()}; {benchmarks.versions("mckennabot", "distributed", "pdfminer.six")}.
`python scripts/bench_library.py`
""",
    )


if __name__ == "__main__":
    main()
