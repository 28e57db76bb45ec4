"""The settings of each stage: one frozen dataclass for each, which checks itself.

A field says its type, its default, its limits and its help once; the command line makes its options from
that (`mckennabot.cli.options`), and the Python API takes the same names as keyword arguments.
Defaults < mckennabot.toml < MCKENNABOT_<COMMAND>_<OPTION> < flags; click does the layering.

    >>> GenerateSettings(length=0)
    Traceback (most recent call last):
        ...
    mckennabot.errors.UsageError: --length 0: it must be at least 1
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mckennabot.errors import UsageError
from mckennabot.settings import Settings, setting

CHECKPOINTS = Path("checkpoints")
CORPUS_DIR = Path("data")
LEDGER = ".extracted.jsonl"
"""Which books of a directory of texts are done, kept beside them."""
PLACES = ".places"
"""Suffix of the file beside a text that says where its paragraphs stood in the book."""
BASE_URL = "https://openaipublic.blob.core.windows.net/gpt-2"
"""Where OpenAI keeps its models, and gpt-2-simple fetches them: ``<BASE_URL>/models/<name>/<file>``."""


LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Addresses that only this machine can reach."""
MOST_VOICE = 2.0
"""The far end of the dial; further on nothing of the language is left."""


def _column() -> Any:
    """Return the field for commands that read tables of texts."""
    return setting(
        None,
        "Read the texts of a CSV or JSONL file from this column (its name, or its number from 1).",
        metavar="NAME",
        unset="found by name, or the longest",
    )


@dataclass(frozen=True)
class ExtractSettings(Settings):
    """How a book becomes a corpus."""

    segment: Literal["chapter", "section", "page", "none"] = setting(
        "chapter", "Begin a new text (<|endoftext|>) at every chapter, section or page."
    )
    pages: tuple[int, int] | None = setting(
        None, "Read only these pages, such as 10-240.", metavar="FIRST-LAST", unset="all"
    )
    password: str | None = setting(
        None, "Open encrypted PDFs with this password.", unset="asked for on a terminal, for one book"
    )
    keep: frozenset[str] = setting(
        frozenset(),
        "Keep what is left out otherwise: front-matter, footnotes, index, … (separated by commas).",
        metavar="KINDS",
    )
    jobs: int | None = setting(
        None, "Read pages in this many processes.", low=1, unset="one per core, up to 4"
    )
    ocr: bool = setting(False, "Let ocrmypdf recognise the text of scanned pages first.")
    speaker: str | None = setting(
        None, "Keep the words of one speaker of a talk or interview.", metavar="NAME", unset="all"
    )
    column: str | None = _column()


@dataclass(frozen=True)
class FinetuneSettings(Settings):
    """How a corpus becomes a run."""

    steps: int = setting(1000, "Train until the run has this many steps in all.", low=1)
    minutes: float | None = setting(
        None,
        "Stop after this many minutes of the run, if that comes first; the best step is kept.",
        above=0,
        unset="no limit",
    )
    model: str | None = setting(
        None,
        "Start from 124M, 355M, 774M, 1558M, small (which comes with the package), a model's directory, or "
        "tiny: random weights and a vocabulary learnt from the corpus.",
        metavar="NAME|PATH",
        unset="what the run began with, else 124M, else small for English, else tiny",
    )
    run: str = setting("run1", "Name the run.", metavar="NAME")
    checkpoints: Path = setting(CHECKPOINTS, "Keep base models and runs in this directory.")
    base_url: str = setting(
        BASE_URL, "Fetch base models from this mirror, as URL/models/NAME/FILE.", metavar="URL"
    )
    fresh: bool = setting(False, "Start the run over.")
    devices: int | None = setting(None, "Train on this many GPUs of each machine.", low=1, unset="all")
    batch_size: int | None = setting(
        None,
        "Train on this many sequences at a time, in each process.",
        low=1,
        unset="1, at least one per device; tiny: 4",
    )
    accumulate: int = setting(1, "Add up the gradients of this many batches for each step.", low=1)
    learning_rate: float | None = setting(
        None, "Raise the learning rate to this peak.", above=0, unset="0.0001; tiny: 0.0015"
    )
    warmup: int | None = setting(
        None,
        "Raise the learning rate over this many steps; after them it falls with their square root.",
        low=0,
        unset="50; tiny: 20",
    )
    block_size: int | None = setting(
        None, "Train on sequences of this many tokens.", low=1, unset="the model's window"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto", "Multiply matrices in this precision; weights stay float32."
    )
    val_fraction: float = setting(0.05, "Hold out this share of the corpus for validation.", low=0, high=0.9)
    eval_every: int | None = setting(
        None,
        "Validate after every so many steps; 0 only at the end.",
        low=0,
        unset="twice an epoch: 5 to 100 steps",
    )
    save_every: int = setting(100, "Save after every so many steps; 0 only at the end.", low=0)
    sample_every: int = setting(200, "Sample a text after every so many steps; 0 never.", low=0)
    patience: int = setting(5, "Stop after this many validations without improvement; 0 never.", low=0)
    seed: int = setting(0, "Seed everything random.", low=0)
    grad_checkpoint: bool = setting(False, "Save memory by computing each layer twice; for 774M and 1558M.")
    tensorboard: bool = setting(False, "Write event files for TensorBoard too.")
    dry_run: bool = setting(False, "Only say what training would take: tokens, epochs, memory and time.")
    engine: Literal["keras", "gpt-2-simple"] = setting("keras", "Train with this engine.")
    column: str | None = _column()


