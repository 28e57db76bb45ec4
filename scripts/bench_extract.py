"""Pages per second, CPU seconds and peak memory of `mckennabot extract` beside other tools, book by book.

    python scripts/bench_extract.py [BOOK.pdf ...] [--runs 5]

Without a book: the sample, and the sample over and over to 650 pages. The tools take turns, so that a
machine that is busy with something else is busy for all of them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import benchmarks

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample.pdf"
LONG = 650  # pages
GOAL = 0.6  # of pdf2txt.py's time

PDFIUM = """
import sys, pypdfium2
document = pypdfium2.PdfDocument(sys.argv[1])
with open(sys.argv[2], "w", encoding="utf-8") as out:
    for page in document:
        out.write(page.get_textpage().get_text_range())
"""
MUPDF = """
import sys, pymupdf4llm
with open(sys.argv[2], "w", encoding="utf-8") as out:
    out.write(pymupdf4llm.to_markdown(sys.argv[1]))
"""


@dataclass(frozen=True)
class Run:
    """One run of a tool: wall and CPU time in seconds, peak memory of its whole tree in MB."""

    wall: float
    cpu: float
    memory: float


def tools() -> dict[str, list[str]]:
    """The command of each tool that is here; ``IN`` and ``OUT`` stand for the files."""
    python, bin_ = sys.executable, Path(sys.executable).parent
    commands = {
        "mckennabot": [python, "-m", "mckennabot", "extract", "-q", "IN", "-o", "OUT"],
        "mckennabot --jobs 1": [
            python,
            "-m",
            "mckennabot",
            "extract",
            "-q",
            "--jobs",
            "1",
            "IN",
            "-o",
            "OUT",
        ],
    }
    pdf2txt = shutil.which("pdf2txt.py", path=f"{bin_}:{os.environ['PATH']}")
    if pdf2txt:
        commands["pdf2txt.py"] = [python, pdf2txt, "IN", "-o", "OUT"]
    for name, code in (("pypdfium2", PDFIUM), ("pymupdf4llm", MUPDF)):
        if subprocess.run([python, "-c", f"import {name}"], capture_output=True, check=False).returncode == 0:
            commands[name] = [python, "-c", code, "IN", "OUT"]
    if shutil.which("pdftotext"):
        commands["pdftotext"] = ["pdftotext", "IN", "OUT"]
    return commands


def run(command: list[str], book: Path, out: Path) -> Run:
    """Run a tool on a book, and watch its processes."""
    argv = [{"IN": str(book), "OUT": str(out)}.get(part, part) for part in command]
    started = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = [0.0]
    over = threading.Event()
    watcher = threading.Thread(target=watch, args=(process.pid, peak, over))
    watcher.start()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    over.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(argv)} failed ({process.returncode})")
    return Run(wall, used.ru_utime + used.ru_stime, max(peak[0], used.ru_maxrss / 1024))


def watch(pid: int, peak: list[float], over: threading.Event) -> None:
    """Note the greatest sum of resident sizes of a process and all below it, 50 times a second."""
    while not over.wait(0.02):
        sizes: dict[int, float] = {}
        parents: dict[int, int] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                fields = (entry / "stat").read_text(encoding="latin-1").rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            sizes[int(entry.name)] = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        tree = {pid}
        while more := {child for child, parent in parents.items() if parent in tree} - tree:
            tree |= more
        peak[0] = max(peak[0], sum(sizes.get(member, 0.0) for member in tree))


def count_pages(book: Path) -> int:
    """How many pages a book has."""
    import pikepdf

    with pikepdf.open(book) as pdf:
        return len(pdf.pages)


def make_long(target: Path) -> Path:
    """The sample over and over, to `LONG` pages."""
    import pikepdf

    with pikepdf.open(SAMPLE) as sample, pikepdf.new() as long:
        while len(long.pages) < LONG:
            long.pages.extend(sample.pages)
        del long.pages[LONG:]
        long.save(target)
    return target


def table(name: str, pages: int, runs: dict[str, list[Run]]) -> str:
    """A book's table: medians of each tool."""
    medians = {
        tool: Run(
            *(statistics.median(getattr(r, field) for r in found) for field in ("wall", "cpu", "memory"))
        )
        for tool, found in runs.items()
    }
    base = medians.get("pdf2txt.py")
    lines = [
        f"{name}, {pages} pages:",
        "",
        "| tool | pages/s | wall, s | of pdf2txt.py's | CPU, s | peak memory, MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for tool, result in medians.items():
        ratio = f"{result.wall / base.wall:.2f}" if base else ""
        lines.append(
            f"| {tool} | {pages / result.wall:.0f} | {result.wall:.2f} | {ratio} "
            f"| {result.cpu:.2f} | {result.memory:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("books", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    commands = tools()
    parts = [
        "## Extraction: speed and memory",
        f"`python scripts/bench_extract.py`: medians of {options.runs} runs in turns. mckennabot cleans the "
        "text and cuts it into chapters meanwhile; the others give the text of the pages as it comes. "
        f"Goal: at most {GOAL} of pdf2txt.py's time on two cores.",
        f"{benchmarks.machine()}; "
        f"{benchmarks.versions('pdfminer.six', 'pikepdf', 'pypdfium2', 'pymupdf4llm')}.",
    ]
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out.txt"
        books = options.books or [SAMPLE, make_long(Path(directory) / "sample-650.pdf")]
        for book in books:
            runs: dict[str, list[Run]] = {tool: [] for tool in commands}
            for _ in range(options.runs):
                for tool, command in commands.items():
                    runs[tool].append(run(command, book, out))
            parts.append(table(book.name, count_pages(book), runs))
            print(parts[-1], flush=True)
    benchmarks.write_section("extract-speed", "\n\n".join(parts))


if __name__ == "__main__":
    main()
