"""What lies in the checkpoint directory: base models, runs, bundles, broken-off fetches, and their damage."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mckennabot.errors import InputError, ModelError
from mckennabot.models.bundle import SUFFIX, open_bundle, peek
from mckennabot.models.checkpoint import BASE_WEIGHTS, DATA_SUFFIX, INDEX_SUFFIX, Hparams, ModelDir
from mckennabot.models.weights import parameters, read_weights
from mckennabot.tokenizer import VOCABULARY_FILES, Tokenizer


@dataclass(frozen=True)
class Entry:
    """A base model or run.

    Attributes:
        name: the directory's or file's.
        kind: base, run, bundle, or part: a base model that is not here in full.
        size: bytes on disk.
        parameters: numbers in the model; None where hparams.json does not tell, and for a bundle.
        step: the latest; None for a base model.
        best_step, best_loss: where the validation loss was lowest, and that loss, nats per token.
        damage: what is wrong, in a few words; empty where nothing is.
    """

    name: str
    kind: str
    size: int
    parameters: int | None
    step: int | None = None
    best_step: int | None = None
    best_loss: float | None = None
    damage: str = ""


def inventory(checkpoints: Path, *, thorough: bool = False) -> Iterator[Entry]:
    """Everything in a checkpoint directory, by name.

    Args:
        checkpoints: where base models and runs lie; nothing there is no error.
        thorough: read every tensor, which takes TensorFlow and some seconds a model.

    Raises:
        InputError: `checkpoints` cannot be read.
    """
    try:
        paths = sorted(path for path in checkpoints.iterdir() if path.is_dir() or path.suffix == SUFFIX)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"cannot read the directory ({error.strerror})", path=checkpoints) from error
    for path in paths:
        if path.is_file():
            yield _bundle(path, thorough)
        elif path.name.startswith(".") and path.name.endswith(".part") and (path / "source").is_file():
            yield Entry(path.name[1:-5], "part", _size(path), None, damage="not fetched in full")
        elif not path.name.startswith(".") and _holds_a_model(path):
            yield _entry(ModelDir(path), thorough)


def _bundle(path: Path, thorough: bool) -> Entry:
    try:
        if thorough:
            open_bundle(path)
        manifest = peek(path)
    except ModelError as error:
        return Entry(path.name, "bundle", _bytes(path), None, damage=error.what)
    return Entry(path.name, "bundle", _bytes(path), None, step=manifest.step)


def _holds_a_model(path: Path) -> bool:
    return any((path / name).exists() for name in ("hparams.json", "checkpoint", "run.json")) or any(
        path.glob(f"model*{INDEX_SUFFIX}")
    )


def _entry(model: ModelDir, thorough: bool) -> Entry:
    steps, info = model.steps(), model.run_info()
    damage: list[str] = []
    try:
        hparams = model.hparams()
    except ModelError as error:
        hparams = None
        damage.append(error.what)
    damage += _vocabulary_damage(model, thorough)
    if hparams:
        damage += _weights_damage(model, hparams, thorough)
    return Entry(
        name=model.name,
        kind="run" if info or any(model.path.glob(f"model-*{INDEX_SUFFIX}")) else "base",
        size=_size(model.path),
        parameters=parameters(hparams) if hparams else None,
        step=steps[-1] if steps else None,
        best_step=_number(info.get("best_step"), int),
        best_loss=_number(info.get("best_loss"), float),
        damage="; ".join(damage),
    )


def _number(value: Any, kind: type[Any]) -> Any:
    """A number from run.json, which someone may have edited; None where it is none."""
    return kind(value) if isinstance(value, int | float) else None


def _vocabulary_damage(model: ModelDir, thorough: bool) -> list[str]:
    lost = [f"no {name}" for name in VOCABULARY_FILES if not _bytes(model.path / name)]
    if thorough and not lost:
        try:
            Tokenizer.load(model.path)
        except ModelError as error:
            return [error.what]
    return lost


def _weights_damage(model: ModelDir, hparams: Hparams, thorough: bool) -> Iterator[str]:
    # Data without an index is what a kill leaves of a save: nothing reads it.
    indexes = (path.name.removesuffix(INDEX_SUFFIX) for path in model.path.glob(f"model*{INDEX_SUFFIX}"))
    stems = sorted(indexes, key=lambda stem: (len(stem), stem))
    pointer = model.pointer()
    if not stems or (pointer is not None and pointer not in stems):
        yield f"no weights {pointer or BASE_WEIGHTS}"
    needed = 4 * parameters(hparams)
    for stem in stems:
        data = _bytes(model.path / f"{stem}{DATA_SUFFIX}")
        if data < needed:
            yield f"{stem}{DATA_SUFFIX} has {data} of {needed} bytes"
        elif thorough:
            try:
                for _ in read_weights(model.path / stem, hparams):
                    pass
            except ModelError as error:
                yield f"{stem}: {error.what}"


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _size(directory: Path) -> int:
    """Bytes on disk; a file that two names share counts in each directory that has one."""
    seen: dict[tuple[int, int], int] = {}
    for path in directory.rglob("*"):
        try:
            status = path.lstat()
        except OSError:
            continue  # a run that is being trained changes under our eyes
        if stat.S_ISREG(status.st_mode):
            seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values())
