"""``mckennabot generate``."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from mckennabot.cli.options import PATH, from_settings, reporting
from mckennabot.config import GenerateSettings
from mckennabot.errors import ModelError, UsageError
from mckennabot.reporter import Reporter
from mckennabot.system.files import refuse_over
from mckennabot.system.terminal import shown

EPILOG = """
\b
  mckennabot generate --prefix "The New Age is"
  mckennabot generate --prefix-file starts.txt --nsamples 3 --format jsonl -o texts.jsonl
"""


@click.command(epilog=EPILOG)
@click.option("--prefix", metavar="TEXT", help="Continue this text.  [default: begin a new one]")
@click.option(
    "--prefix-file", type=PATH, metavar="PATH", help="Continue each line of this file; - reads stdin."
)
@click.option("--no-prefix", is_flag=True, help="Print only what is new.")
@from_settings(GenerateSettings)
@click.option(
    "-o", "--output", type=PATH, metavar="PATH", help="Write to this file.  [default: -, which is stdout]"
)
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "jsonl"]),
    default="text",
    show_default=True,
    help="Write plain text, or one JSON object per text.",
)
@click.option(
    "--originality",
    is_flag=True,
    help="Say which words of each text are copied from the corpus, and which are new.",
)
@click.option(
    "--max-copied",
    type=click.IntRange(1),
    metavar="N",
    help="Sample a text again if it copies more than N words in a row.",
)
@click.option(
    "--best-of",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Sample N drafts of each text, and take the one that talks most like the author.",
)
@click.option("--scores", is_flag=True, help="Say how much each text talks like the author.")
@click.option("--interactive", is_flag=True, help="Read prefixes line by line and continue each.")
@reporting
def generate(
    prefix: str | None,
    prefix_file: Path | None,
    no_prefix: bool,
    output: Path | None,
    force: bool,
    form: str,
    originality: bool,
    max_copied: int | None,
    best_of: int,
    scores: bool,
    interactive: bool,
    reporter: Reporter,
    **options: Any,
) -> None:
    """Sample text from a run or a base model."""
    settings = GenerateSettings(**options)
    if max_copied is not None and settings.temperature == 0:
        raise UsageError("--max-copied samples again, and --temperature 0 always samples the same")
    if best_of > 1 and settings.temperature == 0:
        raise UsageError("--best-of takes different drafts, and --temperature 0 always samples the same")
    if interactive and (prefix_file or output or form != "text" or originality or max_copied):
        raise UsageError(
            "--interactive takes no --prefix-file, --output, --format, --originality or --max-copied"
        )
    if interactive and (best_of > 1 or scores):
        raise UsageError("--interactive answers at once: no --best-of, no --scores")
    if output is not None and output.is_file() and not force:
        raise UsageError("the output exists", path=output, hint="Overwrite it with --force.")
    if output is not None and prefix_file is not None:
        refuse_over(output, [prefix_file])
    prefixes = [text for text in _prefixes(prefix, prefix_file) for _ in range(settings.nsamples)]

    from mckennabot.cli.interactive import converse
    from mckennabot.generate.destination import destination
    from mckennabot.generate.formats import write_jsonl, write_text, write_whole_text
    from mckennabot.generate.original import report_on, sample_original
    from mckennabot.generate.sampler import Sampler, open_sampler
    from mckennabot.generate.source import Source, find_source, while_it_trains, with_seed
    from mckennabot.originality import Index

    settings = with_seed(settings)
    with contextlib.ExitStack() as stack:
        to = stack.enter_context(destination(output, reporter))

        def opened() -> tuple[Source, Index | None, Sampler]:
            source = find_source(settings, reporter)
            if output is not None:
                refuse_over(output, [Path(settings.model or settings.run or ""), *source.files()])
            why = (
                " (best on held-out text; --voice 1 is the run as trained)" if settings.voice is None else ""
            )
            voice = f", voice {source.voice:g}{why}" if source.dial else ""
            reporter.say(f"Sampling from {shown(source.weights)}, seed {settings.seed}{voice}")
            index = Index.load(source.model.path) if originality or max_copied else None
            at = replace(settings, voice=source.voice)
            return source, index, stack.enter_context(open_sampler(source, at, reporter))

        source, index, sampler = while_it_trains(opened)
        if interactive:
            converse(sampler, reporter, prefixes[0])
            return
        drafts = [prefix for prefix in prefixes for _ in range(best_of)]
        if index and max_copied:
            events: Any = sample_original(sampler, drafts, index, max_copied, reporter)
        else:
            events = sampler.sample(drafts, reporter)
        stack.enter_context(contextlib.closing(events))
        scored = None
        if best_of > 1 or scores:
            from mckennabot.voice import scoring
            from mckennabot.voice.best import best_of as best

            scorer = stack.enter_context(scoring.open_scorer(source, reporter))
            if best_of > 1 and not scorer.ranks:
                raise ModelError(
                    "no base model is known to compare drafts by",
                    path=source.model.path,
                    hint="Leave out --best-of.",
                )
            events = best(events, best_of, lambda sample: scorer.score(sample.text).saved)
            scored = partial(scoring.entries, scorer) if scores or form == "jsonl" else None
        begins = [prefix * (not no_prefix) for prefix in prefixes]
        judge = partial(report_on, index=index) if index and originality else None
        if form == "jsonl":
            known = {"run": source.model.name, "step": source.step, "voice": source.voice}
            write_jsonl(events, begins, to, known | {"seed": settings.seed}, judge, scored)
        elif judge or max_copied or scored or best_of > 1:
            write_whole_text(events, begins, to, judge, reporter, scored)
        else:
            write_text(events, begins, to)


def _prefixes(prefix: str | None, path: Path | None) -> list[str]:
    """What the texts start with; one empty prefix is the start of a text.

    Raises:
        InputError: the file cannot be read, holds no prefix, or is not UTF-8.
        UsageError: both are given, or the prefix is not Unicode.
    """
    from mckennabot.corpus import read_text
    from mckennabot.errors import InputError

    if path is None:
        return [_unicode(prefix or "")]
    if prefix is not None:
        raise UsageError("--prefix and --prefix-file exclude each other")
    text = read_text(Path("/dev/stdin") if str(path) == "-" else path)
    if not (lines := [line for line in text.split("\n") if line]):
        raise InputError("no prefix in the file", path=path)
    return lines


def _unicode(argument: str) -> str:
    """An argument as text; a terminal in a lesser locale hands UTF-8 over as bytes in disguise."""
    if not any("\udc80" <= character <= "\udcff" for character in argument):
        return argument
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError as error:
        raise UsageError("the prefix is neither UTF-8 nor in the terminal's encoding") from error
