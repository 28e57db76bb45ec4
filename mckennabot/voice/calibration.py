"""The scale of the voice score: 0 is what the base model writes by itself, 100 the author's unseen pages.

Both are measured when a run ends, with the run and its base as judges, and kept in run.json. Pages of the
same author differ among each other; what 90 % of passages of the same length reach is kept as a range.
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
"""A text needs so many tokens that are not copied to get a number; the range is for such texts."""

BLOCK = 50
"""Tokens whose savings belong together, because they are about one thing."""

LEAST = 4 * BLOCK
"""Tokens of the author's, and of the base's, without which nothing is known about either."""

DRAWS = 1000


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
        """From what each token saves in the base's samples and in the author's pages.

        Returns:
            None where there are too few tokens, or where the run knows the author no better than the base's
            own texts: then a number would mean nothing.
        """
        if len(base) < LEAST or len(author) < LEAST:
            return None
        passages = sorted(_passages(author))
        low, high = (passages[round(share * (DRAWS - 1))] for share in (0.05, 0.95))
        zero, hundred = float(base.mean()), float(author.mean())
        return cls(zero, hundred, low, high) if hundred - zero > _error(base, author) else None

    @classmethod
    def read(cls, info: Mapping[str, Any]) -> Calibration | None:
        """What run.json says; None where it says nothing that makes sense."""
        kept = info.get("voice_score")
        try:
            found = cls(**{name: float(value) for name, value in kept.items()}) if kept else None
        except (AttributeError, TypeError, ValueError):
            return None
        sensible = found and found.hundred > found.zero and all(map(math.isfinite, asdict(found).values()))
        return found if sensible else None

    def as_json(self) -> dict[str, float]:
        """For run.json."""
        return {name: round(value, 5) for name, value in asdict(self).items()}

    def score(self, saved: float) -> float:
        """The number that stands for nats saved per token."""
        return 100 * (saved - self.zero) / (self.hundred - self.zero)

    @property
    def range(self) -> tuple[float, float]:
        """The numbers between which 90 % of the author's own passages lie."""
        return self.score(self.low), self.score(self.high)


def _passages(saved: Floats) -> Sequence[float]:
    """Nats saved per token in passages of `TOKENS` tokens, put together from blocks drawn at random."""
    import numpy as np

    whole = saved[: len(saved) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(axis=1)
    rng = np.random.default_rng(0)
    drawn: list[float] = rng.choice(whole, (DRAWS, TOKENS // BLOCK)).mean(axis=1).tolist()
    return drawn


def _error(base: Floats, author: Floats) -> float:
    """The standard error of the difference between the two means."""
    import numpy as np

    variances = [np.var([part.mean() for part in np.array_split(x, len(x) // BLOCK)]) for x in (base, author)]
    blocks = [len(x) // BLOCK for x in (base, author)]
    return float(np.sqrt(sum(v / n for v, n in zip(variances, blocks, strict=True))))
