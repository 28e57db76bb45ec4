"""What every process of a job has to know before it trains, sent from the first to the others."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mckennabot.config import FinetuneSettings
from mckennabot.finetune.data import Tokens
from mckennabot.finetune.jobs.job import Job
from mckennabot.finetune.runs.run import State
from mckennabot.models.checkpoint import Hparams


@dataclass(frozen=True)
class Setup:
    """All that training needs besides weights and moments.

    Attributes:
        hparams: the model's sizes.
        settings: complete: nothing is left to choose.
        state: the step and the position in the data.
        eot: the token that ends a text.
        tokens: the whole corpus [n].
    """

    hparams: Hparams
    settings: FinetuneSettings
    state: State
    eot: int
    tokens: Tokens

    @classmethod
    def broadcast(cls, job: Job, setup: Setup | None) -> Setup | None:
        """Return in every process what the first one gives; None, and they have nothing to do."""
        arrays = dict(job.broadcast(setup._arrays() if setup and job.leads else ()))
        if not arrays:
            return None
        known = json.loads(arrays["known"].tobytes())
        settings = FinetuneSettings(
            **known["settings"] | {"checkpoints": Path(known["settings"]["checkpoints"])}
        )
        return cls(
            Hparams(**known["hparams"]), settings, State(**known["state"]), known["eot"], arrays["tokens"]
        )

    def _arrays(self) -> list[tuple[str, np.ndarray]]:
        known = {
            name: dataclasses.asdict(value)
            for name, value in vars(self).items()
            if name in ("hparams", "settings", "state")
        }
        text = json.dumps(known | {"eot": self.eot}, default=str)
        return [("known", np.frombuffer(text.encode(), np.uint8)), ("tokens", self.tokens)]
