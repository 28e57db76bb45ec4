"""Samples a text from the model in training, a token at a time, with a cache of keys and values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mckennabot.finetune.data import Tokens

if TYPE_CHECKING:
    from mckennabot.finetune.engines.engine import Engine

LENGTH = 96
"""Tokens of a sample at most: about a paragraph."""
PREFIX = 16
"""Held-out tokens that a sample continues."""
TEMPERATURE, TOP_K = 0.8, 40
"""GPT-2's own samples were made with top-k 40 (Radford et al., 2019)."""


def sample_tokens(engine: Engine, prefix: Tokens, length: int, eot: int, seed: list[int]) -> list[int]:
    """Sample at most `length` tokens after `prefix` (at least one token), up to the token `eot`."""
    rng = np.random.default_rng(seed)
    cache = engine.new_cache(len(prefix) + length)
    for position, token in enumerate(prefix):
        logits, cache = engine.next_logits(int(token), position, cache)
    sampled: list[int] = []
    while len(sampled) < length:
        token = _choose(logits, rng)
        if token == eot:
            break
        sampled.append(token)
        logits, cache = engine.next_logits(token, len(prefix) + len(sampled) - 1, cache)
    return sampled


def _choose(logits: npt.NDArray[np.float32], rng: np.random.Generator) -> int:
    best = np.argpartition(logits, -TOP_K)[-TOP_K:] if len(logits) > TOP_K else np.arange(len(logits))
    scores = logits[best].astype(np.float64) / TEMPERATURE
    weights = np.exp(scores - scores.max())
    return int(rng.choice(best, p=weights / weights.sum()))
