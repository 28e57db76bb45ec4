"""The training loop: steps, validations, saves, samples, and when to stop."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from mckennabot.config import FinetuneSettings
from mckennabot.errors import Interrupted, ResourceError, UsageError
from mckennabot.files import write_atomic, write_error
from mckennabot.finetune import figure, sample
from mckennabot.finetune.copied import Words
from mckennabot.finetune.copied import split as words_of
from mckennabot.finetune.data import Tokens, Windows, held_out_windows
from mckennabot.finetune.engine import Engine, OutOfDeviceMemory
from mckennabot.finetune.entropy import IGNORED
from mckennabot.finetune.events import Events
from mckennabot.finetune.interrupt import Interruption
from mckennabot.finetune.metrics import Metrics
from mckennabot.finetune.progress import Progress
from mckennabot.finetune.run import Run, State
from mckennabot.tokenizer import Tokenizer

VALIDATION_TOKENS = 16384
"""Held-out tokens that a validation looks at, spread evenly; more say little and cost much."""

SECONDS_BETWEEN_FIGURES = 10.0
"""A drawing takes longer than the steps of a small model between two saves."""

DECAY = 300
"""Steps after the warm-up in which the learning rate falls to 1/sqrt(2) of its peak."""


def learning_rate(peak: float, warmup: int, step: int) -> float:
    """The rate of a step counted from 1: a straight rise, then a fall with the root of the step.

    It does not depend on the run's total, so that a run made longer later goes on exactly as if it had
    been meant to be that long.
    """
    return peak * min(1.0, step / max(1, warmup)) / math.sqrt(1 + max(0, step - warmup) / DECAY)


@dataclass(frozen=True)
class Data:
    """What a run learns from and is measured on.

    Attributes:
        windows: training windows, in their order.
        training: the tokens behind them.
        held_out: tokens never trained on; may be empty.
        tokenizer: the vocabulary.
    """

    windows: Windows
    training: Tokens
    held_out: Tokens
    tokenizer: Tokenizer


class Trainer:
    """One run from where it is to where it ends.

    Args:
        run: the run's directory, locked.
        engine: takes the steps; holds weights and moments.
        state: where the run is.
        data: what it learns from.
        settings: with nothing left to choose: batch_size and learning_rate are numbers.
        info: what run.json says beside the best step.
        progress: where to report.
        interruption: whether to stop.
    """

    def __init__(
        self,
        run: Run,
        engine: Engine,
        state: State,
        data: Data,
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
        self._data = data
        self._validation = _padded(data.held_out, data.windows.block)
        self._settings = settings
        self._windows_per_step = settings.batch_size * settings.accumulate
        self._peak: float = settings.learning_rate
        self._info = info
        self._progress = progress
        self._interruption = interruption
        self._metrics = Metrics(run.path / "metrics.jsonl", state.step)
        self._events = Events(run.path / "tensorboard") if settings.tensorboard else None
        self._unread: list[tuple[int, float, Any]] = []  # step, learning rate, loss still on the device
        self._words: Words | None = None
        self._clock = 0.0
        self._saved = state.step
        self._drawn = -math.inf

    def train(self) -> Run:
        """Go on to the run's last step, or to the end of patience.

        Raises:
            Interrupted: by a signal, after saving.
            ResourceError: not even one sequence at a time fits into memory; or the disk is full.
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
                if settings.sample_every and self._due(settings.sample_every, last):
                    self._sample()
                if self._due(settings.save_every, last) or state.best_step == state.step:
                    self._save()
                if self._interruption.requested:
                    self._save()
                    self._draw()
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
        state = self._state
        step = state.step + 1
        batch = self._data.windows.batch(state.windows, self._windows_per_step)
        rate = learning_rate(self._peak, self._settings.warmup, step)
        while True:
            try:
                loss = self._engine.train(batch, rate, step)
                break
            except OutOfDeviceMemory as error:
                self._halve(error)
        self._unread.append((step, rate, loss))
        state.step = step
        state.windows += self._windows_per_step
        # A device that works on its own has the next step to do while the loss of the last is read.
        self._read_losses(but=1 if self._engine.asynchronous else 0)

    def _halve(self, error: OutOfDeviceMemory) -> None:
        """Go on with smaller micro-batches; what a step computes stays the same."""
        size = self._engine.micro_batch
        smaller = [n for n in range(1, size // 2 + 1) if self._windows_per_step % n == 0]
        if not smaller:
            length = self._data.windows.block
            more = "" if self._settings.grad_checkpoint else "--grad-checkpoint, "
            raise ResourceError(
                f"not even one sequence of {length} tokens at a time fits into memory",
                hint=f"Use {more}--block-size {max(1, length // 2)} or a smaller --model.",
            ) from error
        self._engine.micro_batch = smaller[-1]
        self._progress.warn(
            f"Out of memory: {smaller[-1]} instead of {size} sequences at a time from here on, accumulated."
        )

    def _due(self, every: int, last: bool) -> bool:
        return last or (every > 0 and self._state.step % every == 0)

    def _out_of_patience(self) -> bool:
        return 0 < self._settings.patience <= self._state.stale

    def _read_losses(self, but: int = 0) -> None:
        """Make lines of all steps taken but the last few; reading a loss waits for the device."""
        state = self._state
        tokens = self._data.windows.block * self._windows_per_step
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
            if self._events:
                self._events.add(step, loss=loss, learning_rate=rate)

    def _not_finite(self, step: int) -> None:
        self._point_to_best()
        raise UsageError(
            f"the loss of step {step} is not finite; the weights of step {self._saved} are kept",
            path=self._run.path,
            hint="Lower --learning-rate, or use --precision float32.",
        )

    def _amend(self, **values: float) -> None:
        self._metrics.amend(**values)
        if self._events:
            self._events.add(self._state.step, **values)

    def _validate(self) -> None:
        self._read_losses()
        tokens, targets = self._validation
        size = self._engine.micro_batch
        total = sum(
            self._engine.evaluate(tokens[i : i + size], targets[i : i + size])
            for i in range(0, len(tokens), size)
        )
        loss = total / int((targets != IGNORED).sum())
        perplexity = math.exp(min(loss, 700))
        self._amend(val_loss=loss, val_perplexity=perplexity)
        state = self._state
        if state.best_loss is None or loss < state.best_loss:
            state.best_step, state.best_loss, state.stale = state.step, loss, 0
        else:
            state.stale += 1
        self._progress.say(
            f"step {state.step}: validation loss {loss:.4f}, perplexity {perplexity:,.1f}"
            + ("" if state.stale == 0 else f" (best: {state.best_loss:.4f} at step {state.best_step})")
        )
        self._clock = time.perf_counter()  # which counts training only

    def _sample(self) -> None:
        """Draw a text that goes on from the opening of the held-out text, and see how much is copied."""
        self._read_losses()
        step, tokenizer = self._state.step, self._data.tokenizer
        context = self._engine.model.hparams.n_ctx
        prefix = self._data.held_out[: min(sample.PREFIX, context // 2)]
        if not len(prefix):
            prefix = np.array([tokenizer.eot], np.int32)
        length = min(sample.LENGTH, context - len(prefix))
        drawn = sample.draw(self._engine, prefix, length, tokenizer.eot, [self._settings.seed, step])
        text = tokenizer.decode(drawn)
        if self._words is None:
            self._words = Words.of_tokens(self._data.training, tokenizer)
        copied = self._words.compare(list(words_of(text)))
        self._amend(copied_longest_run=copied.longest, copied_8grams=round(copied.share, 4))
        opening = tokenizer.decode(prefix.tolist()) if len(self._data.held_out) else ""
        folder = self._run.path / "samples"
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise write_error(error, folder) from error
        write_atomic(folder / f"{step}.txt", f"{opening}{text}\n")
        short = " ".join((opening + text).split())
        self._progress.say(
            f"step {step} writes: {short[:300]}{'…' if len(short) > 300 else ''}\n"
            f"  copied from the corpus: longest run {copied.longest} words, {copied.share:.0%} of 8-grams"
        )
        self._clock = time.perf_counter()

    def _save(self) -> None:
        if self._saved == self._state.step:
            return
        self._read_losses()
        self._metrics.flush()
        self._run.save(self._state, self._engine.model.params, self._engine.moments(), self._info)
        if self._run.path != self._place:
            self._run = self._run.take_place(self._place)
        self._saved = self._state.step
        if time.monotonic() - self._drawn > SECONDS_BETWEEN_FIGURES:
            self._draw()
        self._clock = time.perf_counter()

    def _draw(self) -> None:
        if figure.available():
            self._metrics.flush()
            figure.draw(self._run.path / "metrics.jsonl", self._run.path / "loss.png")
            self._drawn = time.monotonic()

    def _finish(self) -> None:
        state = self._state
        self._save()
        self._draw()
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
