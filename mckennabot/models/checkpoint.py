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
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from mckennabot.errors import Gone, ModelError, UsageError
from mckennabot.system.files import write_atomic, write_error
from mckennabot.system.locks import Busy, held
from mckennabot.system.stored import (
    damaged,
    digest,
    each,
    integer,
    is_file,
    mapping,
    number,
    optional,
    read_json,
    read_text,
    sealed,
    text,
)
from mckennabot.tokenizer import VOCABULARY_FILES

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
MOMENTS_INDEX = "moments.index"
CACHE_RECORD = "cache.json"
"""In a cache of converted weights: what it was made from, and the digests of its files."""
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


SIZES = {
    "124M": Hparams(n_vocab=50257, n_ctx=1024, n_embd=768, n_head=12, n_layer=12),
    "355M": Hparams(n_vocab=50257, n_ctx=1024, n_embd=1024, n_head=16, n_layer=24),
    "774M": Hparams(n_vocab=50257, n_ctx=1024, n_embd=1280, n_head=20, n_layer=36),
    "1558M": Hparams(n_vocab=50257, n_ctx=1024, n_embd=1600, n_head=25, n_layer=48),
}
"""OpenAI's models."""
_SIZES = {
    "n_vocab": integer(1, 10_000_000),
    "n_ctx": integer(1, 1_000_000),
    "n_embd": integer(1, 100_000),
    "n_head": integer(1, 100_000),
    "n_layer": integer(1, 100_000_000),  # as long as its weights are there
}
_RUN_JSON = {
    "format": integer(1),
    "model": text,
    "processes": integer(1),
    "settings": mapping(val_fraction=number(0, 1), model=optional(text)),
    "corpus": mapping(fingerprint=text, tokens=integer(0), files=each(text)),
    "base": mapping(name=text, path=text, digest=text),
    "best_step": optional(integer(0)),
    "best_loss": optional(number()),
    "voice": optional(number()),
    "hparams": mapping(**_SIZES),
    "files": each(text),
    "versions": each(text),
}
FORMAT = 1
"""Of run.json; a later one would be refused."""

MAKE_HINT = "Train one with: mckennabot finetune --model tiny"
_HPARAMS_HINT = "Copy it from the base model that it began with: the sizes have to be those of the weights."
_RUN_JSON_HINT = "Put back a copy; or delete it, to use the weights as if another program had trained them."


