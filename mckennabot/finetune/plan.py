"""``--dry-run``: what a run would take, measured where it can be and estimated where it cannot."""

from __future__ import annotations

import dataclasses
import time

from mckennabot.finetune import memory, precision
from mckennabot.finetune.data import Windows
from mckennabot.finetune.launch import build, read_data
from mckennabot.finetune.prepare import Plan
from mckennabot.models.weights import parameters
from mckennabot.system.terminal import in_words

TIMED_STEPS = 3
MANY_EPOCHS = 50
"""More than this only recites; patience ends a run long before."""


def dry_run(plan: Plan) -> str:
    """A table of what the plan would take, from the corpus and a few timed steps."""
    settings, hparams, size = plan.settings, plan.hparams, parameters(plan.hparams)
    data = read_data(plan)
    windows = data.windows
    batch = settings.batch_size or 1
    per_step = batch * settings.accumulate
    epochs = settings.steps * per_step / windows.per_epoch
    many = ", which is more than a run needs" if epochs > MANY_EPOCHS else ""
    dtype = precision.choose(settings.precision)
    settings = dataclasses.replace(settings, block_size=windows.block)
    parts, room = memory.estimate(hparams, settings, dtype), memory.free()
    advice = memory.advice(hparams, settings, dtype, room)
    if advice:
        pace = "not measured: it would not fit"
    else:
        seconds = _seconds_per_step(plan, windows, per_step)
        pace = f"{seconds:.2f} s a step: {in_words(seconds * settings.steps)} for {settings.steps:,} steps"
    rows = [
        ("corpus", f"{len(plan.tokens):,} tokens, {len(data.held_out):,} of them held out"),
        ("windows", f"{windows.per_epoch:,} of {windows.block} tokens an epoch"),
        ("steps", f"{settings.steps:,} of {per_step} windows: {epochs:.1f} epochs{many}"),
        ("model", f"{plan.origin}: {size:,} parameters, {hparams.n_layer} layers of {hparams.n_embd}"),
        ("device", f"{precision.device()}, {dtype}"),
        *((f"memory: {name}", memory.in_words(count)) for name, count in parts.items()),
        (
            "memory in all",
            f"about {memory.in_words(sum(parts.values()))}"
            + ("" if room is None else f" of {memory.in_words(room)} free"),
        ),
        *([("warning", advice)] if advice else []),
        *(("note", note) for note in plan.corpus.notes),
        ("time", pace),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _seconds_per_step(plan: Plan, windows: Windows, per_step: int) -> float:
    """The median of a few steps, after one that compiles."""
    engine = build(plan)
    times = []
    for step in range(TIMED_STEPS + 1):
        began = time.perf_counter()
        float(engine.train(windows.batch(step * per_step, per_step), 0.0, step + 1))
        times.append(time.perf_counter() - began)
    return sorted(times[1:])[TIMED_STEPS // 2]