@dataclass(frozen=True)
class GenerateSettings(Settings):
    """How text is sampled."""

    length: int = setting(
        200, "Sample at most this many tokens, even more than the model's window holds.", low=1
    )
    min_length: int = setting(1, "Sample at least this many tokens.", low=0)
    finish_sentence: bool = setting(
        False, "Continue past --length to the end of the sentence, for at most 60 tokens."
    )
    temperature: float = setting(
        1.0,
        "Sample more boldly (above 1) or more safely (below 1); 0 always takes the likeliest token.",
        low=0,
        high=100,
    )
    top_k: int = setting(1000, "Sample from the K likeliest tokens; 0 is all.", low=0)
    top_p: float = setting(
        0.95, "Of these, sample from the likeliest that make up this probability; 1 is all.", above=0, high=1
    )
    repetition_penalty: float = setting(
        1.0, "Make tokens that were sampled before less likely (above 1).", above=0, high=100
    )
    seed: int | None = setting(
        None, "Sample the same texts again with the same seed.", low=0, high=2**32 - 2, unset="a new one"
    )
    nsamples: int = setting(1, "Sample this many texts for each prefix.", low=1)
    batch_size: int = setting(8, "Sample this many texts at a time.", low=1)
    stop: tuple[str, ...] = setting(
        (), "End a text before these words; may be given several times.", metavar="TEXT"
    )
    ignore_eot: bool = setting(False, "Continue past <|endoftext|>.")
    keep_prefix: bool = setting(
        False, "Keep the start of the prefix in sight when a text outgrows the model's window."
    )
    run: str | None = setting(None, "Use this run.", metavar="NAME", unset="the latest")
    model: str | None = setting(None, "Use this base model instead.", metavar="NAME")
    checkpoints: Path = setting(CHECKPOINTS, "Look for base models and runs in this directory.")
    checkpoint: str | None = setting(
        None,
        "Use the weights of this step; or best, or latest.",
        metavar="STEP",
        unset="the run's own choice",
    )
    voice: float | None = setting(
        None,
        "Turn the dial: 0 is the base model, 1 the run as trained, above 1 more of the author.",
        low=0,
        high=MOST_VOICE,
        unset="where the run did best on held-out text",
    )
    precision: Literal["auto", "int8", "float16", "float32"] = setting(
        "auto", "Hold the weights in this precision."
    )
    engine: Literal["ctranslate2", "gpt-2-simple"] = setting("ctranslate2", "Sample with this engine.")

    def __post_init__(self) -> None:
        """Check every field, and that they fit together."""
        if isinstance(self.checkpoint, int) and not isinstance(self.checkpoint, bool):
            object.__setattr__(self, "checkpoint", str(self.checkpoint))  # a step
        super().__post_init__()
        if self.run and self.model:
            raise UsageError("--run and --model exclude each other")
        if self.min_length > self.length:
            raise UsageError("--min-length is greater than --length")
        if "" in self.stop:
            raise UsageError("--stop needs a text")


