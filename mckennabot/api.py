"""The three steps as functions: what ``import mckennabot`` offers (`docs/python-api.md`).

    book = mckennabot.read_book("book.pdf")
    run = mckennabot.train([book], model="small", steps=300)
    print(mckennabot.load(run).generate("The New Age is", length=60))

Keyword arguments are the commands' options, under the same names.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from mckennabot.config import ExtractSettings, FinetuneSettings, GenerateSettings
from mckennabot.errors import InputError, UsageError
from mckennabot.models.checkpoint import ModelDir
from mckennabot.reporter import Counted, Reporter, automatic
from mckennabot.settings import with_options
from mckennabot.system.terminal import shown

if TYPE_CHECKING:
    from mckennabot.extract import Book
    from mckennabot.generate.voice import Voice

Source = Union["Book", str, "os.PathLike[str]"]
"""A book, a path, or a text: a string that holds a line break."""


@dataclass(frozen=True)
class Run:
    """A training run on disk.

    Args:
        path: its directory, such as ``checkpoints/run1``.
    """

    path: Path

    def __post_init__(self) -> None:
        """Take a string for a path."""
        object.__setattr__(self, "path", Path(self.path).expanduser())

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def step(self) -> int:
        """Steps taken so far; 0 where there are no weights."""
        return max(ModelDir(self.path).steps(), default=0)

    @property
    def best_step(self) -> int | None:
        """The step that did best on the text held out; None where none was held out."""
        found = ModelDir(self.path).run_info().get("best_step")
        return int(found) if found is not None else None

    @property
    def best_loss(self) -> float | None:
        """Cross-entropy of that step on the text held out, in nats per token."""
        found = ModelDir(self.path).run_info().get("best_loss")
        return float(found) if found is not None else None

    @property
    def loss(self) -> float | None:
        """Cross-entropy of the last step on its training batch, in nats per token."""
        return next((line["loss"] for line in reversed(self.metrics) if "loss" in line), None)

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """A dictionary for each logged step, with step, loss, learning_rate, tokens, seconds, val_loss ….

        Lines that a kill has cut, or that are damaged, are left out.
        """
        from mckennabot.finetune.runs.metrics import read

        return read(self.path / "metrics.jsonl")

    def voice(self, **options: Any) -> Voice:
        """Load it; see `load`."""
        return load(self, **options)


def read_book(source: str | os.PathLike[str], *, reporter: Reporter | None = None, **options: Any) -> Book:
    """Read a book: PDF, EPUB, Word, HTML, Markdown, text, captions, or a table of texts.

    Args:
        source: the file.
        reporter: takes what there is to say; None fits the place (see `mckennabot.reporter.automatic`).
        **options: those of ``mckennabot extract`` under the same names, such as ``pages="10-240"``,
            ``segment="section"`` or ``keep="footnotes"``.

    Returns:
        The book: `text`, `paragraphs` with their pages, `chapters`, `report`, and `save`.

    Raises:
        TypeError: there is no such option.
        UsageError: an option does not take its value.
        InputError: the file cannot be read, or holds no text.
    """
    from mckennabot.extract import extract_book

    settings = with_options(ExtractSettings(), options)
    path = Path(source).expanduser()
    with Counted(reporter or automatic(), "page", shown(path)) as progress:
        return replace(extract_book(path, settings, progress), source=path)


def train(sources: Source | Iterable[Source], *, reporter: Reporter | None = None, **options: Any) -> Run:
    """Fine-tune a model, or go on with a run that is there, to ``steps`` in all.

    Args:
        sources: what to learn from: books, paths of corpus files or of directories of them, or texts (a
            string with a line break in it is a text, any other a path); one of them, or several.
        reporter: takes what there is to say; None fits the place.
        **options: those of ``mckennabot finetune`` under the same names, such as ``model="small"``,
            ``steps=300``, ``run="run1"`` or ``checkpoints="checkpoints"``.

    Returns:
        The run.

    Raises:
        TypeError: there is no such option.
        UsageError: an option does not take its value, or the run was begun with something else.
        InputError: a source cannot be used.
        ModelError: the base model or the run is missing or damaged.
        ResourceError: memory or disk space ran out.
        Interrupted: by Ctrl-C, after saving; the same call goes on.
    """
    from mckennabot.finetune import finetune
    from mckennabot.voice.scoring import calibrate

    settings = with_options(FinetuneSettings(), options)
    if settings.dry_run:
        raise UsageError(
            "train() trains", hint="mckennabot.finetune.plan_run(paths, settings) makes the plan."
        )
    given = list(sources) if isinstance(sources, Iterable) and not isinstance(sources, str) else [sources]
    with tempfile.TemporaryDirectory(prefix="mckennabot-") as directory:
        paths = [_corpus(source, Path(directory), number) for number, source in enumerate(given, 1)]
        reporter = reporter or automatic()
        run = Run(finetune(paths, settings, reporter=reporter))
        calibrate(ModelDir(run.path), reporter)
        return run


def _corpus(source: Source, directory: Path, number: int) -> Path:
    """The file that holds a source's text."""
    from mckennabot.extract.book import Book

    if isinstance(source, Book):
        name = source.source.stem if source.source is not None else "book"
        return source.save(directory / f"{number}" / f"{name}.txt")
    if source == "":  # as a path it would be the current directory, with all that lies there
        raise InputError("a text to learn from is empty")
    if isinstance(source, str) and "\n" in source:
        path = directory / f"text-{number}.txt"
        path.write_text(source, encoding="utf-8")
        return path
    return Path(source).expanduser()


def load(
    source: Run | str | os.PathLike[str] | None = None,
    *,
    reporter: Reporter | None = None,
    **options: Any,
) -> Voice:
    """Load a model to generate with.

    Args:
        source: a run, the path of a run or base model, or its name in `checkpoints`; None is the latest run.
        reporter: takes what there is to say; None fits the place.
        **options: those of ``mckennabot generate`` under the same names: ``checkpoint="latest"``,
            ``precision="int8"`` …; and how to sample where a call does not say, such as ``temperature=0.7``.

    Returns:
        The voice: `generate`, `stream` and `samples`.

    Raises:
        TypeError: there is no such option.
        UsageError: an option does not take its value.
        ModelError: the model is missing or damaged.
        ResourceError: memory or disk space ran out.
    """
    from mckennabot.generate.voice import Voice

    if source is not None:
        path = source.path if isinstance(source, Run) else source
        options["run"] = os.fspath(Path(path).expanduser())
    return Voice(with_options(GenerateSettings(), options), reporter or automatic())
