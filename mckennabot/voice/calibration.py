"""Calibrates the voice score: 0 is what the base model writes by itself, 100 the author's unseen pages.

Both are measured when a run ends, with the run and its base as judges, and kept in run.json. Pages of one
author differ; the range that holds 90 % of passages of the same length is kept too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

TOKENS = 400
"""Tokens, not counting copied ones, that a text needs to get a score; the range is for texts this long."""

BLOCK = 50
"""Tokens that are resampled together: neighbours depend on each other, being about one thing."""

LEAST = 4 * BLOCK
"""Tokens of the author's, and of the base's, that a calibration needs."""

PASSAGES = 1000
"""Passages that are resampled to find the range."""


@dataclass(frozen=True)
class Calibration:
    """Nats saved per token that stand for numbers of the score.

    Attributes:
        zero: in the base's own samples.
        hundred: in the author's held-out pages.
        low, high: between these, 90 % of the author's passages of `TOKENS` tokens lie.
    """

    zero: float
    hundred: float
    low: float
    high: float

    @classmethod
    def of(cls, base: Floats, author: Floats) -> Calibration | None:
        """Calibrate by the nats saved per token in the base's samples [n] and in the author's pages [m].

        Returns:
            None if there are too few tokens, or if the run saves no more on the author's pages than on the
            base's own texts: then a score would mean nothing.
        """
        if len(base) < LEAST or len(author) < LEAST:
            return None
        passages = sorted(_passages(author))
        low, high = (passages[round(share * (PASSAGES - 1))] for share in (0.05, 0.95))
        zero, hundred = float(base.mean()), float(author.mean())
        return cls(zero, hundred, low, high) if hundred - zero > _error(base, author) else None

    @classmethod
    def read(cls, info: Mapping[str, Any]) -> Calibration | None:
        """Read run.json's content; None if it has no calibration that makes sense."""
        kept = info.get("voice_score")
        try:
            found = cls(**{name: float(value) for name, value in kept.items()}) if kept else None
        except (AttributeError, TypeError, ValueError):
            return None
        sensible = found and found.hundred > found.zero and all(map(math.isfinite, asdict(found).values()))
        return found if sensible else None

    def as_json(self) -> dict[str, float]:
        """Return what run.json keeps."""
        return {name: round(value, 5) for name, value in asdict(self).items()}

    def score(self, saved: float) -> float:
        """Return the score for nats saved per token."""
        return 100 * (saved - self.zero) / (self.hundred - self.zero)

    @property
    def range(self) -> tuple[float, float]:
        """The scores between which 90 % of the author's own passages lie."""
        return self.score(self.low), self.score(self.high)


def _passages(saved: Floats) -> Sequence[float]:
    """Resample passages of `TOKENS` tokens from random blocks (a block bootstrap); return each one's mean."""
    import numpy as np

    whole = saved[: len(saved) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(axis=1)
    rng = np.random.default_rng(0)
    means: list[float] = rng.choice(whole, (PASSAGES, TOKENS // BLOCK)).mean(axis=1).tolist()
    return means


def _error(base: Floats, author: Floats) -> float:
    """Return the standard error of the difference between the two means."""
    import numpy as np

    variances = [np.var([part.mean() for part in np.array_split(x, len(x) // BLOCK)]) for x in (base, author)]
    blocks = [len(x) // BLOCK for x in (base, author)]
    return float(np.sqrt(sum(v / n for v, n in zip(variances, blocks, strict=True))))
