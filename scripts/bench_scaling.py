"""Training in one and in two processes of one core each, and what links to more GPUs would have to carry.

    python scripts/bench_scaling.py [--steps N] [--rounds N]

A GPT-2 of 124 M parameters on JAX; a process has one core, and its own window of random tokens, or several
that it accumulates. The processes talk over loopback. The second table is arithmetic, nothing in it was run.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

BLOCK = 1024
MODELS = {"124M": (12, 12, 768), "1558M": (48, 25, 1600)}
"""Layers, heads and width."""

SETUPS = ((1, 1), (2, 1), (1, 2), (2, 2))
"""Processes, and windows that each takes a step, one at a time."""

WINDOWS = {"124M": 16, "1558M": 4}
"""A GPU's windows a step, in the arithmetic."""

PEAK, SHARE = 989e12, 0.4
"""An H100's bfloat16 operations a second as its maker states them, and the share that training reaches."""

LINKS = {8: ("NVLink, 450 GB/s", 450e9), 64: ("400 Gbit/s a GPU", 50e9), 512: ("400 Gbit/s a GPU", 50e9)}
SLOW = ("100 Gbit/s a machine", 12.5e9)


def hparams(model: str) -> object:
    from mckennabot.models.checkpoint import Hparams

    layers, heads, width = MODELS[model]
    return Hparams(n_vocab=50257, n_ctx=1024, n_embd=width, n_head=heads, n_layer=layers)


def measure(windows: int, steps: int) -> None:
    """In a process of its own: print the seconds of each step, after one that compiles."""
    os.sched_setaffinity(0, {int(os.environ["CORE"])})
    import numpy as np

    from mckennabot.finetune.engines.build import make_engine
    from mckennabot.finetune.engines.model import GPT2
    from mckennabot.finetune.jobs import devices
    from mckennabot.finetune.jobs.job import join
    from mckennabot.models.weights import random_weights

    sizes = hparams("124M")
    with join("keras") as job:
        values = devices.distribute(sizes, 1, random_weights(sizes, 0).items())
        engine = make_engine(GPT2(sizes, values), "bfloat16", 1)
        rng = np.random.default_rng(job.rank)
        times = []
        for step in range(1, steps + 2):
            batch = rng.integers(0, 50257, (windows, BLOCK + 1)).astype(np.int32)
            began = time.perf_counter()
            float(engine.train(batch, 1e-4, step))
            times.append(time.perf_counter() - began)
        print(json.dumps(times[1:]))


def run(processes: int, windows: int, steps: int) -> list[float]:
    """The seconds of each step, the same in all processes."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = []
    for rank in range(processes):
        job = {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(processes),
            "KERAS_DISTRIBUTION_PROCESS_ID": str(rank),
        }
        argv = [sys.executable, __file__, "--measure", str(windows), "--steps", str(steps)]
        env = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "CORE": str(rank), **job}
        started.append(subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True))
    texts = [process.communicate()[0] for process in started]
    assert not any(process.returncode for process in started)
    times: list[float] = json.loads(texts[0].splitlines()[-1])
    return times


def traffic(model: str, gpus: int) -> float:
    """Bytes that each GPU sends a step: gathering the matrices, and summing their gradients."""
    from mckennabot.models.weights import shapes

    _, _, width = MODELS[model]
    slices = math.gcd(gpus, width)
    tables, matrices, vectors = 0, 0, 0
    for name, shape in shapes(hparams(model)).items():
        if len(shape) == 1:
            vectors += math.prod(shape)
        elif name in ("model/wte", "model/wpe"):
            tables += math.prod(shape)
        else:
            matrices += math.prod(shape)
    ring = (slices - 1) / slices
    gathered = ring * (4 * tables + 2 * matrices)
    summed = ring * 4 * (tables + matrices)
    copies = gpus // slices
    among_copies = 2 * (copies - 1) / copies * 4 * (tables + matrices) / slices
    return gathered + summed + among_copies + 2 * (gpus - 1) / gpus * 4 * vectors


def arithmetic() -> list[str]:
    from mckennabot.models.weights import parameters

    rows = []
    for model, (layers, _, width) in MODELS.items():
        tokens = WINDOWS[model] * BLOCK
        operations = tokens * (6 * parameters(hparams(model)) + 12 * layers * width * BLOCK)
        computing = operations / (PEAK * SHARE)
        for gpus in (8, 64, 512):
            for link, speed in (LINKS[gpus], SLOW) if gpus > 8 else (LINKS[gpus],):
                sent = traffic(model, gpus)
                sending = sent / speed
                rows.append(
                    f"| {model} | {gpus} | {link} | {sent / 1e9:.2f} GB | {1000 * sending:.0f} ms "
                    f"| {1000 * computing:.0f} ms | {computing / (computing + sending):.0%} "
                    f"| {computing / max(computing, sending):.0%} |"
                )
    return rows


def report(times: dict[tuple[int, int], list[float]], note: str = "") -> str:
    """The section of docs/benchmarks.md, from the seconds of each setup's steps."""
    import benchmarks

    speed = {
        (n, windows): n * windows * BLOCK / statistics.median(taken) for (n, windows), taken in times.items()
    }
    measured = [
        f"| {n} | {windows} | {statistics.median(taken):.2f} | {speed[n, windows]:,.0f} "
        f"| {speed[n, windows] / speed[1, windows]:.2f} |"
        for (n, windows), taken in times.items()
    ]
    return "\n".join(
        [
            "## Training in several processes\n",
            f"{benchmarks.machine()}; {benchmarks.versions('jax', 'keras')}.",
            "`python scripts/bench_scaling.py`\n",
            f"GPT-2 124M in bfloat16, windows of {BLOCK} tokens, one core a process, over loopback;",
            f"medians of {min(map(len, times.values()))} steps, in turns.{note}\n",
            "| processes | windows of each a step | s/step | tokens/s | against one process |",
            "|---|---|---|---|---|",
            *measured,
            "\n**Arithmetic, not measured.** Bytes that a GPU sends in a step, as a ring carries them:",
            "matrices gathered in bfloat16 (embeddings in float32), gradients summed in float32. Computing:",
            f"{' and '.join(f'{count} windows of {model}' for model, count in WINDOWS.items())} a GPU at",
            f"{SHARE:.0%} of {PEAK / 1e12:.0f} TFLOP/s. Efficiency: if sending waits for computing, and if",
            "it hides behind it wholly; a real run lies between.\n",
            "| model | GPUs | link | sent a step | sending | computing | efficiency, in turn | at once |",
            "|---|---|---|---|---|---|---|---|",
            *arithmetic(),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=3, help="timed steps in a turn")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.steps)
        return
    times: dict[tuple[int, int], list[float]] = {}
    for _ in range(options.rounds):
        for setup in SETUPS:
            times.setdefault(setup, []).extend(run(*setup, options.steps))
            print(setup, [round(t, 2) for t in times[setup]], file=sys.stderr)
    import benchmarks

    text = report(times)
    benchmarks.write_section("scaling", text)
    print(text)


if __name__ == "__main__":
    main()
