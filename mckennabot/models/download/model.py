"""Fetches a base model: its six files, checked together before the directory takes its name.

Until then they lie in ``checkpoints/.<name>.part/``, which survives a kill and is continued.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from mckennabot.config import BASE_URL
from mckennabot.errors import Interrupted, ModelError, ResourceError
from mckennabot.models.checkpoint import BASE_FILES, BASE_WEIGHTS, DATA_SUFFIX, INDEX_SUFFIX, ModelDir
from mckennabot.models.download.connection import Connection, FetchError
from mckennabot.models.download.progress import Progress
from mckennabot.models.download.transfer import Transfer
from mckennabot.models.weights import parameters, read_weights
from mckennabot.reporter import Reporter, Silent
from mckennabot.system.files import make_directories, sync, write_atomic, write_error
from mckennabot.system.locks import held
from mckennabot.tokenizer import VOCABULARY_FILES, Tokenizer

KNOWN = ("124M", "355M", "774M", "1558M")
"""OpenAI's models. They share one vocabulary, of which the SHA-256 is known."""

_SHA256 = {
    "encoder.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    "vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
}
_DATA = BASE_WEIGHTS + DATA_SUFFIX
_WEIGHTS = (BASE_WEIGHTS + INDEX_SUFFIX, _DATA)
# hparams.json first: it says how much room the rest will take.
_ORDER = ("hparams.json", "checkpoint", *VOCABULARY_FILES, *_WEIGHTS)
_BESIDES_WEIGHTS = 2_000_000
_SOURCE = "source"


def fetch(
    name: str, checkpoints: Path, base_url: str = BASE_URL, reporter: Reporter | None = None
) -> ModelDir:
    """Return the base model `name` in `checkpoints`, fetching it from `base_url` if it is not there yet.

    If no server answers at all, this fails at once; once one has answered, it tries again with patience.

    Args:
        name: one of `KNOWN`, or what a server other than OpenAI's calls a model of its own.
        checkpoints: where base models and runs lie; made if need be.
        base_url: https (http on this machine); files are at ``<base_url>/models/<name>/<file>``.
        reporter: takes what there is to say, and shows how far it is.

    Raises:
        ModelError: it cannot be fetched, or what came is not a GPT-2; says what is kept for the next try.
        ResourceError: too little disk space.
        UsageError: `base_url` or `checkpoints` cannot be used.
        Interrupted: by the user; what has come is kept.
    """
    reporter = reporter or Silent()
    base_url = base_url.rstrip("/")
    model = ModelDir(checkpoints / name)
    if _is_there(model):
        return model
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,99}", name) or (base_url == BASE_URL and name not in KNOWN):
        raise ModelError(
            f"no model {name!r} in {checkpoints}, and only {', '.join(KNOWN)} can be fetched",
            hint="Name one of those, --model tiny, or a mirror that has it with --base-url.",
        )
    connection = Connection(base_url)
    part = ModelDir(checkpoints / f".{name}.part")
    try:
        make_directories(checkpoints)
        waiting = functools.partial(reporter.say, f"Waiting for another process that is fetching {name}")
        with contextlib.closing(connection), held(checkpoints / f".{name}.lock", waiting):
            if not _is_there(model):
                _begin(part.path, base_url)
                with reporter.bar(None, "B", name=f"Fetching {name}") as bar:
                    progress = Progress(bar)
                    _transfer(part, connection, f"{base_url}/models/{name}", progress, reporter)
                    _verify(part, name in KNOWN, progress)
                _name(part.path, model.path)
    except FetchError as error:
        raise ModelError(f"cannot fetch {name}: {error}", hint=_hint(name, checkpoints)) from error
    except (ModelError, ResourceError) as error:
        error.hint = _hint(name, checkpoints)
        raise
    except OSError as error:
        failed = write_error(error, checkpoints)
        if isinstance(failed, ResourceError):
            failed.hint = _hint(name, checkpoints)
        raise failed from error
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted while fetching {name}", hint=_kept(part.path)) from error
    return model


def _is_there(model: ModelDir) -> bool:
    """Return whether the directory has a model in it.

    Raises:
        ModelError: it has only some of its files.
    """
    # TensorFlow's pointer is for others: ours find the weights without it.
    missing = [f for f in BASE_FILES if f != "checkpoint" and not (model.path / f).is_file()]
    if missing and model.path.is_dir() and any(model.path.iterdir()):
        raise ModelError(
            f"the base model lacks {', '.join(missing)}",
            path=model.path,
            hint="Put them there, or remove the directory to have the model fetched.",
        )
    return not missing


