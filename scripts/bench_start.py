"""How long ``mckennabot --help`` takes over a bare ``import click``: medians of alternating runs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {"import click": ["-c", "import click"], "mckennabot --help": ["-m", "mckennabot", "--help"]}


def main(runs: int = 21) -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, argv in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *argv], check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) * 1000 for name, values in times.items()}
    for name, milliseconds in medians.items():
        print(f"{name:20} {milliseconds:6.0f} ms")
    bare, ours = medians.values()
    print(f"{'difference':20} {ours - bare:6.0f} ms  (goal: at most 80)")


if __name__ == "__main__":
    main()
