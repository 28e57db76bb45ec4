"""Trains on Keras's TensorFlow backend, a step compiled whole: gradients, clipping and Adam."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mckennabot.backend import import_tensorflow
from mckennabot.finetune.engines import adam
from mckennabot.finetune.engines import model as gpt2
from mckennabot.finetune.engines.engine import OutOfDeviceMemory, empty_cache

if TYPE_CHECKING:
    from mckennabot.finetune.data import Tokens


class TensorFlowEngine:
    """See `engine.Engine`."""

    def __init__(self, model: gpt2.GPT2, dtype: str, micro_batch: int, remat: bool = False) -> None:
        tf = import_tensorflow()
        self.model = model
        self.micro_batch = micro_batch
        self.devices = 1
        self.asynchronous = bool(tf.config.list_physical_devices("GPU"))
        self._dtype = dtype
        # As a tf.function of its own, a layer is traced once instead of n_layer times.
        self._layer = tf.function(gpt2.rematerialised(gpt2.block) if remat else gpt2.block, autograph=False)
        self._moments = {
            f"{name}/{slot}": tf.Variable(tf.zeros_like(value))
            for slot in "mv"
            for name, value in model.params.items()
        }
        self._averages = {name: tf.Variable(value) for name, value in model.params.items()}
        if dtype == "float16":
            self._moments |= {"loss_scale": tf.Variable(adam.LOSS_SCALE), "good_steps": tf.Variable(0.0)}
        self._sums: dict[str, Any] = {}  # of gradients, if a step has several micro-batches
        # XLA makes steps faster on a GPU and slower on a CPU.
        self._train, self._add, self._apply, self._evaluate, self._next = (
            tf.function(function, autograph=False, jit_compile=self.asynchronous)
            for function in (
                self._train_one,
                self._add_gradients,
                self._apply_sums,
                self._loss,
                self._next_logits,
            )
        )

    def train(self, batch: Tokens, learning_rate: float, step: int) -> Any:
        """See `engine.Engine`."""
        tf = import_tensorflow()
        rates = adam.corrected_rate(learning_rate, step), adam.kept_share(step)
        parts = np.split(batch, len(batch) // self.micro_batch)
        try:
            if len(parts) == 1:
                return self._train(batch, *rates)
            if not self._sums:
                self._sums = {n: tf.Variable(tf.zeros_like(v)) for n, v in self.model.params.items()}
                self._sums["loss"] = tf.Variable(0.0)
            for total in self._sums.values():
                total.assign(tf.zeros_like(total))
            for part in parts:
                self._add(part)
            return self._apply(np.float32(1 / len(parts)), *rates)
        except tf.errors.ResourceExhaustedError as error:
            raise OutOfDeviceMemory from error

    def evaluate(self, tokens: Tokens, targets: Tokens) -> float:
        """See `engine.Engine`."""
        return float(self._evaluate(tokens, targets))

    def new_cache(self, length: int) -> Any:
        """See `engine.Engine`."""
        return empty_cache(self.model.hparams, length)

    def next_logits(self, token: int, position: int, cache: Any) -> tuple[Any, Any]:
        """See `engine.Engine`."""
        logits, cache = self._next(np.full((1, 1), token, np.int32), np.int32(position), cache)
        return logits.numpy(), cache

    def any_process(self, flag: bool) -> bool:
        """See `engine.Engine`."""
        return flag

    def weights(self) -> Iterator[tuple[str, Any]]:
        """See `engine.Engine`."""
        yield from self._averages.items()

    def load(self, weights: Iterable[tuple[str, Any]]) -> bool:
        """See `engine.Engine`."""
        names = [self._averages[name].assign(value) for name, value in weights]
        for name, average in self._averages.items():
            self.model.variables[name].assign(average)
        return bool(names)

    def moments(self) -> Iterator[tuple[str, Any]]:
        """See `engine.Engine`."""
        yield from self._moments.items()
        for name, value in self.model.params.items():
            yield f"{name}/raw", value

    def restore(self, moments: Iterable[tuple[str, Any]]) -> None:
        """See `engine.Engine`."""
        for name, value in moments:
            if name in self._moments:
                self._moments[name].assign(value)
            elif name.endswith("/raw"):
                self.model.variables[name.removesuffix("/raw")].assign(value)

    def _loss(self, tokens: Any, targets: Any) -> Any:
        weights = gpt2.cast(self._averages, self._dtype)
        x = gpt2.hidden(weights, gpt2.embed(weights, tokens), self.model.hparams, self._layer)
        return gpt2.loss(weights, x, targets, learning=False)

    def _next_logits(self, token: Any, position: Any, cache: Any) -> Any:
        weights = gpt2.cast(self._averages, "float32")
        return gpt2.next_logits(weights, token, position, cache, self.model.hparams)

    def _gradients(self, batch: Any) -> tuple[Any, dict[str, Any]]:
        tf = import_tensorflow()
        params, hparams = self.model.params, self.model.hparams
        tokens, targets = batch[:, :-1], batch[:, 1:]
        count, length = tokens.shape
        embedded = gpt2.embed(params, tokens)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*params.values(), embedded])
            weights = gpt2.cast(params, self._dtype)
            x = gpt2.hidden(weights, embedded, hparams, self._layer)
            mean = gpt2.loss(weights, x, targets) / (count * length)
            scaled = mean * self._moments.get("loss_scale", 1.0)
        grads, d_embedded = tape.gradient(scaled, (params, embedded), unconnected_gradients="zero")
        # The table is used twice. As the head its gradient is dense; the few rows that were looked up are
        # added to that in place. TensorFlow by itself would make them a second dense gradient first.
        grads["model/wte"] = tf.tensor_scatter_nd_add(grads["model/wte"], tokens[..., None], d_embedded)
        positions = tf.reduce_sum(d_embedded, axis=0)
        grads["model/wpe"] = tf.pad(positions, [[0, hparams.n_ctx - length], [0, 0]])
        return mean, grads

    def _train_one(self, batch: Any, rate: Any, kept: Any) -> Any:
        return self._adam(*self._gradients(batch), rate, kept)

    def _add_gradients(self, batch: Any) -> None:
        loss, grads = self._gradients(batch)
        for name, grad in (grads | {"loss": loss}).items():
            self._sums[name].assign_add(grad)

    def _apply_sums(self, share: Any, rate: Any, kept: Any) -> Any:
        means = {name: total * share for name, total in self._sums.items()}
        loss = means.pop("loss")
        return self._adam(loss, means, rate, kept)

    def _adam(self, loss: Any, grads: dict[str, Any], rate: Any, kept: Any) -> Any:
        """Clip to `MAX_NORM`, update and average, unless something is not finite.

        Args:
            loss: of the step.
            grads: by name.
            rate: with the bias correction.
            kept: share of the average that stays.

        Returns:
            The loss, NaN if training cannot continue.
        """
        tf = import_tensorflow()
        loss_scale, good_steps = (self._moments.get(name, 1.0) for name in ("loss_scale", "good_steps"))
        norm = tf.sqrt(2 * tf.add_n([tf.nn.l2_loss(grad) for grad in grads.values()])) / loss_scale
        factor = adam.MAX_NORM / tf.maximum(norm, adam.MAX_NORM) / loss_scale

        def rescale(good: Any, scale: Any) -> None:
            if self._dtype == "float16":
                grow = good >= adam.GROW_AFTER
                loss_scale.assign(tf.where(grow, 2 * scale, scale))
                good_steps.assign(tf.where(grow, 0.0, good))

        def update() -> Any:
            clipped = {name: grad * factor for name, grad in grads.items()}
            # Allocate everything before the first variable changes: a step happens whole or not at all.
            with tf.control_dependencies(list(clipped.values())):
                for name, grad in clipped.items():
                    tf.raw_ops.ResourceApplyAdam(
                        var=self.model.params[name].handle,
                        m=self._moments[f"{name}/m"].handle,
                        v=self._moments[f"{name}/v"].handle,
                        beta1_power=0.0,  # no bias correction here: `rate` has it
                        beta2_power=0.0,
                        lr=rate,
                        beta1=adam.BETA1,
                        beta2=adam.BETA2,
                        epsilon=adam.EPSILON,
                        grad=grad,
                    )
                    # What this allocates is less than the layers' activations, which are gone by now.
                    average = self._averages[name]
                    average.assign_sub((1 - kept) * (average - self.model.params[name]))
            rescale(good_steps + 1, loss_scale)
            return tf.constant(True)

        def skip() -> Any:
            rescale(0.0, loss_scale / 2)
            return tf.constant(False)

        finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        tf.cond(finite, update, skip)
        # float16 overflows now and then, and recovers; in other precisions an infinite gradient ends the run.
        return loss if self._dtype == "float16" else tf.where(finite, loss, math.nan)
