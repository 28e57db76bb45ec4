"""Defines what an engine does: token ids in, token ids out, as they are sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")

OnToken = Callable[[int, int, float], tuple[T, bool]]
"""(row, token id, log-probability in nats) -> (what to hand on, whether the row is complete)."""


@dataclass(frozen=True)
class Sampling:
    """How each token is chosen.

    Attributes:
        temperature: divides the logits; 0 takes the likeliest token.
        top_k: tokens to choose from; 0 is all.
        top_p: probability mass to choose from, of those; 1 is all.
        repetition_penalty: above 1 makes tokens less likely that were sampled before.
        end: the token that ends a text; None if nothing does.
        banned: tokens that are never sampled.
    """

    temperature: float
    top_k: int
    top_p: float
    repetition_penalty: float
    end: int | None
    banned: tuple[int, ...] = ()


class Engine(Protocol):
    """A loaded model: `CTranslate2Engine`, or `ReferenceEngine`."""

    def reseed(self, seed: int) -> None:
        """Begin a new sequence of random numbers."""

    def stream(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        most: int,
        least: int,
        on_token: OnToken[T],
    ) -> Iterator[T]:
        """Continue every prompt, and yield what `on_token` makes of each new token.

        Args:
            prompts: rows of token ids, which with `most` new ones fit the model's window.
            sampling: how tokens are chosen.
            most: new tokens per row at most.
            least: new tokens per row before the end token may be sampled.
            on_token: called for each new token, the end token included; decides when a row is complete.

        Raises:
            ResourceError: memory ran out.
            UsageError: the engine has no such way of sampling.
        """
