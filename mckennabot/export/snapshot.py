"""Takes a snapshot for export: a model at one step and one place on the dial, and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckennabot.config import ExportSettings, GenerateSettings
from mckennabot.errors import ModelError
from mckennabot.generate.source import Source, find_source
from mckennabot.models.checkpoint import Hparams
from mckennabot.reporter import Reporter
from mckennabot.tokenizer import Tokenizer

if TYPE_CHECKING:
    from mckennabot.models.weights import Array


@dataclass(frozen=True)
class Snapshot:
    """A base model, or a run at one of its steps.

    Attributes:
        source: its weights, and the directory they are in.
        hparams: its sizes.
        tokenizer: its vocabulary, of at most `hparams.n_vocab` tokens.
        info: the content of run.json; empty for a base model.
        sampling: the default way of sampling.
    """

    source: Source
    hparams: Hparams
    tokenizer: Tokenizer
    info: dict[str, Any]
    sampling: GenerateSettings

    @property
    def name(self) -> str:
        """The model's own name, such as ``run1``."""
        return self.source.model.path.resolve().name

    def weights(self) -> Iterator[tuple[str, Array]]:
        """Yield each variable's name and float32 values, as `models.weights.read_weights` does.

        Raises:
            ModelError: a tensor is missing or damaged.
        """
        from mckennabot.models.weights import read_weights

        if self.source.dial:
            return self.source.dial.weights(self.source.weights, self.hparams)
        return read_weights(self.source.weights, self.hparams)


def take(settings: ExportSettings, reporter: Reporter) -> Snapshot:
    """Take the model that the settings name; if they name no voice, at the voice that `generate` takes.

    Raises:
        ModelError: it is missing, or its vocabulary does not fit its sizes.
        UsageError: there is no such place on the dial.
    """
    sampling = GenerateSettings(
        run=settings.run,
        checkpoints=settings.checkpoints,
        checkpoint=settings.checkpoint,
        voice=settings.voice,
    )
    source = find_source(sampling, reporter)
    model = source.model
    hparams, tokenizer = model.hparams(), Tokenizer.load(model.path)
    if tokenizer.size > hparams.n_vocab:
        raise ModelError(
            f"a vocabulary of {tokenizer.size} for a model of {hparams.n_vocab} tokens", path=model.path
        )
    return Snapshot(source, hparams, tokenizer, model.run_info(), sampling)


def in_half(values: Array) -> Any:
    """Return values as float16; unchanged if one is outside its range, and would become infinite.

    Args:
        values: float32, any shape.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if np.isfinite(half).all() else values


def corpus_names(corpus: dict[str, Any]) -> list[str]:
    """Return the names of a run's corpus files, without their directories."""
    files = corpus.get("files")
    return [Path(str(name)).name for name in files] if isinstance(files, list) else []


def perplexity(loss: float) -> float:
    """Return the perplexity of a loss in nats per token; infinite if it is too large for a float."""
    return math.exp(loss) if loss < 700 else math.inf
