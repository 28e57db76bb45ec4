"""Reads and writes GPT-2's tensors in a TensorFlow checkpoint, under OpenAI's names and shapes.

With E = n_embd, C = n_ctx, V = n_vocab, and one group for each layer i:

    model/wte [V, E]            model/wpe [C, E]           model/ln_f/{g,b} [E]
    model/h<i>/ln_1/{g,b} [E]   model/h<i>/ln_2/{g,b} [E]
    model/h<i>/attn/c_attn/{w [1, E, 3E], b [3E]}          model/h<i>/attn/c_proj/{w [1, E, E], b [E]}
    model/h<i>/mlp/c_fc/{w [1, E, 4E], b [4E]}             model/h<i>/mlp/c_proj/{w [1, 4E, E], b [E]}
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckennabot.backend import import_tensorflow
from mckennabot.errors import Gone, ModelError
from mckennabot.models.checkpoint import DATA_SUFFIX, INDEX_SUFFIX, Hparams
from mckennabot.system.files import plain_path, replacing
from mckennabot.system.stored import is_file

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]


def shapes(hparams: Hparams) -> dict[str, tuple[int, ...]]:
    """Return every variable of a GPT-2 of these sizes, and its shape."""
    e = hparams.n_embd
    norm: dict[str, tuple[int, ...]] = {"g": (e,), "b": (e,)}
    layer: dict[str, dict[str, tuple[int, ...]]] = {
        "ln_1": norm,
        "attn/c_attn": {"w": (1, e, 3 * e), "b": (3 * e,)},
        "attn/c_proj": {"w": (1, e, e), "b": (e,)},
        "ln_2": norm,
        "mlp/c_fc": {"w": (1, e, 4 * e), "b": (4 * e,)},
        "mlp/c_proj": {"w": (1, 4 * e, e), "b": (e,)},
    }
    found: dict[str, tuple[int, ...]] = {"model/wte": (hparams.n_vocab, e), "model/wpe": (hparams.n_ctx, e)}
    for i in range(hparams.n_layer):
        for part, variables in layer.items():
            for name, shape in variables.items():
                found[f"model/h{i}/{part}/{name}"] = shape
    return found | {f"model/ln_f/{name}": shape for name, shape in norm.items()}


def parameters(hparams: Hparams) -> int:
    """Count the numbers in a GPT-2 of these sizes; n_layer may be absurd, so layers are not listed."""
    none, one = (
        sum(math.prod(shape) for shape in shapes(replace(hparams, n_layer=layers)).values())
        for layers in (0, 1)
    )
    return none + hparams.n_layer * (one - none)


def random_weights(hparams: Hparams, seed: int) -> dict[str, Array]:
    """Return random weights as GPT-2 had: N(0, 0.02), residual projections scaled by 1/sqrt(2 n_layer)."""
    import numpy as np

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


def read_weights(
    prefix: Path, hparams: Hparams, hint: str = "Use another --checkpoint."
) -> Iterator[tuple[str, Array]]:
    """Yield each variable's name and its values, float32, one at a time.

    TensorFlow checks each tensor's CRC as it is read.

    Args:
        prefix: of the checkpoint's files.
        hparams: the model's sizes.
        hint: what the error suggests.

    Raises:
        ModelError: a tensor is missing, damaged, or of another shape than `hparams` says.
    """
    _require_size(prefix, hparams, hint)
    with _reading(prefix, hint) as reader:
        stored = reader.get_variable_to_shape_map()
        layer = re.compile(r"model/h(\d+)/")
        layers = {int(match[1]) for name in stored if (match := layer.match(name))}
        if len(layers) > hparams.n_layer:
            raise ModelError(
                f"the weights have {len(layers)} layers, and hparams.json says {hparams.n_layer}",
                path=prefix,
                hint=hint,
            )
        for name, shape in shapes(hparams).items():
            if tuple(stored.get(name, ())) != shape:
                found = stored.get(name, "not there")
                raise ModelError(
                    f"{name} should have the shape {list(shape)} and is {found}", path=prefix, hint=hint
                )
            yield name, reader.get_tensor(name).astype("float32", copy=False)


def _require_size(prefix: Path, hparams: Hparams, hint: str) -> None:
    """Refuse sizes that the file cannot hold, before anything that large is allocated."""
    data, needed = prefix.with_name(prefix.name + DATA_SUFFIX), 4 * parameters(hparams)
    _require_file(data, hint)
    try:
        size = data.stat().st_size
    except OSError as error:
        raise ModelError(f"cannot read the weights ({error.strerror})", path=data, hint=hint) from error
    if size < needed:
        raise ModelError(
            f"the weights are damaged: {data.name} has {size} of {needed} bytes", path=prefix, hint=hint
        )


def read_tensors(prefix: Path, hint: str = "Use another --checkpoint.") -> Iterator[tuple[str, Any]]:
    """Yield the name and values of every tensor in a checkpoint; an error suggests `hint`.

    Raises:
        ModelError: it is missing or damaged.
    """
    with _reading(prefix, hint) as reader:
        for name in sorted(reader.get_variable_to_shape_map()):
            yield name, reader.get_tensor(name)


def _require_file(path: Path, hint: str) -> None:
    if not is_file(path):
        raise Gone(f"{path.name} is missing, or no regular file", path=path, hint=hint)


@contextlib.contextmanager
def _reading(prefix: Path, hint: str) -> Iterator[Any]:
    for suffix in (INDEX_SUFFIX, DATA_SUFFIX):  # TensorFlow would wait for a pipe
        _require_file(prefix.with_name(prefix.name + suffix), hint)
    tf = import_tensorflow()
    try:
        with plain_path(prefix) as plain:
            yield tf.train.load_checkpoint(str(plain))
    # TensorFlow raises whatever a damaged table leads it to; our own errors say more.
    except (tf.errors.OpError, RuntimeError, ValueError, IndexError, MemoryError, OSError) as error:
        if "REPLACED BY KeyboardInterrupt" in str(error):  # pybind11, if a signal comes inside the reader
            raise KeyboardInterrupt from error
        _require_file(prefix.with_name(prefix.name + INDEX_SUFFIX), hint)
        first_line = str(error).strip().split("\n")[0].replace(str(prefix.parent), "…")
        raise ModelError(f"the weights are damaged ({first_line[:200]})", path=prefix, hint=hint) from error


def write_weights(prefix: Path, weights: Mapping[str, Any]) -> None:
    """Write variables (arrays or tensors) as a checkpoint; its two files appear whole, the index last.

    Raises:
        ResourceError, UsageError: the disk is full or cannot be written to.
    """
    write_tensors(prefix, weights)


def write_tensors(prefix: Path, tensors: Mapping[str, Any]) -> None:
    """`write_weights` for tensors of any name."""
    tf = import_tensorflow()
    data, index = (prefix.with_name(prefix.name + suffix) for suffix in (DATA_SUFFIX, INDEX_SUFFIX))
    with replacing(index) as new_index, replacing(data) as new_data:
        stem = new_data.with_name(new_data.name + ".tmp")
        try:
            names = list(tensors)
            tf.raw_ops.SaveV2(
                prefix=str(stem),
                tensor_names=names,
                shape_and_slices=[""] * len(names),
                tensors=[tensors[n] for n in names],
            )
            stem.with_name(stem.name + DATA_SUFFIX).replace(new_data)
            stem.with_name(stem.name + INDEX_SUFFIX).replace(new_index)
        except tf.errors.OpError as error:
            raise _as_os_error(error, new_data) from error
        finally:
            for leftover in stem.parent.glob(f"{stem.name}*"):
                leftover.unlink(missing_ok=True)


def _as_os_error(error: Any, path: Path) -> OSError:
    """Turn TensorFlow's error for a failed write into the operating system's."""
    tf = import_tensorflow()
    full = isinstance(error, tf.errors.ResourceExhaustedError) or "No space" in error.message
    closed = isinstance(error, tf.errors.PermissionDeniedError)
    large = "File too large" in error.message
    code = errno.ENOSPC if full else errno.EACCES if closed else errno.EFBIG if large else errno.EIO
    return OSError(code, os.strerror(code), str(path))
