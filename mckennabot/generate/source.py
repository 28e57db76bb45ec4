"""Finds the weights to sample from, at which place on the dial, and chooses a seed."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from mckennabot.config import MOST_VOICE, GenerateSettings
from mckennabot.errors import Gone, ModelError, UsageError
from mckennabot.models import small
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.dial import AS_TRAINED, Dial, find_base
from mckennabot.models.find import find_model, latest_run
from mckennabot.reporter import Reporter

SEEDS = 2**32 - 1
"""Seeds are below this, which CTranslate2 takes for "any seed"."""


TRIES = 4
"""Attempts to open weights that training may drop meanwhile."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Source:
    """The weights that texts are sampled from.

    Attributes:
        model: the base model or run.
        weights: prefix of one of its checkpoints.
        dial: mixes them with the run's base; None takes them as they are.
    """

    model: ModelDir
    weights: Path
    dial: Dial | None = None

    @property
    def step(self) -> int | None:
        """The step of a run's weights; None for a base model."""
        suffix = self.weights.name.removeprefix("model-")
        return int(suffix) if suffix.isdecimal() else None

    @property
    def voice(self) -> float:
        """The place on the dial."""
        return self.dial.voice if self.dial else AS_TRAINED

    def files(self) -> Iterator[Path]:
        """Yield every file in the directories that the weights are read from."""
        for directory in {self.model.path, *([self.dial.base.parent] if self.dial else [])}:
            yield from (path for path in directory.rglob("*") if path.is_file())

    def at(self, voice: float) -> Source:
        """Return the same weights at another place on the dial.

        Raises:
            ModelError: the run's base is unknown, gone, or another model.
            UsageError: `voice` is out of range.
        """
        if not 0 <= voice <= MOST_VOICE:
            raise UsageError(f"voice {voice:g} is not between 0 and {MOST_VOICE:g}")
        if voice == AS_TRAINED:
            return replace(self, dial=None)
        if self.step is None:
            raise ModelError(
                "a base model has no dial", path=self.model.path, hint="Leave out --voice, or name a --run."
            )
        return replace(self, dial=Dial(find_base(self.model), voice))


def find_source(settings: GenerateSettings, reporter: Reporter | None = None) -> Source:
    """Find the weights that the settings name; warn `reporter` if a run's best voice is not available.

    Raises:
        ModelError: they are missing; or a voice was asked for, and the run's base is missing.
        UsageError: gpt-2-simple was asked for another voice than that of the run as trained.
    """
    source = _find_as_trained(settings, reporter)
    if reporter and settings.checkpoint is None and (problem := source.model.pointer_problem()):
        reporter.warn(f"{problem}: taking {source.weights.name}")
    if settings.engine == "gpt-2-simple":
        if settings.voice not in (None, AS_TRAINED):
            raise UsageError("gpt-2-simple samples from a run as trained", hint="Leave out --voice.")
        return source
    if settings.voice is not None:
        return source.at(settings.voice)
    best = _best_voice(source)
    try:
        return source.at(best)
    except ModelError as error:
        if reporter:
            reporter.warn(f"{error.what}: the run as trained (--voice 1) instead of its best voice, {best:g}")
        return source


def _find_as_trained(settings: GenerateSettings, reporter: Reporter | None) -> Source:
    name = settings.model or settings.run
    if name == small.NAME and not any((place / name).exists() for place in (settings.checkpoints, Path())):
        small.unpack(settings.checkpoints)
    checkpoints = settings.checkpoints
    model = find_model(checkpoints, name, reporter) if name else latest_run(checkpoints)
    return Source(model, model.weights(settings.checkpoint))


def _best_voice(source: Source) -> float:
    """Return the voice that was best on held-out text, if that was measured with these weights; else 1."""
    info = source.model.run_info()
    best = info.get("voice")
    if isinstance(best, (int, float)) and 0 <= best <= MOST_VOICE and source.step == info.get("best_step"):
        return float(best)
    return AS_TRAINED


def while_it_trains(attempt: Callable[[], Result]) -> Result:
    """Find and open a model, again if training drops its step in between: then there is a newer one."""
    for _ in range(TRIES):
        with contextlib.suppress(Gone):
            return attempt()
    return attempt()


def with_seed(settings: GenerateSettings) -> GenerateSettings:
    """Return the settings with a seed: theirs, else a random one."""
    if settings.seed is not None:
        return settings
    return replace(settings, seed=secrets.randbelow(SEEDS))
