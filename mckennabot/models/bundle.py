"""A voice in one file, ``<name>.voice``: a zip archive of what a model directory needs, and no more.

    manifest.json                      format, name, step, and every other file's size and SHA-256
    hparams.json encoder.json vocab.bpe
    weights.safetensors                OpenAI's names and shapes, float16 or float32
    run.json                           of a run
    originality.npz                    the index of its corpus, where it goes along

`mckennabot.export.bundle` writes one. Opening unpacks it, once, into the user's cache directory, as a model
directory like any other. A bundle may come from anyone: names are from the list above, sizes are known
before anything is unpacked, what is large is not compressed, nothing in it is ever executed or unpickled, and
every file is what the manifest says, or it is refused.
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
"""What is large and hardly compresses; it may not, so that a small bundle cannot become a large directory."""

MOST = {MANIFEST: 1 << 16, "hparams.json": 1 << 12, RUN: 1 << 22} | dict.fromkeys(VOCABULARY_FILES, 1 << 26)
"""Bytes of the others, unpacked. GPT-2's own encoder.json has 1 MB."""

BLOCK = 1 << 20
HINT = "Get the bundle again, or export it again."


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        name: the voice's.
        step: of its weights; None for a base model.
        files: SHA-256 of every other file.
    """

    name: str
    step: int | None
    files: dict[str, str]


def plain_name(name: str) -> str:
    """A name that is a file's on any machine.

    >>> plain_name("../my run: 2")
    'my run- 2'
    """
    return re.sub(r"[^\w.+ -]", "-", name).lstrip(". -")[:100].rstrip() or "voice"


def open_bundle(path: Path, reporter: Reporter | None = None) -> ModelDir:
    """The model in a bundle, unpacked where it has not been yet, which `reporter` is told of.

    Raises:
        ModelError: it is no bundle, or a damaged or hostile one; nothing is unpacked then.
        ResourceError, UsageError: the cache directory is full or cannot be written to.
    """
    with _reading(path) as file:
        home = _cache() / _digest(path, file)[:32]
        with zipfile.ZipFile(file) as archive:
            entries = _entries(archive)
            manifest = _manifest(archive, entries)
            place = home / manifest.name
            if not place.is_dir():
                with _only_one(home):
                    if not place.is_dir():
                        if reporter:
                            reporter.say(f"Unpacking {shown(path)}, once")
                        _unpack(archive, entries, manifest, place)
    return ModelDir(place)


def peek(path: Path) -> Manifest:
    """What a bundle says of itself, without a look at its files.

    Raises:
        ModelError: it is no bundle, or not all of one.
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
    """A file of which at most `BLOCK` bytes are read at once, so that no list of names fills the memory."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size if size is not None and 0 <= size <= BLOCK else BLOCK + 1)
        if len(data) > BLOCK:
            raise zipfile.BadZipFile("its table of contents is too long")
        return data


def _digest(path: Path, file: io.BufferedReader) -> str:
    """SHA-256 of a bundle, remembered until somebody writes to it: reading all of it takes long."""
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
    """The archive's files by name.

    Raises:
        ValueError: there is one that a bundle does not have, or not of this kind or size.
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
    """What the manifest says, as far as it can be compared with the archive's list of files.

    Raises:
        ValueError: it is no manifest, or not this archive's.
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
    """Make a model directory of a bundle, complete or not at all.

    Raises:
        ValueError: a file is not what the manifest says, or they do not fit together.
        ResourceError, UsageError: the directory cannot be written.
    """
    for leftover in place.parent.glob(".*.part"):  # a killed process's: this one alone holds the lock
        shutil.rmtree(leftover, ignore_errors=True)
    needed = 3 * entries[WEIGHTS].file_size  # half precision, and single beside it
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
        _restore_apart(model, weights)
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
    """Refuse what would trip a reader later on.

    Raises:
        ValueError: a file is not in order.
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


def _restore_apart(model: ModelDir, name: str) -> None:
    """`_restore`, with TensorFlow to write the weights."""
    try:
        with_tensorflow(functools.partial(_restore, model, name))
    except Died as died:
        raise ResourceError(f"the weights could not be unpacked: {died}", path=model.path) from died


def _check_weights(path: Path, hparams: Hparams) -> None:
    """Refuse weights of another model, before any of them is read.

    Raises:
        ValueError: they are not those of a model of these sizes.
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


def _restore(model: ModelDir, name: str) -> None:
    """Write the weights as the checkpoint that every engine reads, in place of the bundle's own file.

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
def _only_one(home: Path) -> Iterator[None]:
    """Hold the right to unpack into `home`; the operating system lets go when the process ends.

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
