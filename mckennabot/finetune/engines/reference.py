"""Trains a run by gpt-2-simple itself, with the same corpus, vocabulary, directory and metrics as by Keras.

It has a constant learning rate, no validation and no state but its weights; it samples its windows with
replacement.
"""

from __future__ import annotations

import math
import time

from mckennabot.errors import UsageError
from mckennabot.finetune.create import create_run, index_corpus
from mckennabot.finetune.data import split
from mckennabot.finetune.plan import Plan
from mckennabot.finetune.runs import figure
from mckennabot.finetune.runs.metrics import Metrics
from mckennabot.finetune.runs.run import Run, State
from mckennabot.models import gpt2simple
from mckennabot.reporter import Bar, Reporter


def train(plan: Plan, run: Run, reporter: Reporter) -> Run:
    """Train; return the run in its final place.

    Raises:
        MckennabotError: see `mckennabot.finetune.finetune`.
    """
    settings = plan.settings
    assert settings.batch_size is not None
    assert settings.learning_rate is not None
    assert settings.block_size is not None
    if plan.continues and run.steps()[-1] >= settings.steps:
        plan.say_complete(run, reporter)
        return run
    place = run.path
    reporter.say("Starting gpt-2-simple …")
    if not plan.continues:
        run = create_run(plan, run)
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
    """Turns each step that gpt-2-simple reports into a line of metrics and a move of the bar."""

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
