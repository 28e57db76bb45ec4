"""Opens a voice in one file, ``<name>.voice``: a zip archive of what a model directory needs, and no more.

    manifest.json                      format, name, step, and every other file's size and SHA-256
    hparams.json encoder.json vocab.bpe
    weights.safetensors                OpenAI's names and shapes, float16 or float32
    run.json                           for a run
    originality.npz                    the index of its corpus, if it was exported with one

`mckennabot.export.bundle` writes one. Opening unpacks it, once, into the user's cache directory, as a model
directory like any other. A bundle may come from anyone, so it is refused unless its names are those above,
its sizes are bounded before anything is unpacked, its large files are not compressed, and each file has the
digest that the manifest says. Nothing in it is ever executed or unpickled.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mckennabot.backend import with_tensorflow
from mckennabot.errors import MckennabotError, ModelError, ResourceError
from mckennabot.models.checkpoint import BASE_WEIGHTS, Hparams, ModelDir
from mckennabot.models.weights import shapes, write_weights
from mckennabot.originality import FILE as INDEX
from mckennabot.originality import Index
from mckennabot.reporter import Reporter
from mckennabot.system.files import replacing_directory, write_atomic, write_error
from mckennabot.system.locks import held
from mckennabot.system.machine import cache_directory
from mckennabot.system.processes import Died
from mckennabot.system.terminal import shown
from mckennabot.tokenizer import VOCABULARY_FILES, Tokenizer

SUFFIX = ".voice"
FORMAT, VERSION = "mckennabot voice", 1
MANIFEST, WEIGHTS, RUN = "manifest.json", "weights.safetensors", "run.json"

REQUIRED = {MANIFEST, WEIGHTS, "hparams.json", *VOCABULARY_FILES}
STORED = {WEIGHTS, INDEX}
"""Large files, which must not be compressed: no small bundle may become a large directory."""

MOST = {MANIFEST: 1 << 16, "hparams.json": 1 << 12, RUN: 1 << 22} | dict.fromkeys(VOCABULARY_FILES, 1 << 26)
"""Bytes of the other files at most, unpacked. GPT-2's own encoder.json has 1 MB."""

BLOCK = 1 << 20
HINT = "Get the bundle again, or export it again."


@dataclass(frozen=True)
class Manifest:
    """A bundle's description of itself.

    Attributes:
        name: the voice's name.
        step: the step of its weights; None for a base model.
        files: the SHA-256 of every other file, by name.
    """

    name: str
    step: int | None
    files: dict[str, str]


def plain_name(name: str) -> str:
    """Return a name that a file can have on any machine.

    >>> plain_name("../my run: 2")
    'my run- 2'
    """
    return re.sub(r"[^\w.+ -]", "-", name).lstrip(". -")[:100].rstrip() or "voice"


def open_bundle(path: Path, reporter: Reporter | None = None) -> ModelDir:
    """Return the model in a bundle, unpacking it the first time, which `reporter` hears of.

    Raises:
        ModelError: the file is not a bundle, or a damaged or hostile one; nothing is unpacked then.
        ResourceError, UsageError: the cache directory is full or cannot be written to.
    """
    with _reading(path) as file:
        home = _cache() / _digest(path, file)[:32]
        with zipfile.ZipFile(file) as archive:
            entries = _entries(archive)
            manifest = _manifest(archive, entries)
            place = home / manifest.name
            if not place.is_dir():
                with _lock(home):
                    if not place.is_dir():
                        if reporter:
                            reporter.say(f"Unpacking {shown(path)}, once")
                        _unpack(archive, entries, manifest, place)
    return ModelDir(place)


def peek(path: Path) -> Manifest:
    """Read the manifest of a bundle, without checking its files.

    Raises:
        ModelError: the file is not a bundle, or is incomplete.
    """
    with _reading(path) as file, zipfile.ZipFile(file) as archive:
        return _manifest(archive, _entries(archive))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[_Bounded]:
    try:
        with _Bounded(io.FileIO(path)) as file:
            yield file
    except OSError as error:
        raise ModelError(f"cannot read the voice ({error.strerror or error})", path=path) from error
    except (ValueError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"not a voice, or a damaged one ({error})", path=path, hint=HINT) from error


