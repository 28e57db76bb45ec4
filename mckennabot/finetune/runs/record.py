"""Keeps what training leaves behind: weights and state, metrics, events, samples, loss.png.

Of a job's processes the first one keeps a `Record`, the others an `Onlooker`.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mckennabot.errors import ModelError
from mckennabot.finetune.data import Tokens
from mckennabot.finetune.runs import figure
from mckennabot.finetune.runs.metrics import Metrics
from mckennabot.finetune.runs.run import Run, State
from mckennabot.finetune.runs.tensorboard import Events
from mckennabot.models.dial import Dial, find_base
from mckennabot.originality import COPIED_FROM, Index
from mckennabot.system.files import write_atomic, write_error
from mckennabot.tokenizer import Tokenizer

Tensors = Iterator[tuple[str, Any]]

SECONDS_BETWEEN_FIGURES = 10.0
"""Plotting takes longer than the steps of a small model between two saves."""


class Onlooker:
    """Keeps nothing, but takes part where all processes have to: reading weights is a collective operation.

    Attributes:
        path: the run's directory, where it has one.
    """

    path: Path | None = None

    def step(self, line: dict[str, Any]) -> None:
        """Begin a step's line of metrics."""

    def amend(self, step: int, **values: float) -> None:
        """Add to the last step's line."""

    def keep_sample(self, step: int, opening: Tokens, sampled: list[int]) -> str:
        """Write a sample to a file, and compare it with the corpus.

        Args:
            step: the step after which it was sampled.
            opening: the held-out tokens that it continues; may be empty.
            sampled: its own tokens.

        Returns:
            What to report about it.
        """
        return ""

    def save(self, state: State, weights: Tensors, moments: Tensors) -> None:
        """Save the run.

        Raises:
            ResourceError, UsageError: it cannot be written; the save before is intact.
        """
        for _ in itertools.chain(moments, weights):  # in the order in which `Run.save` takes them
            pass

    def plot(self) -> None:
        """Plot the losses so far."""

    def point_to_best(self, state: State) -> None:
        """Point to the best weights, if they are still there, so that everyone loads them."""

    def at_voice(self, voice: float) -> Tensors:
        """Yield the variables of the best step at a voice; none if the run has no base to mix it with."""
        yield from ()

    def keep_voice(self, state: State, voice: float, curve: Sequence[tuple[float, float]]) -> None:
        """Write the best voice into run.json, and the losses [(voice, nats per token)] along the dial."""

    def flush(self) -> None:
        """Write the last step's line."""

    def close(self) -> None:
        """Close the metrics; a line that was not flushed is dropped."""


class Record(Onlooker):
    """A run on disk.

    Args:
        run: its directory, locked.
        place: where it goes at the first save, if it is not there yet.
        step: its step; later lines of the metrics are cut off.
        info: the content of run.json but for the best step.
        index: of the corpus; None where it is too large for one.
        tokenizer: the vocabulary.
        tensorboard: write event files too.
    """

    def __init__(
        self,
        run: Run,
        place: Path,
        step: int,
        info: dict[str, Any],
        index: Index | None,
        tokenizer: Tokenizer,
        tensorboard: bool,
    ) -> None:
        self.run = run
        self.path: Path = run.path
        self._place = place
        self._info = info
        self._index = index
        self._tokenizer = tokenizer
        self._metrics = Metrics(run.path / "metrics.jsonl", step)
        self._events = Events(run.path / "tensorboard") if tensorboard else None
        self._plotted = -math.inf

    def step(self, line: dict[str, Any]) -> None:
        """See `Onlooker`."""
        self._metrics.add(line)
        if self._events:
            self._events.add(line["step"], loss=line["loss"], learning_rate=line["learning_rate"])

    def amend(self, step: int, **values: float) -> None:
        """See `Onlooker`."""
        self._metrics.amend(**values)
        if self._events:
            self._events.add(step, **values)

    def keep_sample(self, step: int, opening: Tokens, sampled: list[int]) -> str:
        """See `Onlooker`."""
        text, before = self._tokenizer.decode(sampled), self._tokenizer.decode(opening.tolist())
        folder = self.path / "samples"
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise write_error(error, folder) from error
        write_atomic(folder / f"{step}.txt", f"{before}{text}\n")
        short, given = " ".join(text.split()), " ".join(before.split())
        after = f" goes on from “{'…' * (len(given) > 60)}{given[-60:]}” with" if given else " writes"
        return f"step {step}{after}: {short[:300]}{'…' * (len(short) > 300)}{self._copied(step, text)}"

    def _copied(self, step: int, text: str) -> str:
        """Note how much of a sample is copied, and say it on a line of its own."""
        if self._index is None:
            return ""
        report = self._index.report(text)
        longest = report.longest.words if report.longest else 0
        self.amend(step, copied_longest_run=longest, copied_share=round(report.share, 4))
        return (
            f"\n  copied from the corpus: longest run {longest} words, {report.share:.0%} of the sample "
            f"in runs of {COPIED_FROM} words or more"
        )

    def save(self, state: State, weights: Tensors, moments: Tensors) -> None:
        """See `Onlooker`."""
        self._metrics.flush()
        self.run.save(state, weights, moments, self._info)
        if self.path != self._place:
            self.run = self.run.take_place(self._place)
            self.path = self.run.path
        if time.monotonic() - self._plotted > SECONDS_BETWEEN_FIGURES:
            self.plot()

    def plot(self) -> None:
        """See `Onlooker`."""
        if figure.available():
            self._metrics.flush()
            figure.plot(self.path / "metrics.jsonl", self.path / "loss.png")
            self._plotted = time.monotonic()

    def point_to_best(self, state: State) -> None:
        """See `Onlooker`."""
        if state.best_step is not None and state.best_step in self.run.steps():
            self.run.point_to(f"model-{state.best_step}")

    def at_voice(self, voice: float) -> Tensors:
        """See `Onlooker`."""
        try:
            base = find_base(self.run)
        except ModelError:  # such as a tiny model, which begins with none
            return
        yield from Dial(base, voice).weights(self.run.weights("best"), self.run.hparams())

    def keep_voice(self, state: State, voice: float, curve: Sequence[tuple[float, float]]) -> None:
        """See `Onlooker`."""
        self._info = {**self._info, "voice": voice, "voice_curve": [list(place) for place in curve]}
        self.run.write_info({**self._info, "best_step": state.best_step, "best_loss": state.best_loss})

    def flush(self) -> None:
        """See `Onlooker`."""
        self._metrics.flush()

    def close(self) -> None:
        """See `Onlooker`."""
        self._metrics.close()
