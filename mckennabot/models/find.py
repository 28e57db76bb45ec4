"""Finds the model that a name means: a base model, a run or a bundle."""

from __future__ import annotations

from pathlib import Path

from mckennabot.errors import ModelError
from mckennabot.models.bundle import open_bundle
from mckennabot.models.checkpoint import MAKE_HINT, ModelDir
from mckennabot.reporter import Reporter
from mckennabot.system.stored import is_file


def find_model(checkpoints: Path, name: str, reporter: Reporter | None = None) -> ModelDir:
    """Find the base model or run called `name`: a directory or bundle in `checkpoints`, or the path of one.

    Raises:
        ModelError: there is none; the message lists those that there are.
    """
    for path in (checkpoints / name, Path(name)):
        if is_file(path / "hparams.json"):
            return ModelDir(path)
        if is_file(path):
            return open_bundle(path, reporter)
    there = ", ".join(model.name for model in models(checkpoints)) or "nothing"
    raise ModelError(f"no model {name!r} in {checkpoints} (there: {there})", hint=MAKE_HINT)


def models(checkpoints: Path) -> list[ModelDir]:
    """List the finished (not hidden) model directories in `checkpoints`, that written to last at the end."""
    found = [ModelDir(path.parent) for path in checkpoints.glob("[!.]*/hparams.json")]
    return sorted(found, key=lambda model: (_last_written(model), model.name))


def latest_run(checkpoints: Path) -> ModelDir:
    """Find the run that was trained last.

    Raises:
        ModelError: there is no run; the hint says how to make one.
    """
    runs = [model for model in models(checkpoints) if model.steps()]
    if not runs:
        raise ModelError(
            "no trained run yet",
            path=checkpoints,
            hint="Make one with: mckennabot extract book.pdf && mckennabot finetune",
        )
    return runs[-1]


def _last_written(model: ModelDir) -> float:
    try:
        return (model.path / "checkpoint").stat().st_mtime
    except OSError:
        return 0.0
