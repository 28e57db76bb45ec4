"""Lists what is in a checkpoint directory: base models, runs, bundles, partial fetches, and their damage."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mckennabot.errors import InputError, ModelError
from mckennabot.models.bundle import SUFFIX, open_bundle, peek
from mckennabot.models.checkpoint import (
    BASE_WEIGHTS,
    CACHE_RECORD,
    DATA_SUFFIX,
    HELD_OUT,
    INDEX_SUFFIX,
    Hparams,
    ModelDir,
    verify_moments,
)
from mckennabot.models.weights import parameters, read_tensors, read_weights
from mckennabot.originality import FILE as INDEX
from mckennabot.originality import Index
from mckennabot.system.stored import (
    MOST,
    damaged,
    digest,
    integer,
    mapping,
    parse_json,
    read_bytes,
    read_json,
)
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
    """Yield everything in a checkpoint directory, by name.

    Args:
        checkpoints: where base models and runs lie; it need not exist.
        thorough: read every tensor, which takes TensorFlow and some seconds a model.

    Raises:
        InputError: `checkpoints` cannot be read.
    """
    try:
        paths = sorted(path for path in checkpoints.iterdir() if path.suffix == SUFFIX or _is_directory(path))
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


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _holds_a_model(path: Path) -> bool:
    try:
        names = [entry.name for entry in path.iterdir()]
    except OSError:
        return True  # a row says that it is closed
    return any(
        name in ("hparams.json", "checkpoint", "run.json")
        or (name.startswith("model") and name.endswith(INDEX_SUFFIX))
        for name in names
    )


def _entry(model: ModelDir, thorough: bool) -> Entry:
    damage: list[str] = []
    info, hparams, steps = {}, None, []
    try:
        steps = model.steps()
        next(model.path.iterdir(), None)
        info = model.run_info()
    except (ModelError, OSError) as error:
        damage.append(error.what if isinstance(error, ModelError) else f"closed ({error.strerror})")
    if not damage:
        try:
            hparams = model.hparams()
        except ModelError as error:
            damage.append(error.what)
        damage += _vocabulary_damage(model, thorough)
        if hparams:
            damage += _weights_damage(model, hparams, thorough)
        if thorough:
            damage += _other_damage(model)
    return Entry(
        name=model.name,
        kind="run" if steps or info or any(model.path.glob(f"model-*{INDEX_SUFFIX}")) else "base",
        size=_size(model.path),
        parameters=parameters(hparams) if hparams else None,
        step=steps[-1] if steps else None,
        best_step=info.get("best_step"),
        best_loss=info.get("best_loss"),
        damage="; ".join(dict.fromkeys(damage)),
    )


def _other_damage(model: ModelDir) -> Iterator[str]:
    """Yield damage of files that only continuing a run, or comparing texts with its corpus, needs."""
    checks: list[Callable[[], object]] = [lambda: _load_index(model.path), lambda: _read_metrics(model.path)]
    if os.path.lexists(model.path / HELD_OUT):
        checks.append(lambda: model.verify(HELD_OUT))
    checks += [partial(_read_state, path) for path in sorted(model.path.glob("state-*"))]
    checks += [partial(_read_cache, path) for path in sorted(model.path.glob("ct2-*"))]
    for check in checks:
        try:
            check()
        except ModelError as error:
            yield error.what


def _load_index(path: Path) -> None:
    if os.path.lexists(path / INDEX):
        Index.load(path)


def _read_metrics(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        *lines, _ = read_bytes(path / "metrics.jsonl", MOST).split(b"\n")
        for number, line in enumerate(lines, 1):
            try:
                sound = isinstance(parse_json(line), dict)
            except ValueError:
                sound = False
            if not sound:
                raise damaged(path / "metrics.jsonl", f"line {number}")


def _read_cache(path: Path) -> None:
    """Read a cache's files to their end; `generate` does so only with those that seem to have changed."""
    try:
        files = read_json(path / CACHE_RECORD, {"files": mapping()})["files"]
        for name, known in files.items():
            if digest(path / name) != known["digest"]:
                raise ModelError(f"{name} is not as it was written")
    except FileNotFoundError as error:
        raise ModelError(
            f"{path.name} has lost {Path(error.filename).name} (delete it)", path=path
        ) from error
    except (ModelError, TypeError, KeyError) as error:
        why = error.what if isinstance(error, ModelError) else f"{CACHE_RECORD} is damaged"
        raise ModelError(f"{path.name}: {why} (delete it)", path=path) from error


def _read_state(path: Path) -> None:
    """Read a state to its end; the tensors' checksums are TensorFlow's."""
    try:
        state = read_json(path / "state.json", {"step": integer(0)})
        if f"state-{state['step']}" != path.name:
            raise damaged(path / "state.json", f"it is of step {state['step']}")
        verify_moments(path, state)
        for _ in read_tensors(path / "moments"):
            pass
    except FileNotFoundError as error:
        raise ModelError(f"{path.name} has lost state.json", path=path) from error
    except ModelError as error:
        raise ModelError(f"{path.name}: {error.what}", path=path) from error


def _vocabulary_damage(model: ModelDir, thorough: bool) -> list[str]:
    lost = [f"no {name}" for name in VOCABULARY_FILES if not _bytes(model.path / name)]  # or an empty one
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
    elif problem := model.pointer_problem():
        yield problem
    needed = 4 * parameters(hparams)
    for stem in stems:
        data = _bytes(model.path / f"{stem}{DATA_SUFFIX}")
        if data < needed:
            yield f"{stem}{DATA_SUFFIX} has {data} of {needed} bytes"
        elif thorough:
            try:
                model.verify(f"{stem}{INDEX_SUFFIX}")
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
