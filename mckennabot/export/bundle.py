"""Writes a voice into one file, which `mckennabot.models.bundle` opens anywhere."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

from mckennabot.errors import ModelError
from mckennabot.export.snapshot import Snapshot, corpus_names, in_half
from mckennabot.models.bundle import (
    FORMAT,
    MANIFEST,
    RUN,
    STORED,
    SUFFIX,
    VERSION,
    WEIGHTS,
    plain_name,
)
from mckennabot.originality import FILE as INDEX
from mckennabot.originality import Index
from mckennabot.tokenizer import VOCABULARY_FILES

__all__ = ["SUFFIX", "write"]


def write(snapshot: Snapshot, path: Path, precision: str, index: bool) -> None:
    """Write a snapshot as a bundle; the same snapshot gives the same bytes.

    Args:
        snapshot: the model.
        path: the file.
        precision: float16 or float32.
        index: include the index of the corpus, if the run has one; it holds the corpus's words.

    Raises:
        ModelError: the weights, the vocabulary or the index are damaged.
        OSError: the disk is full, or cannot be written to.
    """
    files = {"hparams.json": _document(vars(snapshot.hparams)), **_vocabulary(snapshot)}
    if snapshot.info:
        files[RUN] = _document(_run_info(snapshot))
    if index and (snapshot.source.model.path / INDEX).exists():
        Index.load(snapshot.source.model.path)
        files[INDEX] = (snapshot.source.model.path / INDEX).read_bytes()
    files[WEIGHTS] = _weights(snapshot, precision)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "name": plain_name(snapshot.name),
        "step": snapshot.source.step,
        "voice": snapshot.source.voice,
        "files": {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {MANIFEST: _document(manifest), **files}.items():
            entry = zipfile.ZipInfo(name)  # of 1980: a bundle does not tell when it was made
            entry.compress_type = zipfile.ZIP_STORED if name in STORED else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)


def _document(content: dict[str, Any]) -> bytes:
    return f"{json.dumps(content, indent=2)}\n".encode()


def _vocabulary(snapshot: Snapshot) -> dict[str, bytes]:
    try:
        return {name: (snapshot.source.model.path / name).read_bytes() for name in VOCABULARY_FILES}
    except OSError as error:
        raise ModelError(
            f"cannot read the vocabulary ({error.strerror})", path=snapshot.source.model.path
        ) from error


def _weights(snapshot: Snapshot, precision: str) -> bytes:
    from safetensors.numpy import save

    half = precision == "float16"
    return save({name: in_half(values) if half else values for name, values in snapshot.weights()})


def _run_info(snapshot: Snapshot) -> dict[str, Any]:
    """Return run.json without what it says of this machine, of files, of other steps, and of the dial.

    A bundle's weights are fixed at one place on the dial: it has no base to mix them with.
    """
    left_out = ("base", "voice", "voice_curve", "files")
    info = {key: value for key, value in snapshot.info.items() if key not in left_out}
    if isinstance(origin := info.get("model"), str):
        info["model"] = Path(origin).name
    if isinstance(settings := info.get("settings"), dict):
        info["settings"] = {
            k: v for k, v in settings.items() if k not in ("model", "checkpoints", "base_url")
        }
    if isinstance(corpus := info.get("corpus"), dict):
        info["corpus"] = corpus | {"files": corpus_names(corpus)}
    if info.get("best_step") != snapshot.source.step:
        info["best_step"] = info["best_loss"] = None
    return info
