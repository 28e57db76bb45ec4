"""Defines what an engine does, for the engines of both Keras backends, and how to shrink its micro-batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from mckennabot.errors import ResourceError
from mckennabot.models.checkpoint import Hparams

if TYPE_CHECKING:
    from mckennabot.finetune.data import Tokens
    from mckennabot.finetune.engines.model import GPT2


def empty_cache(hparams: Hparams, length: int) -> npt.NDArray[np.float32]:
    """Return zeros for the keys and values [L, 2, H, C, D] of C = `length` positions."""
    h = hparams
    return np.zeros((h.n_layer, 2, h.n_head, length, h.n_embd // h.n_head), np.float32)


class OutOfDeviceMemory(Exception):  # noqa: N818
    """A micro-batch does not fit; weights and moments are unchanged."""


class Engine(Protocol):
    """Trains one model; evaluates, samples from and yields the running average of its weights.

    Attributes:
        model: the model that is trained.
        micro_batch: sequences at a time in this process; the gradients of several are accumulated.
        devices: how many this process computes with; divides `micro_batch`.
        asynchronous: whether calls return before the device has finished.
    """

    model: GPT2
    micro_batch: int
    devices: int
    asynchronous: bool

    def train(self, batch: Tokens, learning_rate: float, step: int) -> Any:
        """Take optimizer step `step` (counted from 1) on windows [n, T + 1], n a multiple of `micro_batch`.

        A step whose loss or gradient is not finite changes nothing.

        Returns:
            The mean loss in nats per token, NaN if training cannot continue; reading it as a float waits
            for the device.

        Raises:
            OutOfDeviceMemory: with a smaller `micro_batch` it may fit.
        """

    def evaluate(self, tokens: Tokens, targets: Tokens) -> float:
        """Return the summed loss, in nats, of targets [B, T] given tokens [B, T]."""

    def new_cache(self, length: int) -> Any:
        """Return an empty cache of keys and values for `length` positions."""

    def next_logits(self, token: int, position: int, cache: Any) -> tuple[npt.NDArray[np.float32], Any]:
        """Return the logits [V] of what follows `token`, and the cache with `token` in it."""

    def any_process(self, flag: bool) -> Any:
        """Return whether `flag` is set in any process; reading it as a bool waits for all of them."""

    def weights(self) -> Iterator[tuple[str, Any]]:
        """Yield the average of each variable by name, whole; in a job, every process iterates to the end."""

    def load(self, weights: Iterable[tuple[str, Any]]) -> bool:
        """Replace the model's weights, and their average, by others; return whether there were any."""

    def moments(self) -> Iterator[tuple[str, Any]]:
        """Yield, as `weights` does, what the next step needs besides the average.

        Adam's moments and the weights themselves have names such as ``model/wte/m`` and ``model/wte/raw``;
        float16 has a loss scale.
        """

    def restore(self, moments: Iterable[tuple[str, Any]]) -> None:
        """Take over what `moments` yielded; names that this precision does not know are ignored.

        Weights that are not among it, as in a state of before there was an average, stay as loaded.
        """


def shrink(engine: Engine, rows: int, length: int, remat: bool) -> None:
    """Make the micro-batch smaller after `OutOfDeviceMemory`; what a step computes stays the same.

    Args:
        engine: its micro-batch did not fit.
        rows: windows of a step in this process.
        length: tokens of each.
        remat: whether layers are already computed again for their gradients.

    Raises:
        ResourceError: it cannot be made smaller.
    """
    halves = range(1, engine.micro_batch // 2 + 1)
    smaller = [n for n in halves if rows % n == 0 and n % engine.devices == 0]
    if not smaller:
        more = "" if remat else "--grad-checkpoint, "
        raise ResourceError(
            f"not even one sequence of {length} tokens at a time fits into memory",
            hint=f"Use {more}--block-size {max(1, length // 2)} or a smaller --model.",
        )
    engine.micro_batch = smaller[-1]
