"""Builds a model, and the engine that trains it on Keras's backend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mckennabot.backend import import_keras
from mckennabot.config import FinetuneSettings
from mckennabot.errors import UsageError
from mckennabot.finetune import precision
from mckennabot.models.checkpoint import Hparams

if TYPE_CHECKING:
    from mckennabot.finetune.engines.engine import Engine
    from mckennabot.finetune.engines.model import GPT2


def build_engine(hparams: Hparams, settings: FinetuneSettings, values: Iterable[tuple[str, Any]]) -> Engine:
    """Lay a model with these variables out over the devices, and return the engine that trains it.

    Raises:
        UsageError: Keras has a backend that does not train here.
    """
    from mckennabot.finetune.engines.model import GPT2
    from mckennabot.finetune.jobs import devices

    assert settings.batch_size is not None
    dtype = precision.choose(settings.precision)
    values = devices.distribute(hparams, settings.devices or 1, values)
    return make_engine(GPT2(hparams, values), dtype, settings.batch_size, settings.grad_checkpoint)


def make_engine(model: GPT2, dtype: str, micro_batch: int, remat: bool = False) -> Engine:
    """Return the engine of Keras's backend.

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
        from mckennabot.finetune.engines.jax_engine import JaxEngine

        return JaxEngine(model, dtype, micro_batch, remat)
    if backend == "tensorflow":
        from mckennabot.finetune.engines.tensorflow_engine import TensorFlowEngine

        return TensorFlowEngine(model, dtype, micro_batch, remat)
    raise UsageError(
        f"Keras is set to {backend}, which does not train here", hint="Use KERAS_BACKEND=tensorflow or jax."
    )