class _Bounded(io.BufferedReader):
    """A file that refuses to read more than `BLOCK` bytes at once: a list of names could be gigabytes."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size if size is not None and 0 <= size <= BLOCK else BLOCK + 1)
        if len(data) > BLOCK:
            raise zipfile.BadZipFile("its table of contents is too long")
        return data


def _digest(path: Path, file: io.BufferedReader) -> str:
    """Return the SHA-256 of a bundle, remembered until its stamp changes: reading all of it takes long."""
    known = _cache() / "known" / hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    status = os.fstat(file.fileno())
    stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        record = json.loads(known.read_text(encoding="utf-8"))
        if record["stamp"] == stamp:
            return str(record["digest"])
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
    with contextlib.suppress(OSError, MckennabotError):  # where it cannot be kept, it is read again
        known.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(known, json.dumps({"stamp": stamp, "digest": digest.hexdigest()}))
    return digest.hexdigest()


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's files by name.

    Raises:
        ValueError: a file has a name, kind or size that no bundle has; or one is missing.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name, mode = info.filename, info.external_attr >> 16
        if name in found:
            raise ValueError(f"{name} is there twice")
        if name not in STORED | MOST.keys() or name != info.orig_filename:
            raise ValueError(f"{name[:60]!r} is no part of a voice")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or info.flag_bits & 1:
            raise ValueError(f"{name} is a link, or encrypted")
        if name in STORED and (
            info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size
        ):
            raise ValueError(f"{name} is compressed")
        if info.file_size > MOST.get(name, info.file_size):
            raise ValueError(f"{name} is too large")
        found[name] = info
    if missing := REQUIRED - found.keys():
        raise ValueError(f"it has no {min(missing)}")
    return found


def _manifest(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> Manifest:
    """Read the manifest, and compare it with the archive's list of files.

    Raises:
        ValueError: it is not a manifest, or not this archive's.
    """
    read = _json(archive.read(entries[MANIFEST]), MANIFEST)
    if read.get("format") != FORMAT:
        raise ValueError(f"{MANIFEST} is not a voice's")
    if read.get("version") != VERSION:
        raise ValueError(f"version {read.get('version')!r}; this mckennabot reads version {VERSION}")
    name, step, files = read.get("name"), read.get("step"), read.get("files")
    if not isinstance(name, str) or plain_name(name) != name:
        raise ValueError("its name is no plain name")
    if step is not None and (type(step) is not int or not 0 <= step < 1 << 53):
        raise ValueError("its step is no number of steps")
    sizes = {other: info.file_size for other, info in entries.items() if other != MANIFEST}
    try:
        listed = {other: (file["size"], str(file["sha256"])) for other, file in dict(files or {}).items()}
    except (TypeError, KeyError) as error:
        raise ValueError(f"{MANIFEST} is damaged") from error
    if {other: size for other, (size, _) in listed.items()} != sizes:
        raise ValueError("its files are not those of its manifest")
    return Manifest(name, step, {other: digest for other, (_, digest) in listed.items()})


def _unpack(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], manifest: Manifest, place: Path
) -> None:
    """Turn a bundle into a model directory, complete or not at all.

    Raises:
        ValueError: a file is not what the manifest says, or the files do not fit together.
        ResourceError, UsageError: the directory cannot be written.
    """
    for leftover in place.parent.glob(".*.part"):  # a killed process's: this one alone holds the lock
        shutil.rmtree(leftover, ignore_errors=True)
    needed = 3 * entries[WEIGHTS].file_size  # float16, and for a moment float32 next to it
    if shutil.disk_usage(place.parent).free < needed:
        raise ResourceError(
            f"unpacking this voice needs {needed / 1e9:.1f} GB",
            path=place.parent,
            hint="Free disk space, or set XDG_CACHE_HOME to a directory with more.",
        )
    with replacing_directory(place) as directory:
        for name, digest in manifest.files.items():
            _copy(archive, entries[name], directory / name, digest)
        model = ModelDir(directory)
        _check(model)
        weights = BASE_WEIGHTS if manifest.step is None else f"model-{manifest.step}"
        _write_checkpoint(model, weights)
        model.point_to(weights)


def _copy(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, expected: str) -> None:
    digest = hashlib.sha256()
    with archive.open(info) as source, target.open("xb") as file:
        while block := source.read(BLOCK):
            digest.update(block)
            file.write(block)
    if digest.hexdigest() != expected:
        raise ValueError(f"{info.filename} is not the file of the manifest")


def _check(model: ModelDir) -> None:
    """Refuse now what would fail, or mislead, when the model is used.

    Raises:
        ValueError: a file is damaged, or does not fit the others.
    """
    try:
        hparams, tokenizer = model.hparams(), Tokenizer.load(model.path)
        if (model.path / INDEX).exists():
            with zipfile.ZipFile(model.path / INDEX) as arrays:
                if any(info.compress_type != zipfile.ZIP_STORED for info in arrays.infolist()):
                    raise ValueError(f"{INDEX} is compressed")
            Index.load(model.path)
    except MckennabotError as error:
        raise ValueError(error.what) from error
    try:
        for number in range(tokenizer.size):
            tokenizer.token_bytes(number)
    except KeyError as error:
        raise ValueError(
            "the vocabulary's tokens are not spelled in bytes, or not numbered in a row"
        ) from error
    if tokenizer.size > hparams.n_vocab:
        raise ValueError(f"a vocabulary of {tokenizer.size} for a model of {hparams.n_vocab} tokens")
    _check_weights(model.path / WEIGHTS, hparams)
    if (model.path / RUN).exists():
        info = _json((model.path / RUN).read_bytes(), RUN)
        if any(not isinstance(info.get(key, {}), dict) for key in ("settings", "corpus", "versions")):
            raise ValueError(f"{RUN} is damaged")


def _json(content: bytes, name: str) -> dict[str, Any]:
    try:
        read = json.loads(content)
    except RecursionError as error:
        raise ValueError(f"{name} is nested too deep") from error
    if not isinstance(read, dict):
        raise ValueError(f"{name} is damaged")
    return read


def _write_checkpoint(model: ModelDir, name: str) -> None:
    """Turn weights.safetensors into the checkpoint `name`, in a child process: that takes TensorFlow.

    Raises:
        ResourceError, UsageError: it cannot be written.
    """
    try:
        with_tensorflow(functools.partial(_convert_to_checkpoint, model, name))
    except Died as died:
        raise ResourceError(f"the weights could not be unpacked: {died}", path=model.path) from died


def _check_weights(path: Path, hparams: Hparams) -> None:
    """Compare the weights' names, shapes and types with the model's sizes, before any of them is read.

    Raises:
        ValueError: they are those of another model.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as stored:
            names = set(stored.keys())
            # Two embeddings, the last norm, and twelve variables a layer: counted before they are listed.
            if len(names) != 4 + 12 * hparams.n_layer:
                raise ValueError(f"the weights are not those of a model of {hparams.n_layer} layers")
            for variable, shape in shapes(hparams).items():
                values = stored.get_slice(variable) if variable in names else None
                if values is None or tuple(values.get_shape()) != shape:
                    raise ValueError(f"{variable} is missing, or not of the shape {list(shape)}")
                if values.get_dtype() not in ("F16", "F32"):
                    raise ValueError(f"{variable} is of type {values.get_dtype()}")
    except SafetensorError as error:
        raise ValueError(f"{WEIGHTS}: {error}") from error


def _convert_to_checkpoint(model: ModelDir, name: str) -> None:
    """Replace weights.safetensors by the checkpoint that every engine reads, in float32.

    Raises:
        ResourceError, UsageError: they cannot be written.
    """
    import numpy as np
    from safetensors import safe_open

    path = model.path / WEIGHTS
    with safe_open(path, framework="np") as stored:
        weights = {variable: stored.get_tensor(variable).astype(np.float32) for variable in stored.keys()}  # noqa: SIM118
    path.unlink()
    write_weights(model.path / name, weights)


def _cache() -> Path:
    return cache_directory() / "voices"


@contextlib.contextmanager
def _lock(home: Path) -> Iterator[None]:
    """Hold the lock of a directory to unpack into, made if need be; it ends with the process.

    Raises:
        ResourceError, UsageError: the directory cannot be made.
    """
    with contextlib.ExitStack() as stack:
        try:
            home.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(home / ".lock", waiting=lambda: None))
        except OSError as error:
            raise write_error(error, home) from error
        yield