@dataclass(frozen=True)
class ModelDir:
    """A directory with a model in it."""

    path: Path

    @property
    def name(self) -> str:
        """The directory's own name, such as ``124M`` or ``run1``."""
        return self.path.name

    def hparams(self) -> Hparams:
        """Read the model's sizes.

        Raises:
            ModelError: hparams.json is missing or damaged.
        """
        path = self.path / "hparams.json"
        try:
            read = read_json(path, _SIZES, hint=_HPARAMS_HINT)
        except FileNotFoundError as error:
            raise ModelError(
                "not a model directory: it has no hparams.json", path=self.path, hint=MAKE_HINT
            ) from error
        hparams = Hparams(**{field.name: read[field.name] for field in fields(Hparams)})
        if hparams.n_embd % hparams.n_head:
            raise ModelError("hparams.json holds sizes that no GPT-2 has", path=path, hint=_HPARAMS_HINT)
        likely = next((s for s in SIZES.values() if replace(s, n_head=hparams.n_head) == hparams), hparams)
        info = self.run_info()
        recorded = info.get("hparams")
        if likely != hparams and recorded is None:
            raise damaged(path, f"n_head is {hparams.n_head}, and of a GPT-2 of these sizes {likely.n_head}")
        if recorded is not None and recorded != asdict(hparams):
            # No tensor tells the number of heads: with another one, a model talks nonsense without an error.
            names = ", ".join(name for name, size in asdict(hparams).items() if recorded.get(name) != size)
            raise damaged(path, f"run.json has another {names}", f"There it is {recorded}.")
        for name in VOCABULARY_FILES:
            self.verify(name, "Copy it from the base model that the run began with.", info)
        return hparams

    def write_hparams(self, hparams: Hparams) -> None:
        """Write hparams.json."""
        write_atomic(self.path / "hparams.json", json.dumps(asdict(hparams)) + "\n")

    def steps(self) -> list[int]:
        """List the steps whose weights are here and complete, in order; none for a base model."""
        found = (re.fullmatch(r"model-(\d+)\.index", p.name) for p in self.path.glob("model-*.index"))
        steps = (int(match[1]) for match in found if match)
        return sorted(step for step in steps if self._complete(f"model-{step}"))

    def _complete(self, name: str) -> bool:
        return all(is_file(self.path / f"{name}{suffix}") for suffix in (INDEX_SUFFIX, DATA_SUFFIX))

    def verify(self, name: str, hint: str | None = None, info: dict[str, Any] | None = None) -> None:
        """Compare a file with what run.json recorded of it; nothing is recorded of other programs' files.

        Raises:
            ModelError: it is another file than the run wrote.
        """
        recorded = (self.run_info() if info is None else info).get("files", {}).get(name)
        try:
            if recorded is not None and digest(self.path / name) != recorded:
                raise damaged(self.path / name, "not as the run wrote it", hint)
        except FileNotFoundError as error:
            raise Gone(f"the run has lost {name}", path=self.path, hint=hint) from error

    def weights(self, which: str | int | None = None) -> Path:
        """Return the prefix of the weights to use, such as ``checkpoints/run1/model-1000``.

        Args:
            which: a step, ``best``, ``latest``, or None for what the pointer file names.

        Raises:
            ModelError: there are no such weights; the message lists the steps that are there.
        """
        prefix = self._choose(which)
        self.verify(f"{prefix.name}{INDEX_SUFFIX}", "Use another --checkpoint.")
        return prefix

    def _choose(self, which: str | int | None) -> Path:
        steps = self.steps()
        if which in (None, "best"):
            pointed, best = self.pointer(), self.run_info().get("best_step")
            name = pointed if which is None or best not in steps else f"model-{best}"
            if name is not None and self._complete(name):
                return self.path / name
            if name is not None and not steps and not self._complete(BASE_WEIGHTS):
                raise ModelError(
                    f"the weights {name} are missing or incomplete", path=self.path, hint=MAKE_HINT
                )
            if best in steps:
                return self.path / f"model-{best}"
            which = "latest"
        if which == "latest":
            if steps:
                return self.path / f"model-{steps[-1]}"
            if self._complete(BASE_WEIGHTS):
                return self.path / BASE_WEIGHTS
            raise ModelError("no weights in the model directory", path=self.path, hint=MAKE_HINT)
        if str(which).isdecimal() and len(str(which)) < 20 and int(which) in steps:
            return self.path / f"model-{int(which)}"
        there = ", ".join(map(str, steps)) or "none"
        raise ModelError(f"no checkpoint {which!r} (steps there: {there})", path=self.path)

    def pointer(self) -> str | None:
        """Return the name in TensorFlow's pointer file, without its directory; None if there is none."""
        try:
            text = read_text(self.path / "checkpoint")
        except (FileNotFoundError, ModelError):
            return None
        match = re.search(r'^model_checkpoint_path:\s*"([^"]*)"', text, re.MULTILINE)
        known = re.findall(r'^all_model_checkpoint_paths:\s*"([^"]*)"', text, re.MULTILINE)
        # TensorFlow's own pointers, and ours, say the name twice: a file that contradicts itself is damaged.
        return Path(match[1]).name if match and match[1] in (known or [match[1]]) else None

    def pointer_problem(self) -> str | None:
        """Say what is wrong with a run's pointer file; None if it names weights that are here."""
        name = self.pointer()
        if not self.steps() or (name is not None and self._complete(name)):
            return None
        return f"checkpoint names no weights{f' that are here ({name})' if name else ''}"

    def point_to(self, name: str) -> None:
        """Make `name` the weights that everyone loads by default."""
        write_atomic(
            self.path / "checkpoint",
            f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n',
        )

    def run_info(self) -> dict[str, Any]:
        """Read run.json; empty for a base model and for a run of gpt-2-simple's own.

        Raises:
            ModelError: it is there and damaged, or a later version wrote it.
        """
        path = self.path / "run.json"
        try:
            info = read_json(path, {}, _RUN_JSON, hint=_RUN_JSON_HINT)
        except FileNotFoundError:
            return {}
        if info.get("format", FORMAT) > FORMAT:
            raise ModelError(
                f"the run was written by a later mckennabot (format {info['format']})",
                path=path,
                hint="Upgrade: pip install --upgrade mckennabot",
            )
        return info

    def write_run_info(self, info: Mapping[str, Any]) -> None:
        """Write run.json, sealed."""
        write_atomic(self.path / "run.json", json.dumps(sealed(info), indent=2) + "\n")

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


def verify_moments(state: Path, read: Mapping[str, Any], hint: str | None = None) -> None:
    """Compare a state's moments with its state.json: those of another step would fit as well.

    Raises:
        ModelError: they are others.
    """
    path, recorded = state / MOMENTS_INDEX, read.get("moments")
    try:
        if recorded is not None and digest(path) != recorded:
            raise damaged(path, "not as the run wrote it", hint)
    except FileNotFoundError as error:
        raise ModelError("the run's state has lost its moments", path=path, hint=hint) from error
