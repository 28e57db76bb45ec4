"""``--dry-run``: what a run would take, measured where it can be and estimated where it cannot."""

from __future__ import annotations

import time
from pathlib import Path

from mckennabot.backend import import_tensorflow
from mckennabot.checkpoint import Hparams
from mckennabot.finetune import precision
from mckennabot.finetune.data import Windows
from mckennabot.finetune.launch import build, read_data
from mckennabot.finetune.prepare import Plan
from mckennabot.weights import parameters

TIMED_STEPS = 3


def memory(
    hparams: Hparams, micro_batch: int, block: int, dtype: str, accumulates: bool, remat: bool
) -> dict[str, int]:
    """Bytes by part while training.

    What a layer keeps for its gradient, per token, is counted in numbers: the residual stream and its
    two norms in float32, and in the precision of the products the inputs of the four of them, the
    queries, keys and values, and the attention weights of all heads.
    """
    size = parameters(hparams)
    half = 4 if dtype == "float32" else 2
    tokens = micro_batch * block
    e, vocabulary = hparams.n_embd, hparams.n_vocab
    layer = tokens * (4 * 6 * e + half * 18 * e + half * 2 * hparams.n_head * block)
    kept = hparams.n_layer * (4 * tokens * e if remat else layer) + (layer if remat else 0)
    return {
        "weights": 4 * size + (half * size if half == 2 else 0),
        "Adam's moments": 8 * size,
        "gradients": 4 * size * (2 if accumulates else 1),
        "layers": kept,
        "logits": tokens * vocabulary * (4 + half + (half if half == 2 else 0)),
    }


def dry_run(plan: Plan) -> str:
    """A table of what the plan would take, from the corpus and a few timed steps."""
    settings, hparams, size = plan.settings, plan.hparams, parameters(plan.hparams)
    data = read_data(plan)
    windows = data.windows
    batch = settings.batch_size or 1
    per_step = batch * settings.accumulate
    epochs = settings.steps * per_step / windows.per_epoch
    dtype = precision.choose(settings.precision)
    parts = memory(hparams, batch, windows.block, dtype, settings.accumulate > 1, settings.grad_checkpoint)
    seconds = _seconds_per_step(plan, windows, per_step)
    rows = [
        ("corpus", f"{len(plan.tokens):,} tokens, {len(data.held_out):,} of them held out"),
        ("windows", f"{windows.per_epoch:,} of {windows.block} tokens an epoch"),
        ("steps", f"{settings.steps:,} of {per_step} windows: {epochs:.1f} epochs"),
        ("model", f"{plan.origin}: {size:,} parameters, {hparams.n_layer} layers of {hparams.n_embd}"),
        ("device", f"{precision.device()}, {dtype}"),
        *((f"memory: {name}", _bytes(count)) for name, count in parts.items()),
        ("memory in all", f"about {_bytes(sum(parts.values()))} of {_bytes(available())} free"),
        (
            "time",
            f"{seconds:.2f} s a step: {_duration(seconds * settings.steps)} for {settings.steps:,} steps",
        ),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def available() -> int:
    """Bytes of memory that the training device has free."""
    tf = import_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        import subprocess

        query = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
        return int(subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]) << 20
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        import os

        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))


def _seconds_per_step(plan: Plan, windows: Windows, per_step: int) -> float:
    """The median of a few steps, after one that compiles."""
    engine = build(plan)
    times = []
    for step in range(TIMED_STEPS + 1):
        began = time.perf_counter()
        float(engine.train(windows.batch(step * per_step, per_step), 0.0, step + 1))
        times.append(time.perf_counter() - began)
    return sorted(times[1:])[TIMED_STEPS // 2]


def _bytes(count: int) -> str:
    return f"{count / 1e9:,.2f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
