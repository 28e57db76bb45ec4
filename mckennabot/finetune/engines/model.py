"""GPT-2 in Keras 3: variables under OpenAI's names, and pure functions over them on any backend.

Shapes below: B sequences, T positions, E = n_embd, H = n_head, D = E / H, V = n_vocab, L = n_layer.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mckennabot.backend import keras, ops
from mckennabot.finetune.engines.attention import FORBIDDEN, attend
from mckennabot.finetune.engines.cross_entropy import cross_entropy, cross_entropy_without_gradient
from mckennabot.models.checkpoint import Hparams

Params = Mapping[str, Any]
"""Tensors by OpenAI's names."""

NORM_EPSILON = 1e-5
"""OpenAI's; another one gives other logits."""

Layer = Callable[[Params, Any, int], Any]
"""A function from a layer's weights, x [B, T, E] and n_head to [B, T, E]."""


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


def cast(params: Params, dtype: str) -> dict[str, Any]:
    """Cast the weights of matrix products to `dtype`, once for all their uses; leave the rest as it is."""
    products = ("/w", "c_attn/b", "c_proj/b", "c_fc/b")
    return {
        name: ops.cast(value, dtype) if name.endswith(products) else ops.convert_to_tensor(value)
        for name, value in params.items()
    } | {"head": ops.cast(params["model/wte"], dtype)}


def embed(weights: Params, tokens: Any) -> Any:
    """Return the input of the first layer [B, T, E] for tokens [B, T], T at most n_ctx."""
    return ops.take(weights["model/wte"], tokens, axis=0) + weights["model/wpe"][: tokens.shape[1]]


def hidden(weights: Params, x: Any, hparams: Hparams, layer: Layer | None = None) -> Any:
    """Return the last layer's normalised output [B, T, E] for embedded tokens [B, T, E].

    Args:
        weights: from `cast`; the residual stream and the norms are float32 whatever their dtype.
        x: from `embed`.
        hparams: the model's sizes.
        layer: `block` (the default), or another function that computes the same.
    """
    for i in range(hparams.n_layer):
        x = (layer or block)(layer_weights(weights, i), x, hparams.n_head)
    return norm(weights, "model/ln_f", x)


def layer_weights(weights: Params, i: int) -> dict[str, Any]:
    """Return the weights of layer i under the names that `block` uses, such as ``attn/c_attn/w``."""
    prefix = f"model/h{i}/"
    return {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}


def block(layer: Params, x: Any, n_head: int) -> Any:
    """Apply one transformer layer [B, T, E] -> [B, T, E]."""
    qkv = dense(layer, "attn/c_attn", norm(layer, "ln_1", x))
    x = x + ops.cast(dense(layer, "attn/c_proj", attention(qkv, n_head)), "float32")
    return mlp(layer, x)


def rematerialised(layer: Layer) -> Layer:
    """Wrap a layer so that it is computed a second time for its gradient instead of kept in memory."""

    def recomputed(weights: Params, x: Any, n_head: int) -> Any:
        names = list(weights)

        def positional(x: Any, *values: Any) -> Any:
            return layer(dict(zip(names, values, strict=True)), x, n_head)

        return keras.remat(positional)(x, *weights.values())

    return recomputed


def mlp(layer: Params, x: Any) -> Any:
    """Apply the second half of a layer [B, T, E] -> [B, T, E]."""
    h = gelu(dense(layer, "mlp/c_fc", norm(layer, "ln_2", x)))
    return x + ops.cast(dense(layer, "mlp/c_proj", h), "float32")


def gelu(x: Any) -> Any:
    """Apply GELU by its tanh formula (arXiv 1606.08415), with a sigmoid: 0.5 (1 + tanh u) = sigmoid(2 u)."""
    scale = 2 * math.sqrt(2 / math.pi)
    return x * ops.sigmoid(x * (scale + scale * 0.044715 * ops.square(x)))