@dataclass(frozen=True)
class VoiceSettings(Settings):
    """How books become a voice, all in one."""

    minutes: float = setting(15, "Take about this many minutes, from reading to the report.", above=0)
    model: str | None = setting(
        None,
        "Start from this model, as in finetune.",
        metavar="NAME|PATH",
        unset="124M if it can be used and takes enough steps in the time, else small",
    )
    run: str | None = setting(None, "Name the run.", metavar="NAME", unset="after the first source")
    checkpoints: Path = setting(CHECKPOINTS, "Keep base models and runs in this directory.")
    base_url: str = setting(
        BASE_URL, "Fetch base models from this mirror, as URL/models/NAME/FILE.", metavar="URL"
    )
    per_book: bool = setting(False, "Hold out the end of each source, instead of the end of the last.")
    fresh: bool = setting(False, "Start the run over.")
    dry_run: bool = setting(False, "Only read the books and say the plan.")


@dataclass(frozen=True)
class ServeSettings(Settings):
    """How the models of a directory are offered over HTTP."""

    host: str = setting("127.0.0.1", "Listen on this address.", metavar="ADDRESS")
    port: int = setting(8000, "Listen on this port; 0 takes a free one.", low=0, high=65535)
    api_key: str | None = setting(
        None,
        "Answer only requests that carry this key; required if other machines can reach the server. It is "
        "better kept in MCKENNABOT_SERVE_API_KEY.",
        metavar="KEY",
        unset="none",
    )
    origin: tuple[str, ...] = setting(
        (),
        "Accept requests from web pages at this address and under its host name; may be given several times.",
        metavar="URL",
    )
    checkpoints: Path = setting(CHECKPOINTS, "Look for base models and runs in this directory.")

    def __post_init__(self) -> None:
        """Check every field, and that the key is there where it is needed."""
        super().__post_init__()
        if self.host not in LOOPBACK and not self.api_key:
            raise UsageError(
                f"--host {self.host} can be reached from other machines, and there is no key",
                hint="Set --api-key or MCKENNABOT_SERVE_API_KEY, or leave --host 127.0.0.1.",
            )
        for origin in self.origin:
            if not re.fullmatch(r"https?://[^/*\s]+/?", origin):
                raise UsageError(f"--origin {origin!r}: one looks like https://example.org:8080")


@dataclass(frozen=True)
class ExportSettings(Settings):
    """How a model is written for other programs, or packed into one file."""

    run: str | None = setting(
        None, "Export this run or base model.", metavar="NAME|PATH", unset="the latest run"
    )
    format: Literal["hf", "gguf", "ollama", "bundle"] = setting(
        "bundle", "Write for transformers, llama.cpp or Ollama, or one file for another mckennabot."
    )
    precision: Literal["auto", "float32", "float16", "int8", "f32", "f16", "q8_0"] = setting(
        "auto",
        "Hold the weights in this precision: auto is float32 for hf, else float16; the last three are "
        "GGUF's names of the three before.",
    )
    checkpoints: Path = setting(CHECKPOINTS, "Look for base models and runs in this directory.")
    checkpoint: str | None = setting(
        None,
        "Use the weights of this step; or best, or latest.",
        metavar="STEP",
        unset="the run's own choice",
    )
    voice: float | None = setting(
        None,
        "Turn the dial: 0 is the base model, 1 the run as trained, above 1 more of the author.",
        low=0,
        high=MOST_VOICE,
        unset="where the run did best on held-out text",
    )
    no_index: bool = setting(
        False, "Leave out of a bundle the index for --originality, which has every word of the corpus."
    )

    def __post_init__(self) -> None:
        """Check every field, and call precisions by one name."""
        super().__post_init__()
        names = {"f32": "float32", "f16": "float16", "q8_0": "int8"}
        object.__setattr__(self, "precision", names.get(self.precision, self.precision))
