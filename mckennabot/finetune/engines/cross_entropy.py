"""Cross-entropy of a tied head, a few rows at a time, with its gradient computed in the forward pass.

The logits of a window are by far its largest tensor (1024 x 50257 numbers); here only `ROWS` rows of
them exist at once. The loss is a sum, so its upstream gradient is a single number: the gradients can be
computed while the logits exist, and scaled by that number later. Nothing is computed twice.
"""

from __future__ import annotations

from typing import Any

from mckennabot.backend import ops

ROWS = 256
"""Rows whose logits exist at once."""

MATRIX_ROWS = 4096
"""Rows whose logit gradients are kept, so that the table's gradient takes one large product."""

IGNORED = -1
"""A target that does not count: padding."""


def cross_entropy(x: Any, table: Any, targets: Any) -> Any:
    """Return the summed loss, in nats, of targets [N] given hidden states x [N, E] and a table [V, E].

    Logits and products are in the table's dtype, sums in float32; `IGNORED` targets do not count.
    """

    def summed(x: Any, table: Any) -> Any:
        total, dx, dtable = _loss_and_gradients(x, table, targets)

        def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any]:
            factor = arguments[0] if upstream is None else upstream
            return dx * ops.cast(factor, dx.dtype), dtable * ops.cast(factor, dtable.dtype)

        return total, gradient

    return ops.custom_gradient(summed)(x, table)


def cross_entropy_without_gradient(x: Any, table: Any, targets: Any) -> Any:
    """Return what `cross_entropy` returns, without the work for its gradient."""
    return sum(_rows(x[i : i + ROWS], table, targets[i : i + ROWS])[0] for i in range(0, x.shape[0], ROWS))


def _loss_and_gradients(x: Any, table: Any, targets: Any) -> tuple[Any, Any, Any]:
    """Return the loss, and its gradients for x [N, E] and the table [V, E]."""
    total: Any = 0.0
    dx = []
    dtable: Any = None
    for start in range(0, x.shape[0], MATRIX_ROWS):
        part = x[start : start + MATRIX_ROWS]
        d_logits = []
        for i in range(0, part.shape[0], ROWS):
            rows, goals = part[i : i + ROWS], targets[start + i : start + i + ROWS]
            loss, d = _rows(rows, table, goals)
            total = total + loss
            dx.append(ops.matmul(d, table))
            d_logits.append(d)
        product = ops.matmul(ops.transpose(ops.concatenate(d_logits)), part)
        dtable = product if dtable is None else dtable + product
    return total, ops.concatenate(dx), dtable


def _rows(x: Any, table: Any, targets: Any) -> tuple[Any, Any]:
    """Return the summed loss of a few rows, and its gradient for their logits [n, V] in the table's dtype."""
    logits = ops.cast(ops.matmul(x, ops.transpose(table)), "float32")
    largest = ops.max(logits, axis=-1, keepdims=True)
    weights = ops.exp(logits - largest)
    sums = ops.sum(weights, axis=-1, keepdims=True)
    real = ops.cast(ops.not_equal(targets, IGNORED), "float32")[:, None]
    goals = ops.maximum(targets, 0)[:, None]
    each = ops.log(sums) + largest - ops.take_along_axis(logits, goals, axis=-1)
    d_logits = ops.cast(weights * (real / sums), table.dtype)
    at_goals = ops.cast((ops.exp(-each) - 1) * real, table.dtype)[:, 0]
    places = ops.concatenate([ops.arange(targets.shape[0], dtype=goals.dtype)[:, None], goals], axis=1)
    return ops.sum(each * real), ops.scatter_update(d_logits, places, at_goals)
