"""Finds out what a run would take (``--dry-run``): memory by an estimate, time by a few steps."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from mckennabot.config import FinetuneSettings
from mckennabot.errors import ResourceError
from mckennabot.finetune import memory, precision
from mckennabot.finetune.data import Data, Windows
from mckennabot.finetune.engines.build import build_engine
from mckennabot.finetune.engines.engine import OutOfDeviceMemory, shrink
from mckennabot.finetune.interrupt import Interruption
from mckennabot.finetune.plan import Plan, make_plan
from mckennabot.finetune.runs.run import Run
from mckennabot.finetune.train import read_values
from mckennabot.models.weights import parameters
from mckennabot.reporter import Silent
from mckennabot.system.terminal import in_words

TIMED_STEPS = 3
MANY_EPOCHS = 50
"""After more epochs than this a model only recites; patience ends a run long before."""


@dataclasses.dataclass(frozen=True)
class Effort:
    """The size of a run, and the speed of this machine.

    Attributes:
        parameters: of the model.
        tokens, held_out: of the corpus, and how many of them are not trained on.
        block: tokens of a window.
        windows: in an epoch.
        windows_per_step: windows that a step trains on.
        seconds: time that a step takes here.
    """

    parameters: int
    tokens: int
    held_out: int
    block: int
    windows: int
    windows_per_step: int
    seconds: float


def measure(paths: Sequence[Path], settings: FinetuneSettings, seconds: float | None = None) -> Effort:
    """Measure a run by a few of its steps; nothing is written but an unpacked `small`.

    Args:
        paths: the corpus, as for `mckennabot.finetune.finetune`.
        settings: of the run, which need not exist.
        seconds: time that a step is known to take; None measures it.

    Raises:
        MckennabotError: as `mckennabot.finetune.finetune`.
    """
    settings = dataclasses.replace(settings, dry_run=True)
    with Interruption():
        plan = make_plan(paths, settings, Run(settings.checkpoints / settings.run), Silent())
        whole = plan.settings
        data = Data.of(plan.tokens, plan.hparams, whole)
        per_step = (whole.batch_size or 1) * whole.accumulate
        return Effort(
            parameters=parameters(plan.hparams),
            tokens=len(plan.tokens),
            held_out=len(data.held_out),
            block=data.windows.block,
            windows=data.windows.per_epoch,
            windows_per_step=per_step,
            seconds=seconds or _seconds_per_step(plan, data.windows, per_step),
        )


def dry_run(plan: Plan) -> str:
    """Return a table of what the plan would take, from the corpus and a few timed steps."""
    settings, hparams, size = plan.settings, plan.hparams, parameters(plan.hparams)
    data = Data.of(plan.tokens, hparams, settings)
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
        try:
            seconds = _seconds_per_step(plan, windows, per_step)
            pace = (
                f"{seconds:.2f} s a step: {in_words(seconds * settings.steps)} for {settings.steps:,} steps"
            )
        except ResourceError as error:  # on a device that does not say how much memory it has
            pace = f"not measured: {error.what}"
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
    """Return the median time of a few steps, after one that compiles.

    Raises:
        ResourceError: not even one sequence at a time fits into memory.
    """
    engine = build_engine(plan.hparams, plan.settings, read_values(plan, None))
    times: list[float] = []
    while len(times) < TIMED_STEPS + 1:
        step = len(times)
        began = time.perf_counter()
        try:
            float(engine.train(windows.batch(step * per_step, per_step), 0.0, step + 1))
        except OutOfDeviceMemory:
            shrink(engine, per_step, windows.block, plan.settings.grad_checkpoint)
            times.clear()  # it compiles again
            continue
        times.append(time.perf_counter() - began)
    return sorted(times[1:])[TIMED_STEPS // 2]
