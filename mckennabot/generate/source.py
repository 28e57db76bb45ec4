"""Which weights texts are sampled from, and from which seed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from mckennabot.config import GenerateSettings
from mckennabot.models.checkpoint import ModelDir, find_model, latest_run

SEEDS = 2**32 - 1
"""Seeds are below this; CTranslate2 takes it for "any"."""


@dataclass(frozen=True)
class Source:
    """The weights that texts are sampled from."""

    model: ModelDir
    weights: Path

    @property
    def step(self) -> int | None:
        """The step of a run's weights; None for a base model."""
        suffix = self.weights.name.removeprefix("model-")
        return int(suffix) if suffix.isdecimal() else None


def find_source(settings: GenerateSettings) -> Source:
    """The weights that the settings mean.

    Raises:
        ModelError: they are not there.
    """
    name = settings.model or settings.run
    model = find_model(settings.checkpoints, name) if name else latest_run(settings.checkpoints)
    return Source(model, model.weights(settings.checkpoint))


def with_seed(settings: GenerateSettings) -> GenerateSettings:
    """The settings with a seed: the given one, else a new one."""
    if settings.seed is not None:
        return settings
    return replace(settings, seed=secrets.randbelow(SEEDS))
