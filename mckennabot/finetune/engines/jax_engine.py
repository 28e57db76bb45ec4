"""Trains on Keras's JAX backend: compiled by XLA, with flash attention on CUDA, on any number of devices.

Chosen by ``KERAS_BACKEND=jax``. TensorFlow then only reads and writes checkpoints.

Each device computes gradients and losses for its own windows (see `devices`). The update, which has nothing
to gather, and sampling are left to XLA, which spreads them over the shards.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mckennabot.finetune.engines import adam
from mckennabot.finetune.engines import model as gpt2
from mckennabot.finetune.engines.cross_entropy import IGNORED
from mckennabot.finetune.engines.engine import OutOfDeviceMemory, empty_cache
from mckennabot.finetune.jobs import devices

if TYPE_CHECKING:
    from mckennabot.finetune.data import Tokens


class JaxEngine:
    """See `engine.Engine`."""

    def __init__(self, model: gpt2.GPT2, dtype: str, micro_batch: int, remat: bool = False) -> None:
        import jax
        from jax import numpy as jnp

        mesh = self._mesh = devices.Mesh()
        self.model = model
        self.micro_batch = micro_batch
        self.devices = mesh.mine
        self.asynchronous = jax.default_backend() != "cpu"
        self._dtype = dtype
        self._remat = remat
        self._layer: gpt2.Layer = gpt2.rematerialised(_gathered_block) if remat else _gathered_block
        for variable in model.variables.values():
            variable.assign(mesh.cut(variable.value))
        params = model.params
        self._moments: dict[str, Any] = {
            f"{name}/{slot}": mesh.cut(np.zeros(value.shape, np.float32))
            for slot in "mv"
            for name, value in params.items()
        }
        self._averages: dict[str, Any] = {name: jnp.copy(value) for name, value in params.items()}
        if dtype == "float16":
            self._moments["loss_scale"] = mesh.cut(np.float32(adam.LOSS_SCALE))
            self._moments["good_steps"] = mesh.cut(np.float32(0))
        slices = {name: value.sharding for name, value in params.items()}
        same, rows, parts = (
            mesh.sharding(()),
            mesh.sharding((devices.AXES,)),
            mesh.sharding((None, devices.AXES)),
        )
        # Gradients may run out of memory, so their call donates no buffers and can be repeated; the update
        # replaces weights and moments in place, and takes no more.
        self._gradients = mesh.compile(self._mean_gradients, (slices, same, parts), (slices, same))
        self._fitting: set[tuple[int, ...]] = set()  # shapes of micro-batches whose gradients fit
        moments = {name: value.sharding for name, value in self._moments.items()}
        self._update = jax.jit(
            self._clipped_adam, donate_argnums=(0, 1, 2), out_shardings=(slices, slices, moments, same)
        )
        self._evaluate = mesh.compile(self._loss, (slices, rows, rows), same)
        self._next = jax.jit(self._next_logits, out_shardings=(same, same))
        self._sum = mesh.compile(lambda flags: devices.total(flags[0]), (rows,), same)

    def train(self, batch: Tokens, learning_rate: float, step: int) -> Any:
        """See `engine.Engine`."""
        import jax

        rates = adam.corrected_rate(learning_rate, step), adam.kept_share(step)
        parts = self._mesh.share(batch.reshape(-1, self.micro_batch, batch.shape[1]), axis=1)
        try:
            grads, loss = self._gradients(self.model.params, self._moments.get("loss_scale", 1.0), parts)
            # A shape that is new may fail, and must do so before the update donates the weights: wait for it.
            if parts.shape not in self._fitting:
                float(loss)
                self._fitting.add(parts.shape)
        except jax.errors.JaxRuntimeError as error:
            # On a CPU the status is INTERNAL, and only the text says so.
            if not any(sign in str(error) for sign in ("RESOURCE_EXHAUSTED", "Out of memory")):
                raise
            raise OutOfDeviceMemory from error
        params, self._averages, self._moments, loss = self._update(
            self.model.params, self._averages, self._moments, grads, loss, *rates
        )
        self._assign(params)
        return loss

    def evaluate(self, tokens: Tokens, targets: Tokens) -> float:
        """See `engine.Engine`."""
        # Rows that do not divide evenly among the devices are filled up with rows that do not count.
        missing = ((0, -len(tokens) % self._mesh.mine), (0, 0))
        rows = np.pad(tokens, missing), np.pad(targets, missing, constant_values=IGNORED)
        return float(self._evaluate(self._averages, *(self._mesh.share(part, axis=0) for part in rows)))

    def new_cache(self, length: int) -> Any:
        """See `engine.Engine`."""
        return empty_cache(self.model.hparams, length)

    def next_logits(self, token: int, position: int, cache: Any) -> tuple[Any, Any]:
        """See `engine.Engine`."""
        tokens = np.full((1, 1), token, np.int32)
        logits, cache = self._next(self._averages, tokens, np.int32(position), cache)
        return np.asarray(logits), cache

    def any_process(self, flag: bool) -> Any:
        """See `engine.Engine`."""
        return self._sum(self._mesh.share(np.full(self._mesh.mine, flag, np.int32), axis=0))

    def weights(self) -> Iterator[tuple[str, Any]]:
        """See `engine.Engine`."""
        for name, value in self._averages.items():
            yield name, self._mesh.whole(value)

    def load(self, weights: Iterable[tuple[str, Any]]) -> bool:
        """See `engine.Engine`."""
        from jax import numpy as jnp

        loaded = {name: self._mesh.cut(value) for name, value in weights}
        # Arrays of their own: a step gives both away, and none can be given away twice.
        self._averages |= {name: jnp.copy(value) for name, value in loaded.items()}
        self._assign(loaded)
        return bool(loaded)

    def moments(self) -> Iterator[tuple[str, Any]]:
        """See `engine.Engine`."""
        raw = {f"{name}/raw": value for name, value in self.model.params.items()}
        for name, value in (self._moments | raw).items():
            yield name, self._mesh.whole(value)

    def restore(self, moments: Iterable[tuple[str, Any]]) -> None:
        """See `engine.Engine`."""
        for name, value in moments:
            if name in self._moments:
                self._moments[name] = self._mesh.cut(value)
            elif name.endswith("/raw"):
                self._assign({name.removesuffix("/raw"): self._mesh.cut(value)})

    def _assign(self, params: dict[str, Any]) -> None:
        for name, value in params.items():
            self.model.variables[name].assign(value)

    def _forward(self, params: Any, tokens: Any, whole: bool = False) -> tuple[Any, Any]:
        """Return the weights as the head needs them, and the last layer's output [B, T, E].

        Args:
            params: variables, in shards.
            tokens: windows [B, T].
            whole: the variables are already gathered, and kept for the gradient as they are.
        """
        if not whole:
            params = {**params, **devices.gather({name: params[name] for name in ("model/wte", "model/wpe")})}
        weights, layer = gpt2.cast(params, self._dtype), gpt2.block if whole else self._layer
        return weights, gpt2.hidden(weights, gpt2.embed(weights, tokens), self.model.hparams, layer)

    def _loss(self, params: Any, tokens: Any, targets: Any) -> Any:
        weights, x = self._forward(params, tokens)
        return devices.total(gpt2.loss(weights, x, targets, learning=False))

    def _next_logits(self, params: Any, token: Any, position: Any, cache: Any) -> Any:
        return gpt2.next_logits(gpt2.cast(params, "float32"), token, position, cache, self.model.hparams)

    def _mean(self, params: Any, scale: Any, batch: Any, whole: bool = False) -> tuple[Any, Any]:
        """Return the mean loss of a micro-batch times `scale`, to be differentiated, and unscaled."""
        weights, x = self._forward(params, batch[:, :-1], whole)
        mean = gpt2.loss(weights, x, batch[:, 1:]) / (batch.shape[0] * (batch.shape[1] - 1))
        return mean * scale, mean

    def _mean_gradients(self, params: Any, scale: Any, parts: Any) -> Any:
        """Return gradients times `scale`, and the loss, over a device's micro-batches [n, B, T + 1]."""
        import jax
        from jax import numpy as jnp

        gradients = jax.grad(self._mean, has_aux=True)
        if parts.shape[0] == 1:
            return devices.mean(gradients(params, scale, parts[0]))
        # Without remat, matrices stay gathered for the backward pass anyway: gather them only once.
        whole = not self._remat
        used, back = jax.vjp(devices.gather, params) if whole else (params, lambda sums: (sums,))

        def add(sums: Any, part: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, sums, gradients(used, scale, part, whole)), None

        zeros = (jax.tree.map(jnp.zeros_like, used), jnp.float32(0))
        (sums, loss), _ = jax.lax.scan(add, zeros, parts)
        return devices.mean(jax.tree.map(lambda total: total / parts.shape[0], (*back(sums), loss)))

    def _clipped_adam(
        self, params: Any, averages: Any, moments: Any, grads: Any, loss: Any, rate: Any, kept: Any
    ) -> tuple[Any, Any, Any, Any]:
        """Return new weights, new averages, new moments, and the loss as `train` returns it."""
        from jax import numpy as jnp

        scale = moments.get("loss_scale", 1.0)
        norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in grads.values())) / scale
        factor = adam.MAX_NORM / jnp.maximum(norm, adam.MAX_NORM) / scale
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        keep = functools.partial(jnp.where, finite)
        new_params, new_averages, new_moments = {}, {}, dict(moments)
        for name, grad in grads.items():
            clipped = grad * factor
            m = adam.BETA1 * moments[f"{name}/m"] + (1 - adam.BETA1) * clipped
            v = adam.BETA2 * moments[f"{name}/v"] + (1 - adam.BETA2) * jnp.square(clipped)
            new_params[name] = keep(params[name] - rate * m / (jnp.sqrt(v) + adam.EPSILON), params[name])
            average = averages[name] - (1 - kept) * (averages[name] - new_params[name])
            new_averages[name] = keep(average, averages[name])
            new_moments[f"{name}/m"] = keep(m, moments[f"{name}/m"])
            new_moments[f"{name}/v"] = keep(v, moments[f"{name}/v"])
        if self._dtype == "float16":
            good: Any = keep(moments["good_steps"] + 1, 0.0)
            grow = good >= adam.GROW_AFTER
            new_moments["loss_scale"] = jnp.where(grow, 2 * scale, keep(scale, scale / 2))
            new_moments["good_steps"] = jnp.where(grow, 0.0, good)
            return new_params, new_averages, new_moments, loss
        return new_params, new_averages, new_moments, keep(loss, jnp.nan)


def _gathered_block(layer: gpt2.Params, x: Any, n_head: int) -> Any:
    return gpt2.block(devices.gather(layer), x, n_head)
