"""Writes a file for llama.cpp and what is built on it: LM Studio, Ollama, koboldcpp and others.

llama.cpp multiplies from the other side, so GPT-2's matrices [in, out] are transposed, which is the one
difference from Hugging Face's layout. Norms, biases and the positions stay float32, as its own converter
leaves them. The output shares the embedding's matrix: llama.cpp has allowed for that since build 4880 or so.
"""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

from mckennabot.errors import UsageError
from mckennabot.export.snapshot import Snapshot, in_half

PRECISIONS = ("float16", "float32", "int8")
BLOCK = 32
"""Numbers that share a scale in Q8_0, GGUF's int8."""

_TENSORS = {
    "wte": "token_embd",
    "wpe": "position_embd",
    "ln_f": "output_norm",
    "ln_1": "attn_norm",
    "attn/c_attn": "attn_qkv",
    "attn/c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp/c_fc": "ffn_up",
    "mlp/c_proj": "ffn_down",
}


def write(snapshot: Snapshot, path: Path, precision: str) -> None:
    """Write a snapshot as GGUF.

    Args:
        snapshot: the model.
        path: the file.
        precision: of the matrices; int8 is Q8_0.

    Raises:
        ModelError: the weights are damaged.
        OSError: the disk is full, or cannot be written to.
        UsageError: the package `gguf` is not installed.
    """
    gguf = _library()
    writer = gguf.GGUFWriter(path, "gpt2")
    try:
        _add_sizes(writer, snapshot, precision)
        _add_vocabulary(writer, snapshot)
        for name, values in snapshot.weights():
            _add_tensor(writer, name, values, precision)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    except OSError as error:
        if error.errno is None:  # numpy wrote less than it was to, and has not kept the reason
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise
    finally:
        writer.close()


def _library() -> Any:
    try:
        import gguf
    except ModuleNotFoundError as error:
        raise UsageError(
            "the package that writes GGUF is not installed", hint="Install it: pip install 'mckennabot[gguf]'"
        ) from error
    return gguf


def tensor_name(variable: str) -> str:
    """Return llama.cpp's name of a variable of OpenAI's.

    >>> tensor_name("model/h3/attn/c_attn/w")
    'blk.3.attn_qkv.weight'
    >>> tensor_name("model/wte")
    'token_embd.weight'
    """
    match = re.fullmatch(r"model/(?:h(\d+)/)?(.*?)(?:/([gwb]))?", variable)
    assert match is not None
    block = f"blk.{match[1]}." if match[1] else ""
    return f"{block}{_TENSORS[match[2]]}.{'bias' if match[3] == 'b' else 'weight'}"


def _add_sizes(writer: Any, snapshot: Snapshot, precision: str) -> None:
    gguf, hparams, sampling = _library(), snapshot.hparams, snapshot.sampling
    kind = {"float32": "ALL_F32", "float16": "MOSTLY_F16", "int8": "MOSTLY_Q8_0"}[precision]
    writer.add_name(snapshot.name)
    writer.add_file_type(gguf.LlamaFileType[kind])
    if precision == "int8":
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_block_count(hparams.n_layer)
    writer.add_context_length(hparams.n_ctx)
    writer.add_embedding_length(hparams.n_embd)
    writer.add_feed_forward_length(4 * hparams.n_embd)
    writer.add_head_count(hparams.n_head)
    writer.add_layer_norm_eps(1e-5)
    # llama.cpp's defaults for this model.
    writer.add_sampling_temp(sampling.temperature)
    writer.add_sampling_top_k(sampling.top_k)
    writer.add_sampling_top_p(sampling.top_p)
    writer.add_sampling_penalty_repeat(sampling.repetition_penalty)


def _add_vocabulary(writer: Any, snapshot: Snapshot) -> None:
    gguf, eot = _library(), snapshot.tokenizer.eot
    model = json.loads(snapshot.tokenizer.to_json())["model"]
    spelled = {number: token for token, number in model["vocab"].items()}
    numbers = range(snapshot.hparams.n_vocab)
    kinds = [gguf.TokenType.NORMAL if n in spelled else gguf.TokenType.UNUSED for n in numbers]
    kinds[eot] = gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")  # how text is split into words; without it llama.cpp guesses
    writer.add_token_list([spelled.get(n, f"[PAD{n}]") for n in numbers])
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(eot)
    writer.add_eos_token_id(eot)
    writer.add_add_bos_token(False)


def _add_tensor(writer: Any, variable: str, values: Any, precision: str) -> None:
    import numpy as np

    gguf, name = _library(), tensor_name(variable)
    matrix = np.ascontiguousarray(values[0].T if values.ndim == 3 else values)
    if matrix.ndim == 1 or name == "position_embd.weight" or precision == "float32":
        writer.add_tensor(name, matrix)
    elif precision == "int8" and matrix.shape[-1] % BLOCK == 0:
        q8 = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(matrix, q8), raw_dtype=q8)
    else:
        writer.add_tensor(name, in_half(matrix))
