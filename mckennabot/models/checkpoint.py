"""A model directory, base model or run, in gpt-2-simple's layout: what is in it and which weights to use.

    hparams.json encoder.json vocab.bpe                  the model's sizes and vocabulary
    checkpoint                                           TensorFlow's pointer file: the weights to use
    model.ckpt.{index,data-00000-of-00001}               a base model's weights
    model-<step>.{index,data-00000-of-00001}             a run's weights, step by step
    counter                                              the latest step, as gpt-2-simple keeps it
    run.json metrics.jsonl state-<step>/ samples/ …      what else a run keeps

The tensors themselves are read and written by `mckennabot.models.weights`.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from mckennabot.errors import ModelError, UsageError
from mckennabot.system.files import write_atomic, write_error
from mckennabot.system.locks import Busy, held

BASE_WEIGHTS = "model.ckpt"
BASE_FILES = (
    "checkpoint",
    "encoder.json",
    "hparams.json",
    "model.ckpt.data-00000-of-00001",
    "model.ckpt.index",
    "vocab.bpe",
)
HELD_OUT = "held-out.txt"
"""In a run: text of the corpus that it was not trained on, which the voice score is calibrated with."""
DATA_SUFFIX = ".data-00000-of-00001"
INDEX_SUFFIX = ".index"


@dataclass(frozen=True)
class Hparams:
    """A GPT-2's sizes, under OpenAI's names.

    Attributes:
        n_vocab: tokens in the vocabulary.
        n_ctx: positions: the longest window, in tokens.
        n_embd: width of a position's vector.
        n_head: attention heads per layer.
        n_layer: layers.
    """

    n_vocab: int
    n_ctx: int
    n_embd: int
    n_head: int
    n_layer: int


@dataclass(frozen=True)
class ModelDir:
    """A directory with a model in it."""

    path: Path

    @property
    def name(self) -> str:
        """The directory's own name, such as ``124M`` or ``run1``."""
        return self.path.name

    def hparams(self) -> Hparams:
        """The model's sizes.

        Raises:
            ModelError: hparams.json is missing or damaged.
        """
        path = self.path / "hparams.json"
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            sizes = {f.name: int(read[f.name]) for f in fields(Hparams)}
        except FileNotFoundError as error:
            raise ModelError(
                "not a model directory: it has no hparams.json", path=self.path, hint=MAKE_HINT
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError("hparams.json is damaged", path=path, hint=MAKE_HINT) from error
        if min(sizes.values()) < 1 or sizes["n_embd"] % sizes["n_head"]:
            raise ModelError("hparams.json holds sizes that no GPT-2 has", path=path, hint=MAKE_HINT)
        return Hparams(**sizes)

    def write_hparams(self, hparams: Hparams) -> None:
        """Write hparams.json."""
        write_atomic(self.path / "hparams.json", json.dumps(asdict(hparams)) + "\n")

    def steps(self) -> list[int]:
        """The steps whose weights are here and complete, in order; none for a base model."""
        found = (re.fullmatch(r"model-(\d+)\.index", p.name) for p in self.path.glob("model-*.index"))
        steps = (int(match[1]) for match in found if match)
        return sorted(step for step in steps if self._complete(f"model-{step}"))

    def _complete(self, name: str) -> bool:
        return all((self.path / f"{name}{suffix}").is_file() for suffix in (INDEX_SUFFIX, DATA_SUFFIX))

    def weights(self, which: str | int | None = None) -> Path:
        """The prefix of the weights to use, such as ``checkpoints/run1/model-1000``.

        Args:
            which: a step, ``best``, ``latest``, or None for what the pointer file names.

        Raises:
            ModelError: there are no such weights; the message lists the steps that are there.
        """
        steps = self.steps()
        if which in (None, "best"):
            name = self.pointer()
            best = self.run_info().get("best_step") if which == "best" else None
            if best in steps:
                name = f"model-{best}"
            if name is not None and self._complete(name):
                return self.path / name
            if name is not None and not steps and not self._complete(BASE_WEIGHTS):
                raise ModelError(
                    f"the weights {name} are missing or incomplete", path=self.path, hint=MAKE_HINT
                )
            which = "latest"
        if which == "latest":
            if steps:
                return self.path / f"model-{steps[-1]}"
            if self._complete(BASE_WEIGHTS):
                return self.path / BASE_WEIGHTS
            raise ModelError("no weights in the model directory", path=self.path, hint=MAKE_HINT)
        if str(which).isdecimal() and int(which) in steps:
            return self.path / f"model-{int(which)}"
        there = ", ".join(map(str, steps)) or "none"
        raise ModelError(f"no checkpoint {which!r} (steps there: {there})", path=self.path)

    def pointer(self) -> str | None:
        """The name that TensorFlow's pointer file holds, without its directory; None where there is none."""
        try:
            text = (self.path / "checkpoint").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        match = re.search(r'^model_checkpoint_path:\s*"([^"]*)"', text, re.MULTILINE)
        return Path(match[1]).name if match else None

    def point_to(self, name: str) -> None:
        """Make `name` the weights that everyone loads by default."""
        write_atomic(
            self.path / "checkpoint",
            f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n',
        )

    def run_info(self) -> dict[str, Any]:
        """What run.json says; empty for a base model and for a run of gpt-2-simple's own."""
        try:
            read = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return read if isinstance(read, dict) else {}

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for writing; the operating system lets go when the process ends, however it ends.

        Raises:
            UsageError: another process writes to this run, or the directory cannot be written to.
        """
        with contextlib.ExitStack() as stack:
            try:
                # Beside the directory, which a run that starts over replaces.
                stack.enter_context(held(self.path.with_name(f".{self.name}.lock")))
            except Busy as error:
                raise UsageError(
                    "another finetune is writing to this run",
                    path=self.path,
                    hint="Wait for it, or choose another --run.",
                ) from error
            except OSError as error:
                raise write_error(error, self.path) from error
            yield


MAKE_HINT = "Train one with: mckennabot finetune --model tiny"
