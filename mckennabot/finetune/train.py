"""Trains a planned run to its end: loads weights and moments, creates the run or picks it up, and trains.

Of a job's processes the first one calls `train`, every other one `follow`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mckennabot.errors import ModelError
from mckennabot.finetune import memory, precision
from mckennabot.finetune.create import create_run, index_corpus, keep_held_out
from mckennabot.finetune.data import Data
from mckennabot.finetune.engines.build import build_engine
from mckennabot.finetune.interrupt import Interruption
from mckennabot.finetune.jobs.job import Job
from mckennabot.finetune.jobs.setup import Setup
from mckennabot.finetune.plan import Plan
from mckennabot.finetune.runs.run import Run, State
from mckennabot.models.dial import find_base
from mckennabot.models.weights import random_weights, read_weights
from mckennabot.reporter import Reporter, Silent

FEW_TOKENS = 2000
"""A model learns fewer than this by heart before it learns anything from them."""

_HINT = "Delete the damaged model-STEP files to go on from the step before; or start over with --fresh."
_BASE_HINT = "Remove the base model's directory to have it fetched again, or use another --model."


def train(plan: Plan, run: Run, reporter: Reporter, interruption: Interruption, job: Job) -> Run:
    """Train, in a job's first process; return the run in its final place.

    Raises:
        MckennabotError: see `mckennabot.finetune.finetune`.
    """
    settings, place = plan.settings, run.path
    state, moments = State(), None
    if plan.continues:
        state, moments = _pick_up(run, reporter)
        if state.step >= settings.steps:
            plan.say_complete(run, reporter)
            if not _dial_is_due(plan, run, state):
                Setup.broadcast(job, None)
                return run
    _check_memory(plan, reporter, job)
    setup = Setup(plan.hparams, settings, state, plan.tokenizer.eot, plan.tokens)
    Setup.broadcast(job, setup)
    values = read_values(plan, run.weights(state.step) if plan.continues else None)
    engine = build_engine(plan.hparams, settings, job.broadcast(values))
    # These two import Keras, which takes seconds: what can be refused has been refused by now.
    from mckennabot.finetune.runs.record import Record
    from mckennabot.finetune.trainer import Trainer

    engine.restore(job.broadcast(moments or ()))
    data = Data.of(plan.tokens, plan.hparams, settings)
    _say_what_data_lacks(plan, data, reporter)
    if not plan.continues:
        run = create_run(plan, run)
    index = index_corpus(plan, run, reporter)
    keep_held_out(plan, run, data.held_out)
    record = Record(run, place, state.step, plan.info, index, plan.tokenizer, settings.tensorboard)
    Trainer(record, engine, data, setup, job, reporter, interruption).train()
    return record.run


def follow(interruption: Interruption, job: Job) -> None:
    """Train, in every other process.

    Raises:
        Interrupted: with all the others, after the first process has saved.
        UsageError, ResourceError: as `Trainer.train`.
    """
    setup = Setup.broadcast(job, None)
    if setup is None:
        return
    engine = build_engine(setup.hparams, setup.settings, job.broadcast())
    from mckennabot.finetune.runs.record import Onlooker
    from mckennabot.finetune.trainer import Trainer

    engine.restore(job.broadcast())
    data = Data.of(setup.tokens, setup.hparams, setup.settings)
    Trainer(Onlooker(), engine, data, setup, job, Silent(), interruption).train()


def read_values(plan: Plan, weights: Path | None) -> Iterable[tuple[str, Any]]:
    """Read the variables in `weights`, else in the plan's base; else make random ones.

    Raises:
        ModelError: the weights are damaged.
    """
    if weights is None and plan.base is not None:
        weights = plan.base.weights()
    if weights is None:
        return random_weights(plan.hparams, plan.settings.seed).items()
    return read_weights(weights, plan.hparams, _HINT if plan.base is None else _BASE_HINT)


def _check_memory(plan: Plan, reporter: Reporter, job: Job) -> None:
    """Report what trains, and warn about memory, or refuse, if a single device trains alone.

    Raises:
        ResourceError: it cannot fit by far.
    """
    settings, dtype = plan.settings, precision.choose(plan.settings.precision)
    reporter.detail(
        f"{plan.origin}: {plan.hparams}; {len(plan.tokens):,} tokens; "
        f"{job.processes} x {settings.devices} devices ({precision.device()}), {dtype}; "
        f"{settings.batch_size} x {settings.accumulate} sequences of {settings.block_size} tokens a step"
    )
    if job.processes > 1 or settings.devices not in (None, 1):
        return
    room = memory.free()
    memory.refuse(plan.hparams, settings, dtype, room)
    if advice := memory.advice(plan.hparams, settings, dtype, room):
        reporter.warn(advice)


def _say_what_data_lacks(plan: Plan, data: Data, reporter: Reporter) -> None:
    if not plan.settings.val_fraction:
        reporter.say("Nothing is held out (--val-fraction 0): no validation.")
    elif not len(data.held_out):
        reporter.say("The corpus is too small to hold any of it out: no validation.")
    if len(plan.tokens) < FEW_TOKENS:
        reporter.say(f"A corpus of {len(plan.tokens):,} tokens is so small that it will only be recited.")


def _pick_up(run: Run, reporter: Reporter) -> tuple[State, Any]:
    """Return the state and the moments that belong to the latest weights."""
    step = run.steps()[-1]
    found = run.load_state(step)
    if found is not None:
        return found
    if step:
        reporter.say(f"{run.name} has no optimizer state for step {step}: going on from its weights alone.")
    return State(step=step), None


def _dial_is_due(plan: Plan, run: Run, state: State) -> bool:
    """Return whether a complete run lacks its measured dial: a process was killed just before it."""
    from mckennabot.finetune.trainer import DIAL_TOKENS

    held_out = Data.of(plan.tokens, plan.hparams, plan.settings).held_out
    if state.best_step is None or "voice" in run.run_info() or len(held_out) <= DIAL_TOKENS:
        return False
    try:
        find_base(run)
    except ModelError:  # such as a tiny model, which begins with none
        return False
    return True
