"""Drawing a sample from the model in training, without leaving it: one token at a time, past ones cached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mckennabot.finetune.data import Tokens

if TYPE_CHECKING:
    from mckennabot.finetune.engines.engine import Engine

LENGTH = 96
PREFIX = 16
TEMPERATURE = 0.8
TOP_K = 40


def sample(engine: Engine, prefix: Tokens, length: int, end: int, seed: list[int]) -> list[int]:
    """At most `length` tokens after `prefix` (at least one token), up to the token `end`."""
    rng = np.random.default_rng(seed)
    cache = engine.start(len(prefix) + length)
    for position, token in enumerate(prefix):
        logits, cache = engine.next(int(token), position, cache)
    drawn: list[int] = []
    while len(drawn) < length:
        token = _choose(logits, rng)
        if token == end:
            break
        drawn.append(token)
        logits, cache = engine.next(token, len(prefix) + len(drawn) - 1, cache)
    return drawn


def _choose(logits: npt.NDArray[np.float32], rng: np.random.Generator) -> int:
    best = np.argpartition(logits, -TOP_K)[-TOP_K:] if len(logits) > TOP_K else np.arange(len(logits))
    scores = logits[best].astype(np.float64) / TEMPERATURE
    weights = np.exp(scores - scores.max())
    return int(rng.choice(best, p=weights / weights.sum()))
