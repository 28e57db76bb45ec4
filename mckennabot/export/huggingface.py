"""Writes a directory for Hugging Face's `transformers`, and for the many programs that read its format.

    config.json model.safetensors          sizes and weights
    tokenizer.json vocab.json merges.txt   the vocabulary, in its newer and its older form
    tokenizer_config.json special_tokens_map.json
    generation_config.json                 how texts are sampled by default
    README.md                              the model card

GPT-2's matrices are [in, out] there as here: `transformers` has kept OpenAI's layout.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mckennabot.corpus import SEPARATOR
from mckennabot.export.card import card
from mckennabot.export.snapshot import Snapshot, in_half

FILES = frozenset(
    {
        "README.md",
        "config.json",
        "generation_config.json",
        "merges.txt",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
    }
)


def write(snapshot: Snapshot, directory: Path, precision: str) -> None:
    """Write a snapshot into an empty directory.

    Args:
        snapshot: the model.
        directory: where `FILES` go.
        precision: float32 or float16.

    Raises:
        ModelError: the weights are damaged.
        OSError: the disk is full, or cannot be written to.
    """
    tensors = {}
    for name, values in snapshot.weights():
        # OpenAI's matrices lead with a dimension of 1, from a time when they were convolutions.
        matrix = values[0] if values.ndim == 3 else values
        tensors[tensor_name(name)] = in_half(matrix) if precision == "float16" else matrix
    _save(tensors, directory / "model.safetensors")
    whole = snapshot.tokenizer.to_json()
    model = json.loads(whole)["model"]
    (directory / "tokenizer.json").write_text(whole, encoding="utf-8")
    (directory / "merges.txt").write_text(
        "\n".join(["#version: 0.2", *map(" ".join, model["merges"]), ""]), encoding="utf-8"
    )
    special = dict.fromkeys(("bos_token", "eos_token", "unk_token"), SEPARATOR)
    for name, content in {
        "config.json": _config(snapshot, precision),
        "generation_config.json": _generation_config(snapshot),
        "vocab.json": model["vocab"],
        "special_tokens_map.json": special,
        "tokenizer_config.json": {
            "add_prefix_space": False,
            "model_max_length": snapshot.hparams.n_ctx,
            "tokenizer_class": "GPT2Tokenizer",
            **special,
        },
    }.items():
        text = json.dumps(content, ensure_ascii=False, indent=None if name == "vocab.json" else 2)
        (directory / name).write_text(f"{text}\n", encoding="utf-8")
    (directory / "README.md").write_text(card(snapshot), encoding="utf-8")
    # safetensors writes for its user alone; the others show what the directory's readers may do.
    shutil.copymode(directory / "config.json", directory / "model.safetensors")


def tensor_name(variable: str) -> str:
    """Return the name in `transformers` of a variable of OpenAI's.

    >>> tensor_name("model/h3/attn/c_attn/w")
    'transformer.h.3.attn.c_attn.weight'
    >>> tensor_name("model/wte")
    'transformer.wte.weight'
    """
    name = re.sub(r"^model/(h(?=\d))?", lambda match: "transformer." + "h." * bool(match[1]), variable)
    head, _, last = name.replace("/", ".").rpartition(".")
    kind = {"g": "weight", "w": "weight", "b": "bias"}.get(last, f"{last}.weight")
    return f"{head}.{kind}"


def _save(tensors: Mapping[str, Any], path: Path) -> None:
    """Write arrays as safetensors, marked as PyTorch's: `transformers` refuses them otherwise.

    Raises:
        OSError: they cannot be written.
    """
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file({n: np.ascontiguousarray(v) for n, v in tensors.items()}, path, {"format": "pt"})
    except SafetensorError as error:  # which has the operating system's number in its text only
        found = re.search(r"os error (\d+)", str(error))
        code = int(found[1]) if found else errno.EIO
        raise OSError(code, os.strerror(code)) from error


def _config(snapshot: Snapshot, precision: str) -> dict[str, Any]:
    hparams, eot = snapshot.hparams, snapshot.tokenizer.eot
    return {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "bos_token_id": eot,
        "dtype": precision,
        "embd_pdrop": 0.1,
        "eos_token_id": eot,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-5,
        "model_type": "gpt2",
        "n_ctx": hparams.n_ctx,  # llama.cpp's converter reads this one
        "n_embd": hparams.n_embd,
        "n_head": hparams.n_head,
        "n_inner": None,
        "n_layer": hparams.n_layer,
        "n_positions": hparams.n_ctx,
        "resid_pdrop": 0.1,
        "scale_attn_weights": True,
        "tie_word_embeddings": True,
        "torch_dtype": precision,  # the name of "dtype" before transformers 5
        "use_cache": True,
        "vocab_size": hparams.n_vocab,
    }


def _generation_config(snapshot: Snapshot) -> dict[str, Any]:
    sampling, eot = snapshot.sampling, snapshot.tokenizer.eot
    return {
        "bos_token_id": eot,
        "do_sample": sampling.temperature > 0,
        "eos_token_id": eot,
        "pad_token_id": eot,
        **(
            {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p}
            if sampling.temperature > 0
            else {}
        ),
        "repetition_penalty": sampling.repetition_penalty,
    }
