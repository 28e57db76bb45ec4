"""From a plan to a finished run: load weights and moments, begin the run or pick it up, train."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckennabot import places
from mckennabot.backend import import_keras
from mckennabot.config import FinetuneSettings
from mckennabot.corpus import SEPARATOR
from mckennabot.errors import ModelError, UsageError
from mckennabot.finetune import memory, precision
from mckennabot.finetune.data import Windows, segments, split
from mckennabot.finetune.interrupt import Interruption
from mckennabot.finetune.jobs.job import Job
from mckennabot.finetune.jobs.start import Start
from mckennabot.finetune.prepare import Plan
from mckennabot.finetune.runs.run import Run, State
from mckennabot.models.checkpoint import HELD_OUT, Hparams, ModelDir
from mckennabot.models.dial import find_base
from mckennabot.models.weights import random_weights, read_weights, write_weights
from mckennabot.originality import FILE as INDEX
from mckennabot.originality import Index
from mckennabot.reporter import Reporter, Silent

if TYPE_CHECKING:
    from mckennabot.finetune.engines.engine import Engine
    from mckennabot.finetune.engines.model import GPT2
    from mckennabot.finetune.trainer import Data

FEW_TOKENS = 2000
"""A model learns fewer than this by heart before it learns anything from them."""

KEPT_TOKENS = 16384
"""Held-out tokens that a run keeps as text; more would tell the voice score nothing new."""

_WAY_ON = "Delete the damaged model-STEP files to go on from the step before; or start over with --fresh."
_BASE_WAY_ON = "Remove the base model's directory to have it fetched again, or use another --model."

INDEXED_TOKENS = 4_000_000
"""Corpora up to this size are indexed for what samples copy; beyond it the index takes minutes to make."""


def launch(plan: Plan, run: Run, reporter: Reporter, interruption: Interruption, job: Job) -> Run:
    """Train, in a job's first process; returns the run in its final place.

    Raises:
        MckennabotError: see `mckennabot.finetune.finetune`.
    """
    settings, place = plan.settings, run.path
    state, moments = State(), None
    if plan.continues:
        state, moments = _pick_up(run, reporter)
        if state.step >= settings.steps:
            reporter.say(f"{run.name} has its {state.step} steps already; --steps N with a larger N goes on.")
            if not _dial_is_due(plan, run, state):
                Start.tell(job, None)
                return run
    dtype = precision.choose(settings.precision)
    reporter.detail(
        f"{plan.origin}: {plan.hparams}; {len(plan.tokens):,} tokens; "
        f"{job.processes} x {settings.devices} devices ({precision.device()}), {dtype}; "
        f"{settings.batch_size} x {settings.accumulate} sequences of {settings.block_size} tokens a step"
    )
    alone = job.processes == 1 and settings.devices in (None, 1)
    if alone:
        room = memory.free()
        memory.refuse(plan.hparams, settings, dtype, room)
        if advice := memory.advice(plan.hparams, settings, dtype, room):
            reporter.warn(advice)
    start = Start(plan.hparams, settings, state, plan.tokenizer.eot, plan.tokens)
    Start.tell(job, start)
    values = read_values(plan, run.weights(state.step) if plan.continues else None)
    engine = assemble(plan.hparams, settings, job.tell(values))
    from mckennabot.finetune.runs.record import Record
    from mckennabot.finetune.trainer import Trainer

    engine.restore(job.tell(moments or ()))
    data = read_data(start)
    if not settings.val_fraction:
        reporter.say("Nothing is held out (--val-fraction 0): no validation.")
    elif not len(data.held_out):
        reporter.say("The corpus is too small to hold any of it out: no validation.")
    if len(plan.tokens) < FEW_TOKENS:
        reporter.say(f"A corpus of {len(plan.tokens):,} tokens is so small that it will only be recited.")
    if not plan.continues:

        def write_tiny(new: ModelDir) -> None:
            new.write_hparams(plan.hparams)
            plan.tokenizer.save(new.path)
            write_weights(new.path / "model-0", random_weights(plan.hparams, settings.seed))

        run = run.begin(plan.base, write_tiny, plan.info)
    index = index_corpus(plan, run, reporter)
    if not (run.path / HELD_OUT).exists():
        kept = plan.tokenizer.decode(data.held_out[:KEPT_TOKENS].tolist())
        run.keep(HELD_OUT, kept.replace(SEPARATOR, "\n").strip())
    record = Record(run, place, state.step, plan.info, index, plan.tokenizer, settings.tensorboard)
    Trainer(record, engine, data, start, job, reporter, interruption).train()
    return record.run


def follow(interruption: Interruption, job: Job) -> None:
    """Train, in every other process.

    Raises:
        Interrupted: with all the others, after the first process has saved.
        UsageError, ResourceError: as `Trainer.train`.
    """
    start = Start.tell(job, None)
    if start is None:
        return
    engine = assemble(start.hparams, start.settings, job.tell())
    from mckennabot.finetune.runs.record import Onlooker
    from mckennabot.finetune.trainer import Trainer

    engine.restore(job.tell())
    Trainer(Onlooker(), engine, read_data(start), start, job, Silent(), interruption).train()


def build(plan: Plan) -> Engine:
    """The plan's model as it is at first, and what trains it."""
    return assemble(plan.hparams, plan.settings, read_values(plan, None))


