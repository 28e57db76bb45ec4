"""What trains: the interface that the engines of both Keras backends offer."""

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
    """Room for the keys and values [L, 2, H, C, D] of C = `length` positions."""
    h = hparams
    return np.zeros((h.n_layer, 2, h.n_head, length, h.n_embd // h.n_head), np.float32)


class OutOfDeviceMemory(Exception):  # noqa: N818
    """A micro-batch does not fit; nothing has changed."""


class Engine(Protocol):
    """Training, evaluation and drawing with one model.

    Attributes:
        model: the model that is trained.
        micro_batch: sequences at a time in this process; more than that are accumulated.
        devices: what this process has to compute them with; divides `micro_batch`.
        asynchronous: whether the device works on while Python goes on.
    """

    model: GPT2
    micro_batch: int
    devices: int
    asynchronous: bool

    def train(self, batch: Tokens, learning_rate: float, step: int) -> Any:
        """Take optimizer step `step` (counted from 1) on windows [n, T + 1], n a multiple of `micro_batch`.

        A step whose loss or gradient is not finite changes nothing.

        Returns:
            The mean loss in nats per token, NaN where training cannot go on; reading it as a float waits
            for the device.

        Raises:
            OutOfDeviceMemory: with a smaller `micro_batch` it may fit.
        """

    def evaluate(self, tokens: Tokens, targets: Tokens) -> float:
        """Summed loss, in nats, of targets [B, T] after tokens [B, T]."""

    def start(self, length: int) -> Any:
        """An empty cache for drawing `length` positions."""

    def next(self, token: int, position: int, cache: Any) -> tuple[npt.NDArray[np.float32], Any]:
        """Logits [V] of what follows `token`, and the cache that holds it too."""

    def anywhere(self, flag: bool) -> Any:
        """Whether `flag` is set in any process; reading it as a bool waits for all of them."""

    def weights(self) -> Iterator[tuple[str, Any]]:
        """The variables by name, each whole, one after another; in a job, all processes have to read on."""

    def load(self, weights: Iterable[tuple[str, Any]]) -> bool:
        """Put other weights in the place of the model's own; whether there were any."""

    def moments(self) -> Iterator[tuple[str, Any]]:
        """As `weights`: Adam's moments and what else it remembers, by names such as ``model/wte/m``."""

    def restore(self, moments: Iterable[tuple[str, Any]]) -> None:
        """Take over what `moments` gave; of names that this precision does not know, nothing."""


def shrink(engine: Engine, rows: int, length: int, remat: bool) -> None:
    """After `OutOfDeviceMemory`: go on with a smaller micro-batch; what a step computes stays the same.

    Args:
        engine: whose micro-batch did not fit.
        rows: windows of a step in this process.
        length: tokens of each.
        remat: whether layers are computed again for their gradients already.

    Raises:
        ResourceError: there is none smaller.
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
