"""``mckennabot generate``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import click

from mckennabot.cli.options import PATH, OutputFile, from_settings, reporting
from mckennabot.config import GenerateSettings
from mckennabot.errors import InputError, UsageError
from mckennabot.reporter import Reporter
from mckennabot.system.files import refuse_over

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
@click.option("--no-prefix", is_flag=True, help="Print only the new text.")
@from_settings(GenerateSettings)
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    metavar="PATH",
    help="Write to this file.  [default: -, which is stdout]",
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
    output: str | None,
    force: bool,
    form: Literal["text", "jsonl"],
    originality: bool,
    max_copied: int | None,
    best_of: int,
    scores: bool,
    interactive: bool,
    reporter: Reporter,
    **options: Any,
) -> None:
    """Sample text from a run or a base model."""
    from mckennabot.generate.interactive import converse
    from mckennabot.voice.writing import Writing, write_texts

    options["stop"] = [_unicode("stop", text) for text in options["stop"]]
    settings = GenerateSettings(**options)
    place = None if output is None else Path(output)
    writing = Writing(place, form, no_prefix, originality, max_copied, best_of, scores)
    if interactive:
        if prefix_file or replace(writing, no_prefix=False) != Writing():
            raise UsageError(
                "--interactive answers at once: no --prefix-file, --output, --format, --originality, "
                "--max-copied, --best-of or --scores"
            )
        converse(settings, _unicode("prefix", prefix or ""), reporter)
        return
    if place is not None and place.is_file() and not force:
        raise UsageError("the output exists", path=place, hint="Overwrite it with --force.")
    if place is not None and prefix_file is not None:
        refuse_over(place, [prefix_file])
    prefixes = [text for text in _prefixes(prefix, prefix_file) for _ in range(settings.nsamples)]
    write_texts(prefixes, settings, writing, reporter)


def _prefixes(prefix: str | None, path: Path | None) -> list[str]:
    """Return what the texts start with; one empty prefix is the start of a text.

    Raises:
        InputError: the file cannot be read, holds no prefix, or is not UTF-8.
        UsageError: both are given, or the prefix is not Unicode.
    """
    from mckennabot.corpus import read_text

    if path is None:
        return [_unicode("prefix", prefix or "")]
    if prefix is not None:
        raise UsageError("--prefix and --prefix-file exclude each other")
    text = read_text(path)
    if not (lines := [line for line in text.split("\n") if line]):
        raise InputError("no prefix in the file", path=path)
    return lines


def _unicode(name: str, argument: str) -> str:
    """Return an argument as text; a terminal in a lesser locale hands UTF-8 over as bytes in disguise."""
    if not any("\udc80" <= character <= "\udcff" for character in argument):
        return argument
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError as error:
        raise UsageError(f"--{name} is neither UTF-8 nor in the terminal's encoding") from error
