"""Unpacks ``small``, the base model that comes with the package, to where a downloaded one would lie.

The package holds its weights as float16 arrays under OpenAI's names; ``checkpoints/small`` has them in
float32, in TensorFlow's format, like any other base model.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mckennabot.errors import ModelError
from mckennabot.models.checkpoint import BASE_WEIGHTS, ModelDir
from mckennabot.system.files import sync, sync_all, write_error
from mckennabot.tokenizer import VOCABULARY_FILES

NAME = "small"
PACKAGED = Path(__file__).parent.parent / NAME
"""Holds weights.npz, hparams.json, encoder.json and vocab.bpe."""
WEIGHTS = "weights.npz"


def is_packaged() -> bool:
    """Return whether this installation comes with it."""
    return (PACKAGED / "hparams.json").is_file()


def unpack(checkpoints: Path) -> ModelDir:
    """Return the model in `checkpoints`, unpacking it from the package if it is not there yet.

    Raises:
        ModelError: this installation comes without it, or it is damaged.
        ResourceError, UsageError: it cannot be written.
    """
    model = ModelDir(checkpoints / NAME)
    if (model.path / "hparams.json").is_file():
        return model
    part = ModelDir(checkpoints / f".{NAME}.{secrets.token_hex(4)}.part")
    try:
        part.path.mkdir(parents=True)
        _write(part)
        sync_all(part.path)
        _take_name(part.path, model.path)
        sync(checkpoints)
    except OSError as error:
        raise write_error(error, model.path) from error
    finally:
        shutil.rmtree(part.path, ignore_errors=True)
    return model


def _take_name(part: Path, final: Path) -> None:
    """Give the directory its name, unless another process has just done the same."""
    with contextlib.suppress(OSError):
        final.rmdir()  # an empty directory is nothing to lose
    try:
        part.rename(final)
    except OSError:
        if not (final / "hparams.json").is_file():
            raise


def _write(model: ModelDir) -> None:
    from mckennabot.models.weights import write_weights

    hparams = _packaged().hparams()
    for name in VOCABULARY_FILES:
        shutil.copyfile(PACKAGED / name, model.path / name)
    write_weights(model.path / BASE_WEIGHTS, read())
    model.point_to(BASE_WEIGHTS)
    model.write_hparams(hparams)


def read() -> Mapping[str, Any]:
    """Return the packaged weights by OpenAI's names, float32.

    Raises:
        ModelError: they are missing or damaged.
    """
    import numpy as np

    from mckennabot.models.weights import shapes

    expected = shapes(_packaged().hparams())
    path = PACKAGED / WEIGHTS
    try:
        with path.open("rb") as file, np.load(file) as stored:
            values = {name: stored[name].astype(np.float32) for name in expected}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"the packaged model is damaged ({error})", path=path, hint=_HINT) from error
    for name, shape in expected.items():
        if values[name].shape != shape:
            raise ModelError(f"the packaged model is damaged ({name})", path=path, hint=_HINT)
    return values


def _packaged() -> ModelDir:
    if not is_packaged():
        raise ModelError("this installation comes without the model small", path=PACKAGED, hint=_HINT)
    return ModelDir(PACKAGED)


_HINT = "Install the package again, or use --model 124M or --model tiny."
