"""The training loop: steps, validations, saves, and when to stop."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from mckennabot.config import FinetuneSettings
from mckennabot.errors import Interrupted, UsageError
from mckennabot.finetune.data import Tokens, Windows, held_out_windows
from mckennabot.finetune.interrupt import Interruption
from mckennabot.finetune.metrics import Metrics
from mckennabot.finetune.model import IGNORED
from mckennabot.finetune.progress import Progress
from mckennabot.finetune.run import Run, State
from mckennabot.finetune.step import TensorFlowStep

VALIDATION_TOKENS = 16384
"""Held-out tokens that a validation looks at, spread evenly; more say little and cost much."""

DECAY = 300
"""Steps after the warm-up in which the learning rate falls to 1/sqrt(2) of its peak."""


def learning_rate(peak: float, warmup: int, step: int) -> float:
    """The rate of a step counted from 1: a straight rise, then a fall with the root of the step.

    It does not depend on the run's total, so that a run made longer later goes on exactly as if it had
    been meant to be that long.
    """
    return peak * min(1.0, step / max(1, warmup)) / math.sqrt(1 + max(0, step - warmup) / DECAY)


class Trainer:
    """One run from where it is to where it ends.

    Args:
        run: the run's directory, locked.
        engine: takes the steps; holds weights and moments.
        state: where the run is.
        windows: the data.
        held_out: tokens never trained on; may be empty.
        settings: with nothing left to choose: batch_size and learning_rate are numbers.
        info: what run.json says beside the best step.
        progress: where to report.
        interruption: whether to stop.
    """

    def __init__(
        self,
        run: Run,
        engine: TensorFlowStep,
        state: State,
        windows: Windows,
        held_out: Tokens,
        settings: FinetuneSettings,
        info: dict[str, Any],
        progress: Progress,
        interruption: Interruption,
    ) -> None:
        assert settings.batch_size is not None
        assert settings.learning_rate is not None
        self._run = run
        self._place = run.path.with_name(settings.run)
        self._engine = engine
        self._state = state
        self._windows = windows
        self._validation = _padded(held_out, windows.block)
        self._settings = settings
        self._batch_size = settings.batch_size
        self._peak: float = settings.learning_rate
        self._info = info
        self._progress = progress
        self._interruption = interruption
        self._metrics = Metrics(run.path / "metrics.jsonl", state.step)
        self._unread: list[tuple[int, float, Any]] = []  # step, learning rate, loss still on the device
        self._clock = 0.0
        self._saved = state.step

    def train(self) -> Run:
        """Go on to the run's last step, or to the end of patience.

        Raises:
            Interrupted: by a signal, after saving.
            UsageError: the loss is no longer finite; the weights of the last save are kept.
        """
        settings, state = self._settings, self._state
        self._interruption.defer()
        self._progress.start(state.step, settings.steps)
        self._clock = time.perf_counter()
        try:
            while state.step < settings.steps and not self._out_of_patience():
                self._step()
                last = state.step == settings.steps
                if self._due(settings.eval_every, last) and len(self._validation[0]):
                    self._validate()
                if self._due(settings.save_every, last) or state.best_step == state.step:
                    self._save()
                if self._interruption.requested:
                    self._save()
                    raise Interrupted(
                        f"interrupted; saved at step {state.step}", hint="The same command again goes on."
                    )
            self._finish()
            self._metrics.flush()
        finally:
            self._progress.close()
            self._metrics.close()
        return self._run

    def _step(self) -> None:
        settings, state = self._settings, self._state
        step, size = state.step + 1, self._batch_size
        batches = [self._windows.batch(state.windows + i * size, size) for i in range(settings.accumulate)]
        rate = learning_rate(self._peak, settings.warmup, step)
        self._unread.append((step, rate, self._engine.train(batches, rate, step)))
        state.step = step
        state.windows += size * settings.accumulate
        # A device that works on its own has the next step to do while the loss of the last is read.
        self._read_losses(but=1 if self._engine.asynchronous else 0)

    def _due(self, every: int, last: bool) -> bool:
        return last or (every > 0 and self._state.step % every == 0)

    def _out_of_patience(self) -> bool:
        return 0 < self._settings.patience <= self._state.stale

    def _read_losses(self, but: int = 0) -> None:
        """Make lines of all steps taken but the last few; reading a loss waits for the device."""
        state = self._state
        tokens = self._windows.block * self._batch_size * self._settings.accumulate
        while len(self._unread) > but:
            step, rate, handle = self._unread.pop(0)
            loss = float(handle)
            if not math.isfinite(loss):
                self._not_finite(step)
            now = time.perf_counter()
            taken, self._clock = max(now - self._clock, 1e-9), now
            state.tokens += tokens
            state.seconds += taken
            line = {
                "step": step,
                "loss": loss,
                "learning_rate": rate,
                "tokens": state.tokens,
                "seconds": round(state.seconds, 3),
                "tokens_per_second": round(tokens / taken, 1),
            }
            self._metrics.add(line)
            self._progress.step(step, loss, tokens / taken)

    def _not_finite(self, step: int) -> None:
        self._point_to_best()
        raise UsageError(
            f"the loss of step {step} is not finite; the weights of step {self._saved} are kept",
            path=self._run.path,
            hint="Lower --learning-rate, or use --precision float32.",
        )

    def _validate(self) -> None:
        tokens, targets = self._validation
        size = self._batch_size
        self._read_losses()
        total = sum(
            self._engine.evaluate(tokens[i : i + size], targets[i : i + size])
            for i in range(0, len(tokens), size)
        )
        self._clock = time.perf_counter()  # which counts training only
        loss = total / int((targets != IGNORED).sum())
        self._metrics.amend(val_loss=loss, val_perplexity=math.exp(min(loss, 700)))
        state = self._state
        if state.best_loss is None or loss < state.best_loss:
            state.best_step, state.best_loss, state.stale = state.step, loss, 0
        else:
            state.stale += 1
        self._progress.say(
            f"step {state.step}: validation loss {loss:.4f}, perplexity {math.exp(min(loss, 700)):,.1f}"
            + ("" if state.stale == 0 else f" (best: {state.best_loss:.4f} at step {state.best_step})")
        )

    def _save(self) -> None:
        if self._saved == self._state.step:
            return
        self._read_losses()
        self._metrics.flush()
        self._run.save(self._state, self._engine.model.params, self._engine.moments(), self._info)
        if self._run.path != self._place:
            self._run = self._run.take_place(self._place)
        self._saved = self._state.step
        self._clock = time.perf_counter()

    def _finish(self) -> None:
        state = self._state
        self._save()
        self._point_to_best()
        self._progress.close()
        if self._out_of_patience():
            self._progress.say(
                f"Stopped at step {state.step}: no better for {state.stale} validations (--patience)."
            )
        if state.best_step is not None:
            self._progress.say(f"Best: step {state.best_step}, validation loss {state.best_loss:.4f}.")

    def _point_to_best(self) -> None:
        best = self._state.best_step
        if best is not None and best in self._run.steps():
            self._run.point_to(f"model-{best}")


def _padded(tokens: Tokens, block: int) -> tuple[Tokens, Tokens]:
    """Held-out windows side by side: inputs and targets, both [n, block]; what is short is padded."""
    windows = held_out_windows(tokens, block, max(1, VALIDATION_TOKENS // block))
    inputs = np.zeros((len(windows), block), np.int32)
    targets = np.full((len(windows), block), IGNORED, np.int32)
    for i, window in enumerate(windows):
        inputs[i, : len(window) - 1] = window[:-1]
        targets[i, : len(window) - 1] = window[1:]
    return inputs, targets
