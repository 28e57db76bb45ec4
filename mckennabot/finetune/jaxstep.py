"""The engine on Keras's JAX backend: compiled by XLA, with flash attention on CUDA.

Chosen by ``KERAS_BACKEND=jax``. TensorFlow then only reads and writes checkpoints.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mckennabot.finetune import model as gpt2
from mckennabot.finetune.engine import BETA1, BETA2, EPSILON, LOSS_SCALE, MAX_NORM, OutOfDeviceMemory

if TYPE_CHECKING:
    from mckennabot.finetune.data import Tokens


class JaxStep:
    """See `engine.Engine`."""

    def __init__(self, model: gpt2.GPT2, dtype: str, micro_batch: int, remat: bool = False) -> None:
        import jax

        self.model = model
        self.micro_batch = micro_batch
        self.asynchronous = jax.default_backend() != "cpu"
        self._dtype = dtype
        self._layer = gpt2.block_again if remat else gpt2.block
        zeros = {name: np.zeros(value.shape, np.float32) for name, value in model.params.items()}
        self._moments: dict[str, Any] = {
            f"{name}/{slot}": jax.device_put(zero) for slot in "mv" for name, zero in zeros.items()
        }
        if dtype == "float16":
            self._moments["loss_scale"] = jax.device_put(np.float32(LOSS_SCALE))
        # Gradients may run out of memory, so their call gives nothing away; the update replaces weights and
        # moments in place, and needs no more.
        self._gradients = jax.jit(self._mean_gradients)
        self._fitting: set[tuple[int, ...]] = set()  # shapes of micro-batches whose gradients fit
        self._update = jax.jit(self._clipped_adam, donate_argnums=(0, 1))
        self._evaluate = jax.jit(self._loss)
        self._next = jax.jit(self._next_logits)

    def train(self, batch: Tokens, learning_rate: float, step: int) -> Any:
        """See `engine.Engine`."""
        import jax

        rate = np.float32(learning_rate * math.sqrt(1 - BETA2**step) / (1 - BETA1**step))
        parts = batch.reshape(-1, self.micro_batch, batch.shape[1])
        try:
            grads, loss = self._gradients(self.model.params, self._moments.get("loss_scale", 1.0), parts)
            if parts.shape not in self._fitting:  # wait: a failure must not meet the update under way
                float(loss)
                self._fitting.add(parts.shape)
        except jax.errors.JaxRuntimeError as error:
            # On a CPU the same comes as INTERNAL.
            if not any(sign in str(error) for sign in ("RESOURCE_EXHAUSTED", "Out of memory")):
                raise
            raise OutOfDeviceMemory from error
        params, self._moments, loss = self._update(self.model.params, self._moments, grads, loss, rate)
        for name, value in params.items():
            self.model.variables[name].assign(value)
        return loss

    def evaluate(self, tokens: Tokens, targets: Tokens) -> float:
        """See `engine.Engine`."""
        return float(self._evaluate(self.model.params, tokens, targets))

    def start(self, length: int) -> Any:
        """See `engine.Engine`."""
        h = self.model.hparams
        return np.zeros((h.n_layer, 2, h.n_head, length, h.n_embd // h.n_head), np.float32)

    def next(self, token: int, position: int, cache: Any) -> tuple[Any, Any]:
        """See `engine.Engine`."""
        tokens = np.full((1, 1), token, np.int32)
        logits, cache = self._next(self.model.params, tokens, np.int32(position), cache)
        return np.asarray(logits), cache

    def moments(self) -> Iterator[tuple[str, Any]]:
        """See `engine.Engine`."""
        for name, value in self._moments.items():
            yield name, np.asarray(value)

    def restore(self, moments: Iterable[tuple[str, Any]]) -> None:
        """See `engine.Engine`."""
        import jax

        self._moments |= {name: jax.device_put(value) for name, value in moments if name in self._moments}

    def _loss(self, params: Any, tokens: Any, targets: Any) -> Any:
        weights = gpt2.cast(params, self._dtype)
        x = gpt2.hidden(weights, gpt2.embed(weights, tokens), self.model.hparams, self._layer)
        return gpt2.loss(weights, x, targets, learning=False)

    def _next_logits(self, params: Any, token: Any, position: Any, cache: Any) -> Any:
        return gpt2.next_logits(gpt2.cast(params, "float32"), token, position, cache, self.model.hparams)

    def _mean(self, params: Any, scale: Any, batch: Any) -> tuple[Any, Any]:
        """The loss of a micro-batch times `scale`, to be differentiated, and as it is."""
        weights = gpt2.cast(params, self._dtype)
        x = gpt2.hidden(weights, gpt2.embed(weights, batch[:, :-1]), self.model.hparams, self._layer)
        mean = gpt2.loss(weights, x, batch[:, 1:]) / (batch.shape[0] * (batch.shape[1] - 1))
        return mean * scale, mean

    def _mean_gradients(self, params: Any, scale: Any, parts: Any) -> Any:
        """Gradients times `scale`, and the loss, over micro-batches [n, B, T + 1]."""
        import jax
        from jax import numpy as jnp

        gradients = jax.grad(self._mean, has_aux=True)
        if parts.shape[0] == 1:
            return gradients(params, scale, parts[0])

        def add(sums: Any, part: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, sums, gradients(params, scale, part)), None

        zeros = (jax.tree.map(jnp.zeros_like, params), jnp.float32(0))
        sums, _ = jax.lax.scan(add, zeros, parts)
        return jax.tree.map(lambda total: total / parts.shape[0], sums)

    def _clipped_adam(
        self, params: Any, moments: Any, grads: Any, loss: Any, rate: Any
    ) -> tuple[Any, Any, Any]:
        """New weights, new moments, and the loss as `train` returns it."""
        from jax import numpy as jnp

        scale = moments.get("loss_scale", 1.0)
        norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in grads.values())) / scale
        factor = MAX_NORM / jnp.maximum(norm, MAX_NORM) / scale
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        keep = functools.partial(jnp.where, finite)
        new_params, new_moments = {}, dict(moments)
        for name, grad in grads.items():
            clipped = grad * factor
            m = BETA1 * moments[f"{name}/m"] + (1 - BETA1) * clipped
            v = BETA2 * moments[f"{name}/v"] + (1 - BETA2) * jnp.square(clipped)
            new_params[name] = keep(params[name] - rate * m / (jnp.sqrt(v) + EPSILON), params[name])
            new_moments[f"{name}/m"] = keep(m, moments[f"{name}/m"])
            new_moments[f"{name}/v"] = keep(v, moments[f"{name}/v"])
        if self._dtype == "float16":
            new_moments["loss_scale"] = keep(scale, scale / 2)
            return new_params, new_moments, loss
        return new_params, new_moments, keep(loss, jnp.nan)
