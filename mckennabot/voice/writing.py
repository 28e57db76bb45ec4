"""Writes texts to a file, a terminal or a pipe, as `mckennabot generate` does.

`write_texts` is the whole command but for its options: it finds the weights, samples, samples again what
copies too much, takes the best of several drafts, and reports on each text what was asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mckennabot.config import GenerateSettings
from mckennabot.errors import ModelError, UsageError
from mckennabot.generate.destination import destination
from mckennabot.generate.formats import Scores, write_jsonl, write_text, write_whole_text
from mckennabot.generate.loading import open_model
from mckennabot.generate.original import report_on, sample_original
from mckennabot.generate.source import Source, with_seed
from mckennabot.reporter import Reporter
from mckennabot.voice import scoring
from mckennabot.voice.best import best_of


@dataclass(frozen=True)
class Writing:
    """What to write of each text, and which of its drafts.

    Attributes:
        output: the file; None for stdout.
        form: plain text, or a JSON object on a line.
        no_prefix: whether to leave out the prefix.
        originality: whether to say which words are copied, and which are new.
        max_copied: words in a row that a text may copy before it is sampled again.
        best_of: drafts of each text, of which the one most like the author is taken.
        scores: whether to say how much each text talks like the author.
    """

    output: Path | None = None
    form: Literal["text", "jsonl"] = "text"
    no_prefix: bool = False
    originality: bool = False
    max_copied: int | None = None
    best_of: int = 1
    scores: bool = False


def write_texts(
    prefixes: Sequence[str], settings: GenerateSettings, writing: Writing, reporter: Reporter
) -> None:
    """Continue each prefix, and write the texts.

    Raises:
        UsageError: the output would replace what is read, or drafts that never differ are asked for.
        ModelError: there is no such run, it is damaged, or lacks what is asked for.
        ResourceError: the disk is full, or the memory.
    """
    if settings.temperature == 0 and writing.max_copied is not None:
        raise UsageError("--max-copied samples again, and --temperature 0 always samples the same")
    if settings.temperature == 0 and writing.best_of > 1:
        raise UsageError("--best-of takes different drafts, and --temperature 0 always samples the same")
    settings = with_seed(settings)
    with contextlib.ExitStack() as stack:
        to = stack.enter_context(destination(writing.output, reporter))
        compared = bool(writing.originality or writing.max_copied)
        source, index, sampler = stack.enter_context(open_model(settings, reporter, compared, writing.output))
        drafts = [prefix for prefix in prefixes for _ in range(writing.best_of)]
        if index and writing.max_copied:
            events: Any = sample_original(sampler, drafts, index, writing.max_copied, reporter)
        else:
            events = sampler.sample(drafts, reporter)
        stack.enter_context(contextlib.closing(events))
        scores = None
        if writing.best_of > 1 or writing.scores:
            events, scores = stack.enter_context(_scored(events, source, writing, reporter))
        begins = [prefix * (not writing.no_prefix) for prefix in prefixes]
        judge = partial(report_on, index=index) if index and writing.originality else None
        if writing.form == "jsonl":
            known = {"run": source.model.name, "step": source.step, "voice": source.voice}
            write_jsonl(events, begins, to, known | {"seed": settings.seed}, judge, scores)
        elif judge or scores or writing.max_copied or writing.best_of > 1:
            write_whole_text(events, begins, to, judge, reporter, scores)
        else:
            write_text(events, begins, to)


@contextlib.contextmanager
def _scored(
    events: Any, source: Source, writing: Writing, reporter: Reporter
) -> Iterator[tuple[Any, Scores | None]]:
    """Yield the best of the drafts, and the function that scores a text; None if no scores are wanted."""
    with scoring.open_scorer(source, reporter) as scorer:
        if writing.best_of > 1 and not scorer.ranks:
            raise ModelError(
                "no base model is known to compare drafts by",
                path=source.model.path,
                hint="Leave out --best-of.",
            )
        wanted = writing.scores or writing.form == "jsonl"
        yield (
            best_of(events, writing.best_of, lambda sample: scorer.score(sample.text).saved),
            partial(scoring.entries, scorer) if wanted else None,
        )
