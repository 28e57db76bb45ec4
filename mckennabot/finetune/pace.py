"""Measures how long a run has trained, and estimates how long it still takes."""

from __future__ import annotations

import statistics
import time
from collections import deque

from mckennabot.config import FinetuneSettings

REMEMBERED_STEPS = 50
"""Steps whose median is the pace; only the last ones, since other programs come and go."""


class Pace:
    """The clock of a run.

    The time left is the steps to come at their median pace, plus the validations, samples and saves to come
    at what one of each has taken.

    Args:
        settings: of the run.
        step: the step it is at.
        seconds: how long it was trained before.
    """

    def __init__(self, settings: FinetuneSettings, step: int, seconds: float) -> None:
        self._settings = settings
        self._first = step + 1
        self._began = time.perf_counter() - seconds
        self._steps: deque[float] = deque(maxlen=REMEMBERED_STEPS)
        self._seen = 0
        self._validation: list[float] = []
        self._sample: list[float] = []
        self._save: list[float] = []

    def stepped(self, seconds: float) -> None:
        """Note how long a step took; the first one does not count, since it compiles."""
        self._seen += 1
        if self._seen > 1:
            self._steps.append(seconds)

    def validated(self, seconds: float) -> None:
        """Note how long a validation took."""
        self._validation.append(seconds)

    def sampled(self, seconds: float) -> None:
        """Note how long a sample took."""
        self._sample.append(seconds)

    def saved(self, seconds: float) -> None:
        """Note how long a save took."""
        self._save.append(seconds)

    @property
    def late(self) -> bool:
        """Whether the run has used up its `minutes`."""
        return self._time_left() is not None and self._time_left() == 0

    def _time_left(self) -> float | None:
        minutes = self._settings.minutes
        return None if minutes is None else max(0.0, self._began + 60 * minutes - time.perf_counter())

    def left(self, step: int) -> float | None:
        """Return the seconds to the end of the run or of its time; None while nothing is known."""
        if not self._steps:
            return self._time_left()
        settings = self._settings
        seconds = (settings.steps - step) * statistics.median(self._steps)
        for every, took in (
            (settings.eval_every or 0, self._validation),
            (settings.sample_every, self._sample),
            (settings.save_every, self._save),
        ):
            if took:
                # The first one compiles, or makes directories: the median of several leaves it out.
                seconds += _due(step, settings.steps, every) * statistics.median_low(took)
        limit = self._time_left()
        return seconds if limit is None else min(seconds, limit)


def _due(step: int, last: int, every: int) -> int:
    """Count the steps after `step` that are multiples of `every` or the last one; with 0, only the last."""
    if step >= last:
        return 0
    return (last // every - step // every + (last % every > 0)) if every else 1
