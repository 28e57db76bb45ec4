"""GPT-2's forward pass in NumPy, from tensors under Hugging Face's names: an oracle for exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def logits(tensors: Mapping[str, Any], n_head: int, ids: Sequence[int]) -> Any:
    """The logits at every position: [len(ids), vocabulary]."""
    get = {name.removeprefix("transformer."): np.asarray(t, np.float64) for name, t in tensors.items()}

    def norm(x: Any, name: str) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return centred / scale * get[f"{name}.weight"] + get[f"{name}.bias"]

    def linear(x: Any, name: str) -> Any:
        return x @ get[f"{name}.weight"] + get[f"{name}.bias"]

    def heads(x: Any) -> Any:
        return x.reshape(len(ids), n_head, -1).transpose(1, 0, 2)

    x = get["wte.weight"][list(ids)] + get["wpe.weight"][: len(ids)]
    future = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    for i in range(sum(name.endswith("ln_1.weight") for name in get)):
        q, k, v = map(heads, np.split(linear(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn"), 3, -1))
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]) + future
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        x = x + linear((weights @ v).transpose(1, 0, 2).reshape(len(ids), -1), f"h.{i}.attn.c_proj")
        inner = linear(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
        gelu = 0.5 * inner * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)))
        x = x + linear(gelu, f"h.{i}.mlp.c_proj")
    return norm(x, "ln_f") @ get["wte.weight"].T
