"""Samples by gpt-2-simple, a whole window at a time, and hands the tokens on one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from mckennabot.errors import UsageError
from mckennabot.generate.engine import OnToken, Sampling
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

    def stream(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        most: int,
        least: int,
        on_token: OnToken[T],
    ) -> Iterator[T]:
        """See `engine.Engine`."""
        # The default, 1, is accepted: it only excludes an empty text.
        if least > 1 or sampling.repetition_penalty != 1:
            raise UsageError("gpt-2-simple has no --min-length and no --repetition-penalty")
        sampler = self._sampler(sampling)
        by_length = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        for _, group in groupby(by_length, key=lambda row: len(prompts[row])):
            rows = list(group)
            windows = sampler.generate([prompts[row] for row in rows], most, sampling.temperature or 1.0)
            for row, tokens in zip(rows, windows, strict=True):
                for token in tokens:
                    value, complete = on_token(row, token, float("nan"))
                    yield value
                    if complete:
                        break

    def _sampler(self, sampling: Sampling) -> gpt2simple.Sampler:
        """Return the graph for a way of sampling; top-k and top-p are built into it."""
        greedy = sampling.temperature == 0
        # There, a top-p of 0 means all tokens, and any other disables top-k.
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
