"""gpt-2-simple as an engine: it draws whole windows, of which the tokens are then handed on one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from mckennabot.errors import UsageError
from mckennabot.generate.ctranslate2_engine import OnToken, Sampling
from mckennabot.models import gpt2simple
from mckennabot.models.checkpoint import Hparams

T = TypeVar("T")


class ReferenceEngine:
    """gpt-2-simple's own sampling graph behind the interface of `CTranslate2Engine`.

    It samples by top-p or by top-k, never both: a top-p below 1 wins.

    Args:
        weights: prefix of the checkpoint.
        hparams: the model's sizes.
        seed: of the random numbers.
    """

    def __init__(self, weights: Path, hparams: Hparams, seed: int) -> None:
        self._weights, self._hparams = weights, hparams
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Begin a new sequence of random numbers."""
        self._seed = seed
        self._graph: tuple[tuple[int, float], gpt2simple.Sampler] | None = None

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        most: int,
        least: int,
        on_token: OnToken[T],
    ) -> Iterator[T]:
        """Continue every prompt, and hand on what `on_token` makes of each new token.

        Raises:
            UsageError: gpt-2-simple has no such way of sampling.
        """
        # The default, 1, is let pass: an empty text is no reason to refuse the engine.
        if least > 1 or sampling.repetition_penalty != 1:
            raise UsageError("gpt-2-simple has no --min-length and no --repetition-penalty")
        sampler = self._sampler(sampling)
        by_length = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        for _, group in groupby(by_length, key=lambda row: len(prompts[row])):
            rows = list(group)
            sample = sampler.sample([prompts[row] for row in rows], most, sampling.temperature or 1.0)
            for row, tokens in zip(rows, sample, strict=True):
                for token in tokens:
                    value, complete = on_token(row, token, float("nan"))
                    yield value
                    if complete:
                        break

    def _sampler(self, sampling: Sampling) -> gpt2simple.Sampler:
        """The graph for this choice of tokens; choosing is part of the graph."""
        greedy = sampling.temperature == 0
        # Its 0 is everything, and its top-p hides its top-k.
        choice = (1, 0.0) if greedy else (sampling.top_k, 0.0 if sampling.top_p == 1 else sampling.top_p)
        if self._graph is None or choice != self._graph[0]:
            if self._graph is not None:
                self._graph[1].close()
            top_k, top_p = choice
            sampler = gpt2simple.Sampler(
                self._weights, self._hparams, top_k=top_k, top_p=top_p, seed=self._seed
            )
            self._graph = choice, sampler
        return self._graph[1]
