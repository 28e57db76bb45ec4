"""Where training starts from, as all of a job's processes have to know it."""

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
class Start:
    """What training needs to know beside weights and moments.

    Attributes:
        hparams: the model's sizes.
        settings: with nothing left to choose.
        state: where the run is.
        end: the token that ends a text.
        tokens: the whole corpus [n].
    """

    hparams: Hparams
    settings: FinetuneSettings
    state: State
    end: int
    tokens: Tokens

    @classmethod
    def tell(cls, job: Job, start: Start | None) -> Start | None:
        """What the first process gives here, in all of them."""
        told = dict(job.tell(start._arrays() if start and job.leads else ()))
        if not told:
            return None
        known = json.loads(told["known"].tobytes())
        settings = FinetuneSettings(
            **known["settings"] | {"checkpoints": Path(known["settings"]["checkpoints"])}
        )
        return cls(
            Hparams(**known["hparams"]), settings, State(**known["state"]), known["end"], told["tokens"]
        )

    def _arrays(self) -> list[tuple[str, np.ndarray]]:
        known = {
            name: dataclasses.asdict(value)
            for name, value in vars(self).items()
            if name in ("hparams", "settings", "state")
        }
        text = json.dumps(known | {"end": self.end}, default=str)
        return [("known", np.frombuffer(text.encode(), np.uint8)), ("tokens", self.tokens)]
