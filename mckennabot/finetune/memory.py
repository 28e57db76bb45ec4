"""Estimates the memory that training takes, and advises what would fit.

Estimates are 3 to 15 % above what runs of the TensorFlow backend take on a CPU at their peak: tiny ones, and
of 124M parameters on windows of 256 and 1024 tokens, one and two at a time, in float32 and bfloat16.
"""

from __future__ import annotations

import dataclasses
import math

from mckennabot.backend import import_tensorflow
from mckennabot.config import FinetuneSettings
from mckennabot.errors import ResourceError
from mckennabot.finetune.engines.attention import BLOCK
from mckennabot.finetune.engines.cross_entropy import MATRIX_ROWS, ROWS
from mckennabot.models.checkpoint import Hparams
from mckennabot.models.weights import parameters
from mckennabot.system import machine

HOPELESS = 100
"""A run out of memory continues with smaller batches; from this many times what is free, it cannot."""

PROGRAM = 1_000_000_000
"""Bytes of Python, TensorFlow and what they load, whatever the model."""


def estimate(hparams: Hparams, settings: FinetuneSettings, dtype: str) -> dict[str, int]:
    """Estimate the bytes of each part at the peak of training.

    What a layer keeps for its gradient, per token, is counted in numbers: the residual stream and its
    two norms in float32, and in the precision of the products the inputs of the four of them, the
    queries, keys and values, and twice the attention weights, which are computed in causal blocks.
    Gradients count twice, as they are and clipped; and once more if they are accumulated.

    Args:
        hparams: the model's sizes.
        settings: batch_size and block_size are None for the least and the most that the model takes.
        dtype: of the matrix products.
    """
    size, e = parameters(hparams), hparams.n_embd
    block = settings.block_size or hparams.n_ctx
    tokens = (settings.batch_size or 1) * block
    half = 4 if dtype == "float32" else 2
    looked_at = min(block, (block + BLOCK) // 2)  # positions, on average
    layer = tokens * (4 * 6 * e + half * 18 * e + half * 2 * hparams.n_head * looked_at)
    kept = hparams.n_layer * 4 * tokens * e + layer if settings.grad_checkpoint else hparams.n_layer * layer
    return {
        "program": PROGRAM,
        "weights": (4 if half == 4 else 4 + half) * size,
        "Adam's moments": 8 * size,
        "average of the weights": 4 * size,
        "gradients": (12 if settings.accumulate > 1 else 8) * size,
        "layers": kept,
        "logits": hparams.n_vocab * (2 * half * min(tokens, MATRIX_ROWS) + 2 * 4 * min(tokens, ROWS)),
    }


def advice(hparams: Hparams, settings: FinetuneSettings, dtype: str, room: int | None) -> str | None:
    """Say what would fit into `room` bytes if the estimate is more; None if it fits, or nobody knows."""

    def needs(changed: FinetuneSettings) -> int:
        return sum(estimate(hparams, changed, dtype).values())

    if room is None or needs(settings) <= room:
        return None
    said = f"This takes about {in_words(needs(settings))} of memory, and {in_words(room)} are free."
    batch, block = settings.batch_size or 1, settings.block_size or hparams.n_ctx
    half = [n for n in range(1, math.isqrt(batch) + 1) if batch % n == 0]
    smaller = sorted({*half, *(batch // n for n in half)}, reverse=True)
    for again in (settings.grad_checkpoint, True):
        for length in (block, block // 2, block // 4):
            for n in smaller:
                changed = dataclasses.replace(
                    settings,
                    batch_size=n,
                    accumulate=settings.accumulate * batch // n,
                    block_size=max(1, length),
                    grad_checkpoint=again,
                )
                if needs(changed) <= room:
                    return f"{said} This would fit: {_flags(settings, changed, hparams)}"
    return f"{said} Use a smaller --model."


def refuse(hparams: Hparams, settings: FinetuneSettings, dtype: str, room: int | None) -> None:
    """Refuse what cannot fit however wrong the estimate is, before anything is prepared.

    Raises:
        ResourceError: it takes `HOPELESS` times what there is, or more.
    """
    needed = sum(estimate(hparams, settings, dtype).values())
    if room is not None and needed > HOPELESS * room:
        raise ResourceError(
            f"this takes about {in_words(needed)} of memory, and {in_words(room)} are free",
            hint="Use a smaller --batch-size, with --accumulate for the rest of a step.",
        )


def _flags(settings: FinetuneSettings, changed: FinetuneSettings, hparams: Hparams) -> str:
    """Write the options that turn one into the other."""
    usual = {"batch_size": 1, "accumulate": 1, "block_size": hparams.n_ctx}
    flags = [
        f"--{name.replace('_', '-')} {getattr(changed, name)}"
        for name, value in usual.items()
        if getattr(changed, name) != (getattr(settings, name) or value)
    ]
    return " ".join([*flags, *["--grad-checkpoint"] * (changed.grad_checkpoint > settings.grad_checkpoint)])


def free() -> int | None:
    """Return the free bytes of the training device; None if they cannot be found out."""
    if import_tensorflow().config.list_physical_devices("GPU"):
        return machine.free_gpu_memory()
    return machine.free_memory()


def in_words(count: int) -> str:
    """Write a number of bytes in GB or MB."""
    return f"{count / 1e9:,.2f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