def _begin(part: Path, base_url: str) -> None:
    """Make the directory for incoming files; delete those that came from another server."""
    part.mkdir(exist_ok=True)
    source = part / _SOURCE
    if source.is_file() and source.read_text(encoding="utf-8") == base_url:
        return
    shutil.rmtree(part)
    part.mkdir()
    write_atomic(source, base_url)


def _transfer(
    part: ModelDir, connection: Connection, url: str, progress: Progress, reporter: Reporter
) -> None:
    """Fetch the files that are not there yet."""
    for file in _ORDER:
        target = part.path / file
        if not target.is_file():
            Transfer(
                connection,
                f"{url}/{file}",
                target,
                at=functools.partial(progress.at, file),
                expect=functools.partial(_expect, part, file, progress),
                notice=reporter.say,
            ).run()
        if file == "hparams.json":
            _require_room(part.path, _weight_bytes(part) + _BESIDES_WEIGHTS - _bytes_in(part.path))
            progress.expect(_DATA, _weight_bytes(part))
        progress.expect(file, _size(target))
        progress.at(file, _size(target))


def _expect(part: ModelDir, file: str, progress: Progress, length: int | None) -> None:
    """Refuse a file before it is fetched, if it is too short for the model or too long for the disk."""
    if length is None:
        return
    if file == _DATA and length < _weight_bytes(part):
        raise FetchError(
            f"{file} has {length} bytes on the server; hparams.json asks for {_weight_bytes(part)}"
        )
    _require_room(part.path, length - _size(part.path / f"{file}.part"))
    progress.expect(file, length)


def _weight_bytes(part: ModelDir) -> int:
    try:
        return 4 * parameters(part.hparams())
    except ModelError:
        (part.path / "hparams.json").unlink()
        raise


def _require_room(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise ResourceError(
            f"no room on the disk: {_megabytes(needed)} more are needed, {_megabytes(free)} are free",
            path=directory.parent,
        )


def _verify(part: ModelDir, known: bool, progress: Progress) -> None:
    """Read everything once; a file that is not what it should be is removed, to be fetched anew.

    Raises:
        FetchError: what came is not this model.
    """
    with _removing(part.path, *VOCABULARY_FILES):
        if known:
            for file, expected in _SHA256.items():
                if hashlib.sha256((part.path / file).read_bytes()).hexdigest() != expected:
                    raise ModelError(f"{file} is not GPT-2's (its SHA-256 differs)")
        if Tokenizer.load(part.path).size > part.hparams().n_vocab:
            raise ModelError("the vocabulary has more tokens than the model")
    with _removing(part.path, "checkpoint"):
        if part.pointer() != BASE_WEIGHTS:
            raise ModelError(f"checkpoint does not name {BASE_WEIGHTS}")
    with _removing(part.path, *_WEIGHTS):
        progress.checking()
        for _ in read_weights(part.path / BASE_WEIGHTS, part.hparams()):
            pass  # TensorFlow compares each tensor with its CRC
    # In our own words, since TensorFlow would follow a pointer that leads out of the directory.
    part.point_to(BASE_WEIGHTS)


@contextlib.contextmanager
def _removing(directory: Path, *files: str) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        for file in files:
            (directory / file).unlink(missing_ok=True)
        raise FetchError(f"what the server sent is not the model ({error.what})") from error


def _name(part: Path, final: Path) -> None:
    for path in part.iterdir():
        if path.name not in BASE_FILES:
            path.unlink()
    sync(part)
    part.replace(final)
    sync(final.parent)
    # Whoever waits holds the file open, and finds the model when it gets the lock.
    final.with_name(f".{final.name}.lock").unlink(missing_ok=True)


def _hint(name: str, checkpoints: Path) -> str:
    files = ", ".join(BASE_FILES)
    return (
        f"{_kept(checkpoints / f'.{name}.part')}\n"
        f"  Offline: --model tiny, or put {files} into {checkpoints / name}/ by hand."
    )


def _kept(part: Path) -> str:
    kept = _bytes_in(part)
    if not kept:
        return "Nothing is kept; the same command starts anew."
    return f"The same command continues: {_megabytes(kept)} are kept in {part}."


def _bytes_in(part: Path) -> int:
    return sum(_size(part / f) + _size(part / f"{f}.part") for f in BASE_FILES)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