def read_values(plan: Plan, weights: Path | None) -> Iterable[tuple[str, Any]]:
    """The variables in `weights`, else in the plan's base, else random ones."""
    if weights is None and plan.base is not None:
        weights = plan.base.weights()
    if weights is None:
        return random_weights(plan.hparams, plan.settings.seed).items()
    return read_weights(weights, plan.hparams, _WAY_ON if plan.base is None else _BASE_WAY_ON)


def assemble(hparams: Hparams, settings: FinetuneSettings, values: Iterable[tuple[str, Any]]) -> Engine:
    """A model with these variables, and what trains it."""
    from mckennabot.finetune.engines.model import GPT2
    from mckennabot.finetune.jobs import devices

    assert settings.batch_size is not None
    dtype = precision.choose(settings.precision)
    values = devices.distribute(hparams, settings.devices or 1, values)
    return make_engine(GPT2(hparams, values), dtype, settings.batch_size, settings.grad_checkpoint)


def make_engine(model: GPT2, dtype: str, micro_batch: int, remat: bool = False) -> Engine:
    """The engine for Keras's backend.

    Args:
        model: what to train.
        dtype: of the matrix products.
        micro_batch: sequences at a time.
        remat: compute each layer again for its gradient instead of keeping what it computed.

    Raises:
        UsageError: Keras has a backend that does not train here.
    """
    backend = import_keras().backend.backend()
    if backend == "jax":
        from mckennabot.finetune.engines.jax_engine import JaxStep

        return JaxStep(model, dtype, micro_batch, remat)
    if backend == "tensorflow":
        from mckennabot.finetune.engines.tensorflow_engine import TensorFlowStep

        return TensorFlowStep(model, dtype, micro_batch, remat)
    raise UsageError(
        f"Keras is set to {backend}, which does not train here", hint="Use KERAS_BACKEND=tensorflow or jax."
    )


def read_data(start: Plan | Start) -> Data:
    """The tokens, split, and in windows."""
    from mckennabot.finetune.trainer import Data

    settings = start.settings
    training, held_out = split(start.tokens, settings.val_fraction)
    windows = Windows(training, settings.block_size or start.hparams.n_ctx, settings.seed)
    return Data(windows, training, held_out)


def _pick_up(run: Run, reporter: Reporter) -> tuple[State, Any]:
    """The state and moments that belong to the latest weights."""
    step = run.steps()[-1]
    found = run.load_state(step)
    if found is not None:
        return found
    if step:
        reporter.say(f"{run.name} has no optimizer state for step {step}: going on from its weights alone.")
    return State(step=step), None


def _dial_is_due(plan: Plan, run: Run, state: State) -> bool:
    """Whether a run with all its steps could have a measured dial and has none: it was killed before that."""
    from mckennabot.finetune.trainer import DIAL_TOKENS

    held_out = split(plan.tokens, plan.settings.val_fraction)[1]
    if state.best_step is None or "voice" in run.run_info() or len(held_out) <= DIAL_TOKENS:
        return False
    try:
        find_base(run)
    except ModelError:  # such as a tiny model, which begins with none
        return False
    return True


def index_corpus(plan: Plan, run: Run, reporter: Reporter) -> Index | None:
    """Index the corpus, to say which of a sample's words are copied from it; None where it is too large."""
    if os.path.lexists(run.path / INDEX):
        try:
            return Index.load(run.path)
        except ModelError as error:
            reporter.warn(f"{error.what}: making it again")
    if len(plan.tokens) > INDEXED_TOKENS:
        reporter.say(
            f"A corpus of more than {INDEXED_TOKENS:,} tokens: what samples copy from it will not be known."
        )
        return None
    corpus = plan.corpus
    texts = [(path, segments(corpus, path, plan.tokenizer)) for path in corpus.files]
    spots = [spot for path, paragraphs in texts for spot in places.load(path, paragraphs)]
    index = Index.build([(path.name, paragraphs) for path, paragraphs in texts], spots)
    index.save(run.path)
    run.write_info(run.run_info(), new=[INDEX])
    return index
