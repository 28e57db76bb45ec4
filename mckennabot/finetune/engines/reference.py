"""A run trained by gpt-2-simple itself: the same corpus, vocabulary, directory and metrics as by Keras.

It has a constant learning rate, no validation and no state but its weights; its windows are drawn
with replacement.
"""

from __future__ import annotations

import math
import time

from mckennabot.errors import UsageError
from mckennabot.finetune.data import split
from mckennabot.finetune.launch import index_corpus
from mckennabot.finetune.prepare import Plan
from mckennabot.finetune.runs import figure
from mckennabot.finetune.runs.metrics import Metrics
from mckennabot.finetune.runs.run import Run, State
from mckennabot.models import gpt2simple
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.weights import random_weights, write_weights
from mckennabot.reporter import Bar, Reporter


def launch(plan: Plan, run: Run, reporter: Reporter) -> Run:
    """Train; returns the run in its final place.

    Raises:
        MckennabotError: see `mckennabot.finetune.finetune`.
    """
    settings = plan.settings
    assert settings.batch_size is not None
    assert settings.learning_rate is not None
    assert settings.block_size is not None
    if plan.continues and run.steps()[-1] >= settings.steps:
        reporter.say(
            f"{run.name} has its {run.steps()[-1]} steps already; --steps N with a larger N goes on."
        )
        return run
    place = run.path
    reporter.say("Starting gpt-2-simple …")
    if not plan.continues:

        def write_tiny(new: ModelDir) -> None:
            new.write_hparams(plan.hparams)
            plan.tokenizer.save(new.path)
            write_weights(new.path / "model-0", random_weights(plan.hparams, settings.seed))

        run = run.begin(plan.base, write_tiny, plan.info)
    index_corpus(plan, run, reporter)
    done = run.steps()[-1]
    training, _ = split(plan.tokens, settings.val_fraction)
    bar = reporter.bar(settings.steps, "step", done=done)
    recorder = _Recorder(plan, run, bar, done, len(training))
    try:
        gpt2simple.train(
            run,
            training,
            steps=settings.steps,
            window=settings.block_size,
            batch_size=settings.batch_size,
            accumulate=settings.accumulate,
            learning_rate=settings.learning_rate,
            save_every=settings.save_every,
            seed=settings.seed,
            step_done=recorder.step_done,
        )
    finally:
        recorder.close()
        bar.close()
        latest = run.steps()[-1]
        if latest > done:
            run.write_info(plan.info | {"best_step": None, "best_loss": None})
            run.prune(State(step=latest))
            if run.path != place:
                run = run.take_place(place)
            if figure.available():
                figure.plot(run.path / "metrics.jsonl", run.path / "loss.png")
    return run


class _Recorder:
    """Makes a line of metrics, and of progress, from each step that gpt-2-simple reports."""

    def __init__(self, plan: Plan, run: Run, bar: Bar, done: int, training: int) -> None:
        settings = plan.settings
        assert settings.batch_size is not None
        assert settings.block_size is not None
        window = min(settings.block_size, training - 1)
        self._tokens_per_step = window * settings.batch_size * settings.accumulate
        self._rate = settings.learning_rate
        self._run = run
        self._bar = bar
        self._metrics = Metrics(run.path / "metrics.jsonl", done)
        self._done = done
        self._seconds = 0.0
        self._clock = time.perf_counter()

    def step_done(self, step: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise UsageError(
                f"the loss of step {step} is not finite; the last save is kept",
                path=self._run.path,
                hint="Lower --learning-rate.",
            )
        now = time.perf_counter()
        taken, self._clock = max(now - self._clock, 1e-9), now
        self._seconds += taken
        speed = self._tokens_per_step / taken
        self._metrics.add(
            {
                "step": step,
                "loss": loss,
                "learning_rate": self._rate,
                "tokens": step * self._tokens_per_step,
                "seconds": round(self._seconds, 3),
                "tokens_per_second": round(speed, 1),
            }
        )
        self._bar.at(step, f"loss {loss:.3f}, {speed:,.0f} tokens/s")

    def close(self) -> None:
        self._metrics.flush()
        self._metrics.close()
