"""What trains: the interface that both Keras backends offer, and the choice between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mckennabot.backend import import_keras
from mckennabot.errors import UsageError
from mckennabot.finetune.data import Tokens
from mckennabot.finetune.engines.model import GPT2
from mckennabot.models.checkpoint import Hparams

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Adam's."""

MAX_NORM = 1.0
"""Longer gradients are shortened to this."""

LOSS_SCALE = 2.0**15
"""float16 gradients are kept from vanishing by this factor: at first; halved when one overflows."""

GROW_AFTER = 2000
"""Steps without an overflow after which the loss scale doubles."""


def corrected_rate(learning_rate: float, step: int) -> np.float32:
    """The rate of a step counted from 1, with Adam's correction of moments that begin at zero."""
    return np.float32(learning_rate * math.sqrt(1 - BETA2**step) / (1 - BETA1**step))


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

    def moments(self) -> Iterator[tuple[str, Any]]:
        """As `weights`: Adam's moments and what else it remembers, by names such as ``model/wte/m``."""

    def restore(self, moments: Iterable[tuple[str, Any]]) -> None:
        """Take over what `moments` gave; of names that this precision does not know, nothing."""


def make_engine(model: GPT2, dtype: str, micro_batch: int, remat: bool = False) -> Engine:
    """The engine for Keras's backend.

    Args:
        model: what to train.
        dtype: of the matrix products.
        micro_batch: sequences at a time.
        remat: compute each layer again for its gradient instead of keeping what it computed.

    Raises:
        UsageError: Keras has a backend that does not train here.
    """
    backend = import_keras().backend.backend()
    if backend == "jax":
        from mckennabot.finetune.engines.jax_engine import JaxStep

        return JaxStep(model, dtype, micro_batch, remat)
    if backend == "tensorflow":
        from mckennabot.finetune.engines.tensorflow_engine import TensorFlowStep

        return TensorFlowStep(model, dtype, micro_batch, remat)
    raise UsageError(
        f"Keras is set to {backend}, which does not train here", hint="Use KERAS_BACKEND=tensorflow or jax."
    )
