"""Causal self-attention that skips most of what the mask would throw away.

Queries are processed in blocks, each against the keys up to its own end: about half the work of the full
[T, T] matrix. The gradient is written out so that it uses the same blocks and the precision of the products,
without casting scores to float32 and back; softmax itself sums in float32, so this loses nothing.

Shapes: B sequences, H heads, T positions, D numbers per head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mckennabot.backend import ops

BLOCK = 256
"""Queries per block; smaller blocks waste less work and cost more calls."""

FORBIDDEN = -1e4
"""Added to the scores of later positions; float16, whose largest number is 65504, can hold it."""


def attend(q: Any, k: Any, v: Any) -> Any:
    """Return softmax(q k^T) v [B, H, T, D], each position attending to itself and those before it."""
    return ops.custom_gradient(_attend)(q, k, v)


def _attend(q: Any, k: Any, v: Any) -> Any:
    """Return the output of `attend`, and the function that computes its gradient."""
    length = q.shape[2]
    ends = [*range(BLOCK, length, BLOCK), length]
    starts = [0, *ends[:-1]]
    shares = []
    mixed = []
    for start, end in zip(starts, ends, strict=True):
        scores = ops.matmul(q[:, :, start:end], ops.swapaxes(k[:, :, :end], -1, -2))
        shares.append(ops.softmax(scores + ops.cast(_mask(start, end), scores.dtype), axis=-1))
        mixed.append(ops.matmul(shares[-1], v[:, :, :end]))
    output = _concatenate(mixed)

    def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any, Any]:
        dy = arguments[0] if upstream is None else upstream
        # Softmax's gradient subtracts sum_j share_j (d share_j), which equals output · dy: one product fewer.
        balance = ops.sum(output * dy, axis=-1, keepdims=True)
        dq, dk, dv = [], [], []
        for share, start, end in zip(shares, starts, ends, strict=True):
            part = dy[:, :, start:end]
            dv.append(ops.matmul(ops.swapaxes(share, -1, -2), part))
            d_share = ops.matmul(part, ops.swapaxes(v[:, :, :end], -1, -2))
            d_scores = share * (d_share - balance[:, :, start:end])
            dq.append(ops.matmul(d_scores, k[:, :, :end]))
            dk.append(ops.matmul(ops.swapaxes(d_scores, -1, -2), q[:, :, start:end]))
        return _concatenate(dq), _sum_prefixes(dk, starts, ends), _sum_prefixes(dv, starts, ends)

    return output, gradient


def _mask(start: int, end: int) -> Any:
    """Return what to add to the scores of queries `start` to `end` over the keys up to `end`."""
    return np.where(np.arange(start, end)[:, None] >= np.arange(end), 0, FORBIDDEN).astype("float32")


def _concatenate(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=2)


def _sum_prefixes(parts: Sequence[Any], starts: Sequence[int], ends: Sequence[int]) -> Any:
    """Sum parts that all begin at position 0 and end at `ends`."""
    pieces = []
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        piece = parts[i][:, :, start:end]
        for later in parts[i + 1 :]:
            piece = piece + later[:, :, start:end]
        pieces.append(piece)
    return _concatenate(pieces)
