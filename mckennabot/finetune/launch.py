"""From a plan to a finished run: begin it or pick it up, load weights and moments, train."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mckennabot.backend import import_tensorflow
from mckennabot.checkpoint import ModelDir
from mckennabot.finetune import precision
from mckennabot.finetune.data import Windows, split
from mckennabot.finetune.interrupt import Interruption
from mckennabot.finetune.prepare import Plan
from mckennabot.finetune.progress import Progress
from mckennabot.finetune.run import Run, State
from mckennabot.weights import read_weights, write_weights


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
    import_tensorflow()
    from mckennabot.finetune import model as gpt2
    from mckennabot.finetune.step import TensorFlowStep
    from mckennabot.finetune.trainer import Data, Trainer

    values: Iterable[tuple[str, Any]]
    if plan.continues:
        values = read_weights(run.path / f"model-{state.step}", plan.hparams)
    elif plan.base is not None:
        values = read_weights(plan.base.weights(), plan.hparams)
    else:
        values = gpt2.random_values(plan.hparams, settings.seed).items()
    training, held_out = split(plan.tokens, settings.val_fraction)
    windows = Windows(training, settings.block_size or plan.hparams.n_ctx, settings.seed)
    if not len(held_out):
        progress.say("The corpus is too small to hold any of it out: no validation.")
    model = gpt2.GPT2(plan.hparams, values)
    dtype = precision.choose(settings.precision)
    engine = TensorFlowStep(model, dtype, settings.batch_size or 1, settings.grad_checkpoint)
    if moments is not None:
        engine.restore(moments)
    if not plan.continues:

        def write_tiny(new: ModelDir) -> None:
            new.write_hparams(plan.hparams)
            plan.tokenizer.save(new.path)
            write_weights(new.path / "model-0", model.params)

        run = run.begin(plan.base, write_tiny, plan.info)
    data = Data(windows, training, held_out, plan.tokenizer)
    return Trainer(run, engine, state, data, settings, plan.info, progress, interruption).train()


def _pick_up(run: Run, progress: Progress) -> tuple[State, Any]:
    """The state and moments that belong to the latest weights."""
    step = run.steps()[-1]
    found = run.load_state(step)
    if found is not None:
        return found
    if step:
        progress.say(f"{run.name} has no optimizer state for step {step}: going on from its weights alone.")
    return State(step=step), None
