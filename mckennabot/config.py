"""One frozen dataclass for each stage's settings.

Defaults < mckennabot.toml < MCKENNABOT_<COMMAND>_<OPTION> < flags; click does the layering, from
the defaults that stand here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CHECKPOINTS = Path("checkpoints")
CORPUS_DIR = Path("data")
LEDGER = ".extracted.jsonl"
"""Which books of a directory of texts are done, kept beside them."""
BASE_URL = "https://openaipublic.blob.core.windows.net/gpt-2"
"""Where OpenAI keeps its models, and gpt-2-simple fetches them: ``<BASE_URL>/models/<name>/<file>``."""

MOST_VOICE = 2.0
"""The far end of the dial; further on nothing of the language is left."""


@dataclass(frozen=True)
class ExtractSettings:
    """How a book becomes a corpus.

    Attributes:
        segment: where ``<|endoftext|>`` goes: chapter, section, page or none.
        pages: first and last page to read, counted from 1; None is all.
        password: opens an encrypted file.
        keep: kinds of text outside the flow to leave in: front-matter, footnotes, index, …
        jobs: processes that read pages; None is as many as help.
        ocr: have ocrmypdf recognise the text of pages that are pictures.
        speaker: whose words to keep of a talk between several; None keeps all.
        column: name or number (from 1) of the column that holds the texts of a table; None finds it.
    """

    segment: str = "chapter"
    pages: tuple[int, int] | None = None
    password: str | None = None
    keep: frozenset[str] = frozenset()
    jobs: int | None = None
    ocr: bool = False
    speaker: str | None = None
    column: str | None = None


@dataclass(frozen=True)
class FinetuneSettings:
    """How a corpus becomes a run.

    Attributes:
        steps: total optimizer steps of the run.
        model: a base model's name or path, or ``tiny`` for a random start with its own vocabulary; None is
            what the run began with, else 124M where it is there or can be fetched, else ``tiny``.
        run: the run's name.
        checkpoints: where base models and runs lie.
        base_url: where a base model that is not there is fetched from.
        fresh: start over instead of continuing the run.
        devices: GPUs of each process to share its batches out over; None is all.
        batch_size: sequences per micro-batch of each process; None is a good number for the model.
        accumulate: micro-batches per optimizer step.
        learning_rate: peak learning rate; None is a good one for the model.
        warmup: steps over which the learning rate rises, before it falls with the root of the step.
        block_size: tokens per sequence; None is the model's whole window.
        precision: auto, float32, bfloat16 or float16, of the matrix products; weights stay float32.
        val_fraction: share of the corpus held out.
        eval_every: steps between validations.
        save_every: steps between checkpoints.
        sample_every: steps between drawn samples; 0 draws none.
        patience: validations without improvement before stopping; 0 never stops early.
        seed: of everything random.
        grad_checkpoint: compute each layer twice instead of keeping what it computed; for large models.
        tensorboard: write event files too.
        dry_run: only say what would be done.
        engine: keras or gpt-2-simple.
        column: name or number (from 1) of the column that holds the texts of a table; None finds it.
    """

    steps: int = 1000
    model: str | None = None
    run: str = "run1"
    checkpoints: Path = CHECKPOINTS
    base_url: str = BASE_URL
    fresh: bool = False
    devices: int | None = None
    batch_size: int | None = None
    accumulate: int = 1
    learning_rate: float | None = None
    warmup: int = 20
    block_size: int | None = None
    precision: str = "auto"
    val_fraction: float = 0.05
    eval_every: int = 100
    save_every: int = 100
    sample_every: int = 200
    patience: int = 5
    seed: int = 0
    grad_checkpoint: bool = False
    tensorboard: bool = False
    dry_run: bool = False
    engine: str = "keras"
    column: str | None = None


@dataclass(frozen=True)
class GenerateSettings:
    """How text is drawn.

    Attributes:
        length: new tokens at most.
        min_length: new tokens before which nothing ends a text.
        finish_sentence: go on past `length` to the end of the sentence, at most 60 tokens.
        temperature: 0 is greedy.
        top_k: tokens to choose from; 0 is all.
        top_p: probability mass to choose from, of those; 1 is all.
        repetition_penalty: above 1 makes tokens less likely that were drawn before.
        seed: None draws a new one, which is reported.
        nsamples: texts per prefix.
        batch_size: texts drawn at a time.
        stop: texts that end a text.
        ignore_eot: go on past ``<|endoftext|>``.
        keep_prefix: keep the prefix's start in sight where a text is longer than the model's window.
        run: a run's name; None is the latest.
        model: a base model's name, instead of a run.
        checkpoints: where base models and runs lie.
        checkpoint: a step, best or latest; None is what the run's pointer names.
        voice: place on the dial from the base model (0) through the run as trained (1) to more of the author;
            None is where the run did best on held-out text, as run.json has it.
        precision: auto, int8, float16 or float32.
        engine: ctranslate2 or gpt-2-simple.
    """

    length: int = 200
    min_length: int = 1
    finish_sentence: bool = False
    temperature: float = 0.8
    top_k: int = 200
    top_p: float = 0.95
    repetition_penalty: float = 1.0
    seed: int | None = None
    nsamples: int = 1
    batch_size: int = 8
    stop: tuple[str, ...] = ()
    ignore_eot: bool = False
    keep_prefix: bool = False
    run: str | None = None
    model: str | None = None
    checkpoints: Path = CHECKPOINTS
    checkpoint: str | None = None
    voice: float | None = None
    precision: str = "auto"
    engine: str = "ctranslate2"
