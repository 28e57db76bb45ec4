"""One optimizer step, compiled whole: gradients, clipping, Adam. One class per Keras backend.

Adam is PyTorch's and TensorFlow's: betas 0.9 and 0.999. A step whose loss or gradient is not finite
changes nothing; the caller reads the loss and stops.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras  # noqa: TID253 - owns Keras, with model.py
import numpy as np

from mckennabot.finetune import model as gpt2

if TYPE_CHECKING:
    from mckennabot.finetune.data import Tokens

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
MAX_NORM = 1.0


class TensorFlowStep:
    """Training and evaluation of one model on the TensorFlow backend.

    Attributes:
        model: the model that is trained.
        asynchronous: whether the device works on while Python goes on.
    """

    def __init__(self, model: gpt2.GPT2, dtype: str) -> None:
        import tensorflow as tf

        self.model = model
        self.asynchronous = bool(tf.config.list_physical_devices("GPU"))
        self._dtype = dtype
        self._moments = {
            slot: {name: tf.Variable(tf.zeros_like(v)) for name, v in model.params.items()} for slot in "mv"
        }
        self._sums: dict[str, Any] = {}  # of gradients, where a step has several micro-batches
        self._train = tf.function(self._train_one, jit_compile=False)
        self._add = tf.function(self._add_gradients, jit_compile=False)
        self._apply = tf.function(self._apply_sums, jit_compile=False)
        self._evaluate = tf.function(self._loss, jit_compile=False)

    def train(self, batches: Sequence[Tokens], learning_rate: float, step: int) -> Any:
        """Take optimizer step `step` (counted from 1) on micro-batches [B, T + 1] of equal size.

        Returns:
            The mean loss in nats per token; reading it as a float waits for the device.
        """
        rate = np.float32(learning_rate * math.sqrt(1 - BETA2**step) / (1 - BETA1**step))
        if len(batches) == 1:
            return self._train(batches[0], rate)
        import tensorflow as tf

        if not self._sums:
            self._sums = {n: tf.Variable(tf.zeros_like(v)) for n, v in self.model.params.items()}
            self._sums["loss"] = tf.Variable(0.0)
        for batch in batches:
            self._add(batch)
        return self._apply(np.float32(1 / len(batches)), rate)

    def evaluate(self, tokens: Tokens, targets: Tokens) -> float:
        """Summed loss, in nats, of targets [B, T] after tokens [B, T]."""
        return float(self._evaluate(tokens, targets))

    def moments(self) -> Iterator[tuple[str, Any]]:
        """Adam's moments, by names that end in ``/m`` and ``/v``."""
        for slot, variables in self._moments.items():
            for name, variable in variables.items():
                yield f"{name}/{slot}", variable

    def restore(self, moments: Iterable[tuple[str, Any]]) -> None:
        """Take over what `moments` gave."""
        for name, value in moments:
            stem, _, slot = name.rpartition("/")
            self._moments[slot][stem].assign(value)

    def _loss(self, tokens: Any, targets: Any) -> Any:
        return gpt2.loss(self.model.params, tokens, targets, self.model.hparams, self._dtype)

    def _gradients(self, batch: Any) -> tuple[Any, dict[str, Any]]:
        import tensorflow as tf

        params = self.model.params
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(list(params.values()))
            mean = self._loss(batch[:, :-1], batch[:, 1:]) / (batch.shape[0] * (batch.shape[1] - 1))
        grads = tape.gradient(mean, params)
        return mean, {name: tf.convert_to_tensor(grad) for name, grad in grads.items()}

    def _train_one(self, batch: Any, rate: Any) -> Any:
        loss, grads = self._gradients(batch)
        self._adam(loss, grads, rate)
        return loss

    def _add_gradients(self, batch: Any) -> None:
        loss, grads = self._gradients(batch)
        for name, grad in (grads | {"loss": loss}).items():
            self._sums[name].assign_add(grad)

    def _apply_sums(self, share: Any, rate: Any) -> Any:
        means = {name: total * share for name, total in self._sums.items()}
        loss = means.pop("loss")
        self._adam(loss, means, rate)
        for total in self._sums.values():
            total.assign(keras.ops.zeros_like(total))
        return loss

    def _adam(self, loss: Any, grads: dict[str, Any], rate: Any) -> None:
        """Clip to `MAX_NORM` and update, unless something is not finite; `rate` has the bias correction."""
        import tensorflow as tf

        norm = tf.sqrt(2 * tf.add_n([tf.nn.l2_loss(grad) for grad in grads.values()]))
        scale = MAX_NORM / tf.maximum(norm, MAX_NORM)

        def update() -> Any:
            for name, grad in grads.items():
                tf.raw_ops.ResourceApplyAdam(
                    var=self.model.params[name].handle,
                    m=self._moments["m"][name].handle,
                    v=self._moments["v"][name].handle,
                    beta1_power=0.0,  # no bias correction here: `rate` has it
                    beta2_power=0.0,
                    lr=rate,
                    beta1=BETA1,
                    beta2=BETA2,
                    epsilon=EPSILON,
                    grad=grad * scale,
                )
            return tf.constant(True)

        finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        tf.cond(finite, update, lambda: tf.constant(False))