def loss(weights: Params, x: Any, targets: Any, learning: bool = True) -> Any:
    """Return the summed cross-entropy, in nats, of targets [B, T] given hidden states [B, T, E].

    Args:
        weights: from `cast`.
        x: from `hidden`.
        targets: token ids; those that are `cross_entropy.IGNORED` do not count.
        learning: whether its gradient will be needed.
    """
    table = weights["head"]
    rows = ops.cast(ops.reshape(x, (-1, x.shape[-1])), table.dtype)
    return (cross_entropy if learning else cross_entropy_without_gradient)(
        rows, table, ops.reshape(targets, (-1,))
    )


def attention(qkv: Any, n_head: int) -> Any:
    """Apply causal self-attention to queries, keys and values [B, T, 3E]; return [B, T, E]."""
    batch, length, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    if has_flash_attention():
        # Keras takes the heads as [B, T, H, D] here: no transpose.
        heads = ops.reshape(qkv, (batch, length, 3, n_head, width // n_head))
        q, k, v = ops.unstack(heads, axis=2)
        mixed = ops.dot_product_attention(q, k, v, is_causal=True)
        return ops.reshape(mixed, (batch, length, width))
    q, k, v = split_heads(qkv, n_head)
    mixed = attend(q * (width // n_head) ** -0.5, k, v)
    return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (batch, length, width))


@functools.cache
def has_flash_attention() -> bool:
    """Return whether the backend has fused attention kernels for this device."""
    if keras.backend.backend() != "jax":
        return False
    import jax

    return bool(jax.default_backend() == "gpu")


def split_heads(qkv: Any, n_head: int) -> Any:
    """Split [B, T, 3E] into queries, keys and values, each [B, H, T, D]."""
    batch, length, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    parts = ops.reshape(qkv, (batch, length, 3, n_head, width // n_head))
    return ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)), axis=0)


def next_logits(weights: Params, token: Any, position: Any, cache: Any, hparams: Hparams) -> tuple[Any, Any]:
    """Return the logits [V] of what follows one token, and the cache with its keys and values added.

    Args:
        weights: from `cast`.
        token: a token id [1, 1].
        position: how many tokens came before, a scalar.
        cache: keys and values [L, 2, H, C, D] of the tokens before; later positions are masked.
        hparams: the model's sizes.
    """
    table = weights["head"]
    x = ops.take(weights["model/wte"], token, axis=0) + ops.take(weights["model/wpe"], position, axis=0)
    past = ops.arange(cache.shape[3]) <= position
    layers = []
    for i in range(hparams.n_layer):
        layer = layer_weights(weights, i)
        q, k, v = split_heads(dense(layer, "attn/c_attn", norm(layer, "ln_1", x)), hparams.n_head)
        kv = ops.slice_update(cache[i], (0, 0, position, 0), ops.concatenate([k, v], axis=0))
        layers.append(kv)
        scores = ops.einsum("hqd,hcd->hqc", q[0] * q.shape[-1] ** -0.5, kv[0])
        shares = ops.softmax(ops.where(past, scores, FORBIDDEN), axis=-1)
        mixed = ops.reshape(ops.matmul(shares, kv[1]), (1, 1, hparams.n_embd))
        x = mlp(layer, x + dense(layer, "attn/c_proj", mixed))
    return ops.matmul(table, norm(weights, "model/ln_f", x)[0, 0]), ops.stack(layers)


def norm(weights: Params, name: str, x: Any) -> Any:
    """Normalise x over E, in float32, by the weights ``name/g`` and ``name/b``."""
    mean = ops.mean(x, axis=-1, keepdims=True)
    centred = x - mean
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    return centred * ops.rsqrt(variance + NORM_EPSILON) * weights[f"{name}/g"] + weights[f"{name}/b"]


def dense(weights: Params, name: str, x: Any) -> Any:
    """Apply a linear layer to x [B, T, in], in the weights' dtype; return [B, T, out]."""
    w = ops.reshape(weights[f"{name}/w"], weights[f"{name}/w"].shape[1:])
    return ops.matmul(ops.cast(x, w.dtype), w) + weights[f"{name}/b"]
