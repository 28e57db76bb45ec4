"""The derived inference cache: ``ct2-<step>-<precision>/`` in the model directory, deletable at any time.

A cache is used only if it was made from exactly these weights and is exactly as it was made. It is
written under a temporary name and renamed, by one process at a time: others wait and then find it.
Where the model directory cannot hold it, it goes to the user's cache directory, else to a temporary
one that ends with the process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mckennabot.backend import with_tensorflow
from mckennabot.errors import Gone, MckennabotError, ModelError, ResourceError
from mckennabot.generate.convert import MODEL_FILES, Conversion, convert
from mckennabot.models import dial
from mckennabot.models.checkpoint import CACHE_RECORD, DATA_SUFFIX, INDEX_SUFFIX, ModelDir
from mckennabot.reporter import Reporter
from mckennabot.system import machine
from mckennabot.system.files import sync, sync_all, write_error
from mckennabot.system.locks import held
from mckennabot.system.processes import Died
from mckennabot.system.stored import digest, mapping, read_json, text
from mckennabot.tokenizer import VOCABULARY_FILES

FORMAT = 2
"""Goes into the fingerprint: caches of another format are made again."""


@contextlib.contextmanager
def converted(what: Conversion, reporter: Reporter) -> Iterator[Path]:
    """Yield a directory with the weights as a CTranslate2 model; convert them if there is none yet.

    Args:
        what: the weights, and how to convert them.
        reporter: hears once that a conversion begins, and why.

    Raises:
        ModelError: the checkpoint is damaged.
        ResourceError: the disk is full everywhere, or memory ran out.
    """
    source = _fingerprint(what)
    directories = [place / what.name for place in (what.model.path, _user_cache(what.model))]
    kept = next((directory for directory in directories if _intact(directory, source)), None)
    if kept is None:
        kept = _keep(what, directories, source, reporter)
    if kept is not None:
        yield kept
        return
    with _temporary() as directory:
        try:
            _convert(what, directory)
        except OSError as error:
            raise write_error(error, directory) from error
        yield directory


def _keep(what: Conversion, directories: list[Path], source: str, reporter: Reporter) -> Path | None:
    """Build the cache in the first directory that can be written to; None if there is none."""
    for directory in directories:
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            with held(directory.parent / ".ct2.lock", waiting=lambda: None):
                if not _intact(directory, source):
                    _make_sure_of_room(directory.parent, what)
                    why = " again: its cache does not fit the weights" if directory.exists() else ""
                    at = f" at voice {what.dial.voice:g}" if what.dial else ""
                    reporter.say(
                        f"converting {what.weights}{at} to {what.precision}, once per checkpoint{why}"
                    )
                    _build(what, directory, source)
            return directory
        except OSError as error:
            reporter.warn(f"the conversion cannot be kept ({error.strerror}): {directory}")
    return None


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    """Yield a directory that ends with the block, in memory if the machine has such a disk."""
    with tempfile.TemporaryDirectory(prefix="mckennabot-", dir=machine.memory_disk()) as directory:
        yield Path(directory)


def _fingerprint(what: Conversion) -> str:
    """Return a digest that changes with any tensor: TensorFlow's index file holds the checksum of each."""
    model, weights = what.model, what.weights
    sha256 = hashlib.sha256(f"{FORMAT}".encode())
    if what.dial:
        sha256.update(f"{what.dial.label} {dial.digest(what.dial.base)}".encode())
    try:
        for path in (
            weights.with_name(weights.name + INDEX_SUFFIX),
            model.path / "hparams.json",
            *(model.path / name for name in VOCABULARY_FILES),
        ):
            sha256.update(path.read_bytes())
        sha256.update(str(weights.with_name(weights.name + DATA_SUFFIX).stat().st_size).encode())
    except FileNotFoundError as error:
        raise _gone(weights) from error
    except OSError as error:
        raise ModelError(
            f"cannot read the model ({error.strerror})", path=error.filename, hint="Use another --checkpoint."
        ) from error
    return sha256.hexdigest()


