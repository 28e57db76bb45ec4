"""GPT-2 in Keras 3: variables under OpenAI's names, and pure functions over them on any backend.

Shapes below: B sequences, T positions, E = n_embd, H = n_head, D = E / H, V = n_vocab.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import keras  # noqa: TID253 - this module owns Keras
import numpy as np
from keras import ops  # noqa: TID253

from mckennabot.checkpoint import Hparams
from mckennabot.weights import shapes

Params = Mapping[str, Any]
"""Tensors or variables by OpenAI's names, float32."""

IGNORED = -1
"""A target that counts for nothing: padding."""


class GPT2:
    """A GPT-2's trainable variables.

    Attributes:
        hparams: its sizes.
        variables: Keras variables by OpenAI's names, float32, in OpenAI's shapes.
    """

    def __init__(self, hparams: Hparams, values: Iterable[tuple[str, Any]]) -> None:
        self.hparams = hparams
        self.variables = {
            # Keras allows no slash in a name.
            name: keras.Variable(value, dtype="float32", name=name.replace("/", "."))
            for name, value in values
        }

    @property
    def params(self) -> dict[str, Any]:
        """The backend's own tensors or variables by name."""
        return {name: variable.value for name, variable in self.variables.items()}


def random_values(hparams: Hparams, seed: int) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """A random start as GPT-2 had it: N(0, 0.02), residual projections scaled by 1/sqrt(2 n_layer)."""
    rng = np.random.default_rng(seed)
    values = {}
    for name, shape in shapes(hparams).items():
        if name.endswith("/g"):
            values[name] = np.ones(shape, np.float32)
        elif name.endswith("/b"):
            values[name] = np.zeros(shape, np.float32)
        else:
            scale = 0.02 / math.sqrt(2 * hparams.n_layer) if "c_proj" in name else 0.02
            values[name] = rng.normal(0, scale, shape).astype(np.float32)
    return values


def hidden(params: Params, tokens: Any, hparams: Hparams, dtype: str = "float32") -> Any:
    """The last layer's normed output [B, T, E] for tokens [B, T].

    Args:
        params: the model's variables.
        tokens: token ids [B, T], T at most n_ctx.
        hparams: the model's sizes.
        dtype: of the matrix products; the residual stream and the norms are float32.
    """
    x = ops.take(params["model/wte"], tokens, axis=0) + params["model/wpe"][: tokens.shape[1]]
    for i in range(hparams.n_layer):
        x = block(params, f"model/h{i}", x, hparams.n_head, dtype)
    return _norm(params, "model/ln_f", x)


def block(params: Params, name: str, x: Any, n_head: int, dtype: str) -> Any:
    """One transformer layer [B, T, E] -> [B, T, E]."""
    qkv = _dense(params, f"{name}/attn/c_attn", _norm(params, f"{name}/ln_1", x), dtype)
    x = x + _dense(params, f"{name}/attn/c_proj", _attention(qkv, n_head), dtype)
    h = _dense(params, f"{name}/mlp/c_fc", _norm(params, f"{name}/ln_2", x), dtype)
    return x + _dense(params, f"{name}/mlp/c_proj", ops.gelu(h, approximate=True), dtype)


def loss(params: Params, tokens: Any, targets: Any, hparams: Hparams, dtype: str = "float32") -> Any:
    """Summed cross-entropy, in nats, of targets [B, T] after tokens [B, T]; `IGNORED` ones count nothing."""
    x = hidden(params, tokens, hparams, dtype)
    wte = ops.cast(params["model/wte"], dtype)
    logits = ops.cast(ops.matmul(ops.cast(x, dtype), ops.transpose(wte)), "float32")
    real = ops.not_equal(targets, IGNORED)
    each = keras.losses.sparse_categorical_crossentropy(ops.maximum(targets, 0), logits, from_logits=True)
    return ops.sum(ops.where(real, each, 0.0))


def _attention(qkv: Any, n_head: int) -> Any:
    """Causal self-attention over [B, T, 3E], giving [B, T, E]."""
    batch, length, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    parts = ops.reshape(qkv, (batch, length, 3, n_head, width // n_head))
    q, k, v = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)), axis=0)  # [B, H, T, D] each
    scores = ops.matmul(q * (width // n_head) ** -0.5, ops.swapaxes(k, -1, -2))
    positions = np.arange(length)
    scores = ops.where(positions[:, None] >= positions, scores, -1e4)
    mixed = ops.matmul(ops.softmax(scores, axis=-1), v)
    return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (batch, length, width))


def _norm(params: Params, name: str, x: Any) -> Any:
    """Layer normalisation over E, in float32."""
    mean = ops.mean(x, axis=-1, keepdims=True)
    centred = x - mean
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    return centred * ops.rsqrt(variance + 1e-5) * params[f"{name}/g"] + params[f"{name}/b"]


def _dense(params: Params, name: str, x: Any, dtype: str) -> Any:
    """Linear layer of x [B, T, in], computed in `dtype`."""
    w = ops.cast(params[f"{name}/w"], dtype)[0]
    return ops.matmul(ops.cast(x, dtype), w) + ops.cast(params[f"{name}/b"], dtype)
