"""Runs the training loop: steps, validations, saves, samples, and when to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mckennabot.errors import Interrupted, UsageError
from mckennabot.finetune import sampling
from mckennabot.finetune.data import Data, Tokens, held_out_windows
from mckennabot.finetune.engines.cross_entropy import IGNORED
from mckennabot.finetune.engines.engine import Engine, OutOfDeviceMemory, shrink
from mckennabot.finetune.interrupt import Interruption
from mckennabot.finetune.jobs.job import Job
from mckennabot.finetune.jobs.setup import Setup
from mckennabot.finetune.pace import Pace
from mckennabot.finetune.runs.record import Onlooker
from mckennabot.models.dial import AS_TRAINED
from mckennabot.reporter import Reporter

VALIDATION_TOKENS = 16384
"""Held-out tokens that a validation reads, spread evenly; more say little and cost much."""

DIAL_PLACES = (0.0, 0.25, 0.5, 0.75, 1.25, 1.5, 1.75, 2.0)
"""Voices besides 1 at which the held-out loss is measured when training is done (see `models.dial`).

Beyond 1 only as long as it falls: after few steps the average of the weights is some way behind them.
"""

DIAL_TOKENS = 256
"""With fewer held-out tokens than this, noise is larger than the differences along the dial."""

DIAL_GRAIN = 0.05
"""The best voice is rounded to this: a reader hears no finer difference."""

DECAY = 300
"""Steps after the warm-up in which the learning rate falls to 1/sqrt(2) of its peak."""


def learning_rate(peak: float, warmup: int, step: int) -> float:
    """Return the rate of a step, counted from 1: a linear warm-up, then a decay with 1/sqrt(step).

    It does not depend on the total number of steps, so a run that is made longer later continues exactly
    as if it had been meant to be that long.
    """
    return peak * min(1.0, step / max(1, warmup)) / math.sqrt(1 + max(0, step - warmup) / DECAY)


def lowest(curve: Sequence[tuple[float, float]]) -> float:
    """Return where a curve is lowest, by the parabola through its lowest point and the two beside it.

    Args:
        curve: points (x, y), of which the lowest and its neighbours are evenly spaced.

    >>> lowest([(0.5, 3.2), (0.75, 3.0), (1.0, 3.1)])
    0.8
    >>> lowest([(0.5, 3.0), (0.75, 3.1), (1.0, 3.2)])
    0.5
    """
    at = min(range(len(curve)), key=lambda i: curve[i][1])
    if at in (0, len(curve) - 1):
        return curve[at][0]
    (left, a), (middle, b), (right, c) = curve[at - 1 : at + 2]
    bend = a - 2 * b + c
    found = middle + (right - left) / 4 * (a - c) / bend if bend > 0 else middle
    return round(round(found / DIAL_GRAIN) * DIAL_GRAIN, 2)


class Trainer:
    """Trains a run from its present step to its last.

    Args:
        record: keeps what the run leaves behind.
        engine: takes the steps; holds weights and moments.
        data: what the run learns from.
        setup: its settings and its state.
        job: the processes that train together.
        reporter: takes losses, samples and warnings.
        interruption: set when a signal asks to stop.
    """

    def __init__(
        self,
        record: Onlooker,
        engine: Engine,
        data: Data,
        setup: Setup,
        job: Job,
        reporter: Reporter,
        interruption: Interruption,
    ) -> None:
        settings, state = setup.settings, setup.state
        assert settings.batch_size is not None
        assert settings.learning_rate is not None
        assert settings.warmup is not None
        self._record = record
        self._engine = engine
        self._state = state
        self._data = data
        self._eot = setup.eot
        self._settings = settings
        self._job = job
        self._own_windows = settings.batch_size * settings.accumulate  # of a step, in this process
        self._windows_per_step = self._own_windows * job.processes
        self._validation = _padded(data.held_out, data.windows.block, job.processes)
        self._peak: float = settings.learning_rate
        self._warmup: int = settings.warmup
        self._reporter = reporter
        self._interruption = interruption
        self._stop = False  # a process was interrupted, and all have agreed to stop
        self._unread: list[_Unread] = []
        self._pace = Pace(settings, state.step, state.seconds)
        self._late = False  # the time is over, and all processes have agreed on it
        self._clock = 0.0
        self._saved = state.step

    def train(self) -> None:
        """Train to the run's last step, or to the end of patience or of the time.

        Raises:
            Interrupted: by a signal, after saving.
            ResourceError: not even one sequence at a time fits into memory; or the disk is full.
            UsageError: the loss is no longer finite; the weights of the last save are kept.
        """
        settings, state = self._settings, self._state
        self._interruption.defer()
        self._bar = self._reporter.bar(settings.steps, "step", done=state.step)
        self._clock = time.perf_counter()
        self._late = self._time_is_over()
        try:
            while state.step < settings.steps and not self._late and not self._out_of_patience():
                self._step()
                if self._time_is_over():
                    self._late = True
                    # So that the same command, given again, finds the time used up.
                    state.seconds = max(state.seconds, 60 * (settings.minutes or 0))
                last = state.step == settings.steps or self._late
                if self._due(settings.eval_every or 0, last) and self._validation[2]:
                    self._validate()
                if settings.sample_every and self._due(settings.sample_every, last):
                    self._sample()
                if self._due(settings.save_every, last) or state.best_step == state.step:
                    self._save()
                if self._stop or (self._job.processes == 1 and self._interruption.requested):
                    self._save()
                    self._record.plot()
                    raise Interrupted(
                        f"interrupted; saved at step {state.step}", hint="The same command again goes on."
                    )
            self._finish()
            self._record.flush()
        finally:
            self._bar.close()
            self._record.close()

    def _step(self) -> None:
        state = self._state
        step = state.step + 1
        batch = self._data.windows.batch(
            state.windows + self._job.rank * self._own_windows, self._own_windows
        )
        rate = learning_rate(self._peak, self._warmup, step)
        while True:
            try:
                loss = self._engine.train(batch, rate, step)
                break
            except OutOfDeviceMemory:
                size = self._engine.micro_batch
                shrink(
                    self._engine, self._own_windows, self._data.windows.block, self._settings.grad_checkpoint
                )
                self._reporter.warn(
                    f"out of memory: {self._engine.micro_batch} instead of {size} sequences at a time from "
                    "here on, accumulated."
                )
        # Processes have to agree on the step after which they stop.
        stop = self._job.processes > 1 and self._engine.any_process(self._interruption.requested)
        self._unread.append(_Unread(step, rate, loss, stop))
        state.step = step
        state.windows += self._windows_per_step
        # While the loss of one step is read, an asynchronous device already computes the next.
        self._read_losses(but=1 if self._engine.asynchronous else 0)

    def _time_is_over(self) -> bool:
        if self._settings.minutes is None:
            return False
        late = self._pace.late
        # Clocks differ; processes have to stop after the same step.
        return bool(self._engine.any_process(late)) if self._job.processes > 1 else late

    def _due(self, every: int, last: bool) -> bool:
        return last or (every > 0 and self._state.step % every == 0)

    def _out_of_patience(self) -> bool:
        return 0 < self._settings.patience <= self._state.stale

    def _read_losses(self, but: int = 0) -> None:
        """Log all steps taken but the last `but`; reading a loss waits for the device."""
        state = self._state
        tokens = self._data.windows.block * self._windows_per_step
        while len(self._unread) > but:
            step, rate, handle, stop = self._unread.pop(0)
            loss = float(handle)
            self._stop = self._stop or bool(stop)
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
            self._record.step(line)
            self._pace.stepped(taken)
            self._bar.at(
                step, f"{tokens / taken:,.0f} tokens/s", value=("loss", loss), left=self._pace.left(step)
            )

    def _not_finite(self, step: int) -> None:
        self._record.point_to_best(self._state)
        raise UsageError(
            f"the loss of step {step} is not finite; the weights of step {self._saved} are kept",
            path=self._record.path,
            hint="Lower --learning-rate, or use --precision float32.",
        )

    def _held_out_loss(self) -> float:
        """Return the engine's loss on the held-out windows, in nats per token; the same in every process."""
        tokens, targets, count = self._validation
        size = self._engine.micro_batch
        own = np.array_split(np.arange(len(tokens)), self._job.processes)[self._job.rank]
        total = sum(
            self._engine.evaluate(tokens[rows], targets[rows])
            for rows in np.split(own, range(size, len(own), size))
        )
        return total / count

    def _validate(self) -> None:
        self._read_losses()
        loss = self._held_out_loss()
        perplexity = math.exp(min(loss, 700))
        said = f"{perplexity:,.1f}" if perplexity < 1e6 else "more than a million"
        state = self._state
        self._record.amend(state.step, val_loss=loss, val_perplexity=perplexity)
        if state.best_loss is None or loss < state.best_loss:
            state.best_step, state.best_loss, state.stale = state.step, loss, 0
        else:
            state.stale += 1
        self._pace.validated(time.perf_counter() - self._clock)
        self._reporter.say(
            f"step {state.step}: validation loss {loss:.4f}, perplexity {said}"
            + ("" if state.stale == 0 else f" (best: {state.best_loss:.4f} at step {state.best_step})")
        )
        self._clock = time.perf_counter()  # which counts training only

    def _sample(self) -> None:
        """Sample a continuation of the opening of the held-out text, and see how much of it is copied."""
        self._read_losses()
        step, eot = self._state.step, self._eot
        context = self._engine.model.hparams.n_ctx
        opening = self._data.held_out[: min(sampling.PREFIX, context // 2)]
        prefix = opening if len(opening) else np.array([eot], np.int32)
        length = min(sampling.LENGTH, context - len(prefix))
        tokens = sampling.sample_tokens(self._engine, prefix, length, eot, [self._settings.seed, step])
        self._reporter.say(self._record.keep_sample(step, opening, tokens))
        self._pace.sampled(time.perf_counter() - self._clock)
        self._clock = time.perf_counter()

    def _save(self) -> None:
        if self._saved == self._state.step:
            return
        self._read_losses()
        self._record.save(self._state, self._engine.weights(), self._engine.moments())
        self._saved = self._state.step
        self._pace.saved(time.perf_counter() - self._clock)
        self._clock = time.perf_counter()

    def _finish(self) -> None:
        state = self._state
        self._save()
        self._record.point_to_best(state)
        self._record.plot()
        self._bar.close()
        if self._out_of_patience():
            self._reporter.say(
                f"Stopped at step {state.step}: no better for {state.stale} validations (--patience); "
                f"the other {self._settings.steps - state.step:,} steps are not needed."
            )
        elif self._late:
            self._reporter.say(f"Stopped at step {state.step}: its time is over (--minutes).")
        if state.best_step is not None:
            self._reporter.say(f"Best: step {state.best_step}, validation loss {state.best_loss:.4f}.")
            if state.best_loss is not None and state.best_loss > math.log(self._engine.model.hparams.n_vocab):
                self._reporter.warn("that is worse than guessing; start over with a lower --learning-rate.")
            self._measure_dial()

    def _measure_dial(self) -> None:
        """Find the voice, between the base and beyond the best step, that predicts held-out text best."""
        state = self._state
        assert state.best_loss is not None
        losses = {AS_TRAINED: state.best_loss}
        if self._validation[2] < DIAL_TOKENS:
            return
        for voice in DIAL_PLACES:
            beyond = [losses[place] for place in sorted(losses) if place >= AS_TRAINED]
            if len(beyond) > 1 and beyond[-1] > beyond[-2]:
                break
            if not self._engine.load(self._job.broadcast(self._record.at_voice(voice))):
                return
            losses[voice] = self._held_out_loss()
        curve = sorted(losses.items())
        voice = lowest(curve[1:])  # without 0: the base alone is not the author
        self._record.keep_voice(state, voice, [(place, round(loss, 4)) for place, loss in curve])
        better = "" if voice == AS_TRAINED else "; generate uses it, and --voice 1 the run as trained"
        self._reporter.say(
            f"Voice: {voice:g} is best on the held-out text, the base there {losses[0]:.4f}{better}."
        )
        if losses[0] <= min(loss for _, loss in curve[1:]):
            self._reporter.warn(
                "the base model predicts the held-out text as well: too little was learnt to hear."
            )


class _Unread(NamedTuple):
    """A step whose loss, and the flag to stop after it, may still be on the device."""

    step: int
    learning_rate: float
    loss: Any
    stop: Any


def _padded(tokens: Tokens, block: int, multiple: int) -> tuple[Tokens, Tokens, int]:
    """Stack the held-out windows: return inputs and targets [n, block], and how many targets count.

    Short windows are padded with `IGNORED` targets, and n is padded to a multiple of `multiple`.
    """
    windows = held_out_windows(tokens, block, max(1, VALIDATION_TOKENS // block))
    rows = -(-len(windows) // multiple) * multiple
    inputs = np.zeros((rows, block), np.int32)
    targets = np.full((rows, block), IGNORED, np.int32)
    for i, window in enumerate(windows):
        inputs[i, : len(window) - 1] = window[:-1]
        targets[i, : len(window) - 1] = window[1:]
    return inputs, targets, int((targets != IGNORED).sum())
