"""From a plan to a finished run: load weights and moments, begin the run or pick it up, train."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckennabot.checkpoint import ModelDir
from mckennabot.corpus import parse, read_text
from mckennabot.finetune import precision
from mckennabot.finetune.data import Windows, split
from mckennabot.finetune.interrupt import Interruption
from mckennabot.finetune.prepare import Plan
from mckennabot.finetune.progress import Progress
from mckennabot.finetune.run import Run, State
from mckennabot.originality import FILE as INDEX
from mckennabot.originality import Index
from mckennabot.weights import random_weights, read_weights, write_weights

if TYPE_CHECKING:
    from mckennabot.finetune.engine import Engine
    from mckennabot.finetune.trainer import Data

INDEXED_TOKENS = 4_000_000
"""Corpora up to this size get an index for ``generate --originality``; it grows with the corpus."""


def launch(plan: Plan, run: Run, progress: Progress, interruption: Interruption) -> Run:
    """Train; returns the run in its final place.

    Raises:
        MckennabotError: see `mckennabot.finetune.finetune`.
    """
    settings = plan.settings
    state, moments = State(), None
    if plan.continues:
        state, moments = _pick_up(run, progress)
        if state.step >= settings.steps:
            progress.say(f"{run.name} has its {state.step} steps already; --steps N with a larger N goes on.")
            return run
    progress.say("Starting TensorFlow …")
    engine = build(plan, run.path / f"model-{state.step}" if plan.continues else None)
    from mckennabot.finetune.trainer import Trainer

    if moments is not None:
        engine.restore(moments)
    data = read_data(plan)
    if not len(data.held_out):
        progress.say("The corpus is too small to hold any of it out: no validation.")
    if not plan.continues:

        def write_tiny(new: ModelDir) -> None:
            new.write_hparams(plan.hparams)
            plan.tokenizer.save(new.path)
            write_weights(new.path / "model-0", engine.model.params)

        run = run.begin(plan.base, write_tiny, plan.info)
    index_corpus(plan, run)
    return Trainer(run, engine, state, data, settings, plan.info, progress, interruption).train()


def build(plan: Plan, weights: Path | None) -> Engine:
    """The model and what trains it, from `weights`, else from the plan's base, else at random."""
    from mckennabot.finetune.engine import make_engine
    from mckennabot.finetune.model import GPT2

    values: Iterable[tuple[str, Any]]
    if weights is None and plan.base is not None:
        weights = plan.base.weights()
    if weights is None:
        values = random_weights(plan.hparams, plan.settings.seed).items()
    else:
        values = read_weights(weights, plan.hparams)
    settings = plan.settings
    model = GPT2(plan.hparams, values)
    dtype = precision.choose(settings.precision)
    return make_engine(model, dtype, settings.batch_size or 1, settings.grad_checkpoint)


def read_data(plan: Plan) -> Data:
    """The plan's tokens, split, and in windows."""
    from mckennabot.finetune.trainer import Data

    training, held_out = split(plan.tokens, plan.settings.val_fraction)
    block = plan.settings.block_size or plan.hparams.n_ctx
    return Data(Windows(training, block, plan.settings.seed), training, held_out, plan.tokenizer)


def _pick_up(run: Run, progress: Progress) -> tuple[State, Any]:
    """The state and moments that belong to the latest weights."""
    step = run.steps()[-1]
    found = run.load_state(step)
    if found is not None:
        return found
    if step:
        progress.say(f"{run.name} has no optimizer state for step {step}: going on from its weights alone.")
    return State(step=step), None


def index_corpus(plan: Plan, run: Run) -> None:
    """What `generate` needs to say which of a text's words are the corpus's; of texts that are no tokens."""
    texts = [path for path in plan.files if path.suffix.lower() not in (".npz", ".csv")]
    if texts and len(plan.tokens) <= INDEXED_TOKENS and not (run.path / INDEX).exists():
        Index.build((path.name, parse(read_text(path))) for path in texts).save(run.path)
