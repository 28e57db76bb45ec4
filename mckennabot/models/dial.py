"""Mixes a run's weights with those of its base model: the style dial.

The weights at X are base + X (tuned - base): 0 is the base, 1 the run as trained, and above 1 exaggerates
what the run has learnt. Fine-tuned weights stay close enough to their base for every mixture to be a working
model (arXiv 2211.12092), and a little below 1 it often predicts the author better than the run itself does.

A run remembers its base in run.json, by name, place and a digest of its weights, so that a model of the same
name but other weights is never mixed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckennabot.errors import ModelError
from mckennabot.models.bundle import open_bundle
from mckennabot.models.checkpoint import BASE_WEIGHTS, INDEX_SUFFIX, Hparams, ModelDir

if TYPE_CHECKING:
    from mckennabot.models.weights import Array

AS_TRAINED = 1.0
"""The place of the run itself."""


@dataclass(frozen=True)
class Dial:
    """A place on the dial that is not the run as trained.

    Attributes:
        base: prefix of the weights at 0.
        voice: X.
    """

    base: Path
    voice: float

    @property
    def label(self) -> str:
        """X as it stands in names of files: ``voice0.75``."""
        return f"voice{self.voice:g}"

    def weights(self, tuned: Path, hparams: Hparams) -> Iterator[tuple[str, Array]]:
        """Yield each variable's name and its values at X, float32, one at a time.

        Args:
            tuned: prefix of the weights at 1.
            hparams: the sizes of both models.

        Raises:
            ModelError: one of the two checkpoints is damaged or has other sizes.
        """
        from mckennabot.models.weights import read_weights

        pairs = zip(read_weights(self.base, hparams), read_weights(tuned, hparams), strict=True)
        for (name, base), (_, value) in pairs:
            yield name, base + self.voice * (value - base)


def remember(name: str, base: ModelDir) -> dict[str, str]:
    """Describe the base model that a run begins with, for its run.json.

    Raises:
        ModelError: the base has no weights.
    """
    return {"name": name, "path": str(base.path.resolve()), "digest": digest(base.weights())}


def digest(weights: Path) -> str:
    """Return a digest of these weights: TensorFlow's index file holds a checksum of each tensor.

    Raises:
        ModelError: the index cannot be read.
    """
    path = weights.with_name(weights.name + INDEX_SUFFIX)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ModelError(f"cannot read the weights ({error.strerror})", path=path) from error


def find_base(run: ModelDir) -> Path:
    """Find the weights that a run began with: next to the run, where they were then, or in the package.

    Raises:
        ModelError: the run has no base, or its base is gone or has changed.
    """
    from mckennabot.models import small

    known: dict[str, Any] = run.run_info().get("base") or {}
    if not known:
        raise ModelError(
            "the run remembers no base model, so it has no dial", path=run.path, hint="Leave out --voice."
        )
    beside = run.path.parent / Path(known["name"]).name
    if known["name"] == small.NAME and not beside.exists():
        small.unpack(run.path.parent)
    places = [place for place in (beside, Path(known["path"])) if (place / "hparams.json").is_file()]
    if not places and (bundle := Path(known["name"])).is_file():
        places = [open_bundle(bundle).path]  # its unpacked copy has been deleted from the cache
    for place in places:
        for weights in _all_weights(ModelDir(place)):
            if digest(weights) == known["digest"]:
                return weights
    if places:
        raise ModelError(
            f"the run began with other weights than this {known['name']} has",
            path=places[0],
            hint="Put the original back, or leave out --voice.",
        )
    raise ModelError(
        f"the base model {known['name']} that the run began with is gone",
        path=known["path"],
        hint=f"Put it there or into {beside}, or leave out --voice.",
    )


def _all_weights(model: ModelDir) -> list[Path]:
    """List every checkpoint in a directory; a base may itself be a run that was trained on since."""
    names = [BASE_WEIGHTS, *(f"model-{step}" for step in model.steps())]
    return [model.path / name for name in names if (model.path / f"{name}{INDEX_SUFFIX}").is_file()]