def _user_cache(model: ModelDir) -> Path:
    return machine.cache_directory() / hashlib.sha256(os.fsencode(model.path.resolve())).hexdigest()[:16]


def _intact(directory: Path, source: str) -> bool:
    """Return whether the cache was made from `source`, and no file has changed since.

    A file whose size, times and inode are those recorded is taken as unchanged; any other is read
    and compared by its digest, so a cache that was copied still counts.
    """
    try:
        record = read_json(directory / CACHE_RECORD, {"source": text, "files": mapping()})
        return bool(record["source"] == source) and all(
            _stamp(directory / name) == record["files"][name]["stamp"]
            or digest(directory / name) == record["files"][name]["digest"]
            for name in MODEL_FILES
        )
    except (OSError, KeyError, TypeError, ModelError):
        return False


def _stamp(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _make_sure_of_room(place: Path, what: Conversion) -> None:
    """Fail before the long conversion rather than after it.

    Raises:
        OSError: the file system has too little room.
    """
    # int8 has a scale for each row, and leaves vectors in float32: a little more than a quarter.
    share = {"float32": 1.0, "float16": 0.5, "int8": 0.27}[what.precision]
    needed = what.weights.with_name(what.weights.name + DATA_SUFFIX).stat().st_size * share
    if shutil.disk_usage(place).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _build(what: Conversion, directory: Path, source: str) -> None:
    """Write the cache; the caller holds the lock, so what killed builders left can go."""
    for leftover in directory.parent.glob(".ct2-*.part"):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.part")
    temporary.mkdir()
    try:
        with _pinned(what, temporary) as pinned:
            _convert(pinned, temporary)
        record: dict[str, Any] = {"format": FORMAT, "source": source, "files": {}}
        for name in MODEL_FILES:
            record["files"][name] = {
                "digest": digest(temporary / name),
                "stamp": _stamp(temporary / name),
            }
        (temporary / CACHE_RECORD).write_text(json.dumps(record), encoding="utf-8")
        sync_all(temporary)
        if directory.exists():
            shutil.rmtree(directory)
        temporary.rename(directory)
        sync(directory.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _remove_orphans(what.model, directory.parent)


@contextlib.contextmanager
def _pinned(what: Conversion, folder: Path) -> Iterator[Conversion]:
    """Link the weights under names of our own: training may drop a step while it is being converted.

    Raises:
        ModelError: they are gone already.
    """
    links = {folder / f"weights{suffix}": suffix for suffix in (INDEX_SUFFIX, DATA_SUFFIX)}
    pinned = dataclasses.replace(what, weights=folder / "weights")
    try:
        for link, suffix in links.items():
            os.link(what.weights.with_name(what.weights.name + suffix), link)
    except FileNotFoundError as error:
        raise _gone(what.weights) from error
    except OSError:  # another disk, or one without links
        pinned = what
    try:
        yield pinned
    except MckennabotError as error:
        error.path = what.weights if error.path == pinned.weights else error.path
        raise
    finally:
        for link in links:
            link.unlink(missing_ok=True)


def _gone(weights: Path) -> Gone:
    return Gone(
        "the weights are no longer there",
        path=weights,
        hint="The same command again takes what is there now.",
    )


def _remove_orphans(model: ModelDir, place: Path) -> None:
    """Delete caches of steps whose weights are gone."""
    steps = {*map(str, model.steps()), "base"}
    for cache in place.glob("ct2-*-*"):
        if cache.name.split("-")[1] not in steps:
            shutil.rmtree(cache, ignore_errors=True)


def _convert(what: Conversion, directory: Path) -> None:
    """Convert, with TensorFlow to read the weights."""
    work = functools.partial(convert, what, directory)
    try:
        with_tensorflow(work, passing=(MckennabotError, OSError))
    except Died as error:
        raise ResourceError(
            f"the weights could not be converted: {error}", path=what.weights, hint="Use a smaller model."
        ) from error
