"""``mckennabot generate``."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from mckennabot.cli.options import PATH, chatter, checkpoints
from mckennabot.config import GenerateSettings
from mckennabot.errors import UsageError

if TYPE_CHECKING:
    from mckennabot.generate.draw import Drawn, Piece

DEFAULTS = GenerateSettings()
DIVIDER = "\n" + "=" * 20 + "\n"

EPILOG = """
\b
  mckennabot generate --prefix "The New Age is"
  mckennabot generate --prefix-file starts.txt --nsamples 3 --format jsonl -o texts.jsonl
"""


@click.command(epilog=EPILOG)
@click.option("--prefix", metavar="TEXT", help="What the text starts with.  [default: the start of a text]")
@click.option(
    "--prefix-file", type=PATH, metavar="PATH", help="Prefixes, one per line; - reads them from stdin."
)
@click.option("--no-prefix", is_flag=True, help="Print only what is new.")
@click.option(
    "--length",
    type=click.IntRange(1),
    default=DEFAULTS.length,
    show_default=True,
    help="New tokens at most, as many as you like.",
)
@click.option(
    "--min-length",
    type=click.IntRange(0),
    default=DEFAULTS.min_length,
    show_default=True,
    help="New tokens before which nothing ends a text.",
)
@click.option("--finish-sentence", is_flag=True, help="Go on past --length to the end of the sentence.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, 100),
    default=DEFAULTS.temperature,
    show_default=True,
    help="0 always takes the likeliest token.",
)
@click.option(
    "--top-k",
    type=click.IntRange(0),
    default=DEFAULTS.top_k,
    show_default=True,
    help="Draw from the likeliest K tokens; 0 is all.",
)
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    default=DEFAULTS.top_p,
    show_default=True,
    help="Of these, draw from the likeliest that make up this probability; 1 is all.",
)
@click.option(
    "--repetition-penalty",
    type=click.FloatRange(0, 100, min_open=True),
    default=DEFAULTS.repetition_penalty,
    show_default=True,
    help="Above 1: tokens drawn before get less likely.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 2), help="Same seed, same texts.  [default: a new one]"
)
@click.option(
    "--nsamples",
    type=click.IntRange(1),
    default=DEFAULTS.nsamples,
    show_default=True,
    help="Texts for each prefix.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=DEFAULTS.batch_size,
    show_default=True,
    help="Texts drawn at a time.",
)
@click.option("--stop", metavar="TEXT", multiple=True, help="End a text before this; may be repeated.")
@click.option("--ignore-eot", is_flag=True, help="Go on past <|endoftext|>.")
@click.option("--keep-prefix", is_flag=True, help="Keep the prefix's start in sight of a long text.")
@click.option("--run", metavar="NAME", help="The run to draw from.  [default: the latest]")
@click.option("--model", metavar="NAME", help="A base model to draw from instead.")
@checkpoints
@click.option("--checkpoint", metavar="STEP", help="A step, best or latest.  [default: the run's own choice]")
@click.option(
    "--precision",
    type=click.Choice(["auto", "int8", "float16", "float32"]),
    default=DEFAULTS.precision,
    show_default=True,
    help="Of the matrices.",
)
@click.option(
    "--engine",
    type=click.Choice(["ctranslate2", "gpt-2-simple"]),
    default=DEFAULTS.engine,
    show_default=True,
    help="What draws.",
)
@click.option("-o", "--output", type=PATH, metavar="PATH", help="A file to write to; - is stdout.")
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "jsonl"]),
    default="text",
    show_default=True,
    help="Plain text, or one JSON object per text.",
)
@chatter
def generate(
    prefix: str | None,
    prefix_file: Path | None,
    no_prefix: bool,
    output: Path | None,
    force: bool,
    form: str,
    verbose: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Draw text from a run or a base model."""
    settings = _settings(options)
    to_file = output is not None and str(output) != "-"
    if output is not None and to_file and output.exists() and not force:
        raise UsageError("the output exists", path=output, hint="Overwrite it with --force.")
    prefixes = _prefixes(prefix, prefix_file)

    from mckennabot.files import replacing
    from mckennabot.generate.draw import find_source, open_drawer, with_seed
    from mckennabot.generate.tell import Tell

    tell = Tell(
        progress=(lambda message: None) if quiet else _say,
        warning=lambda message: _say(f"Warning: {message}"),
    )
    source = find_source(settings)
    settings = with_seed(settings)
    tell.progress(f"drawing from {source.weights}, seed {settings.seed}")
    with contextlib.ExitStack() as stack:
        drawer = stack.enter_context(open_drawer(source, settings, tell))
        file = sys.stdout
        if output is not None and to_file:
            temporary = stack.enter_context(replacing(output))
            file = stack.enter_context(temporary.open("w", encoding="utf-8"))
        events = stack.enter_context(contextlib.closing(drawer.draw(prefixes, tell)))
        shown = [prefix * (not no_prefix) for prefix in prefixes for _ in range(settings.nsamples)]
        if form == "jsonl":
            common = {"run": source.model.name, "step": source.step, "seed": settings.seed}
            _write_jsonl(events, shown, file, common)
        else:
            _write_text(events, shown, file)


def _settings(options: dict[str, Any]) -> GenerateSettings:
    settings = GenerateSettings(**options)
    if settings.run and settings.model:
        raise UsageError("--run and --model exclude each other")
    if settings.min_length > settings.length:
        raise UsageError("--min-length is greater than --length")
    if "" in settings.stop:
        raise UsageError("--stop needs a text")
    if math.isnan(settings.temperature + settings.top_p + settings.repetition_penalty):
        raise UsageError("not a number")
    return settings


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


def _say(message: str) -> None:
    click.echo(message, err=True)


def _in_order(events: Iterable[Piece | Drawn]) -> Iterator[Piece | Drawn]:
    """The events text by text; what is drawn of later texts waits for its turn."""
    from mckennabot.generate.draw import Drawn

    current = 0
    waiting: dict[int, deque[Piece | Drawn]] = {}
    for event in events:
        waiting.setdefault(event.index, deque()).append(event)
        while queue := waiting.get(current):
            yield (ready := queue.popleft())
            if isinstance(ready, Drawn):
                del waiting[current]
                current += 1


def _write_text(events: Iterable[Piece | Drawn], prefixes: Sequence[str], file: TextIO) -> None:
    """Write each text as it is drawn, with a line of = between two."""
    from mckennabot.generate.draw import Drawn

    begun = -1
    try:
        for event in _in_order(events):
            if event.index != begun:
                begun = event.index
                file.write((DIVIDER if begun else "") + prefixes[begun])
            file.write("\n" if isinstance(event, Drawn) else event.text)
            file.flush()
    except KeyboardInterrupt:
        file.write("\n")
        raise


def _write_jsonl(
    events: Iterable[Piece | Drawn], prefixes: Sequence[str], file: TextIO, common: dict[str, Any]
) -> None:
    """Write each complete text as a JSON object on a line of its own."""
    from mckennabot.generate.draw import Drawn

    for event in _in_order(events):
        if isinstance(event, Drawn):
            known = math.isfinite(event.log_probability)
            line = {
                "prefix": event.prefix,
                "text": prefixes[event.index] + event.text,
                **common,
                "index": event.index,
                "stop": event.stop,
                "tokens": event.tokens,
                "log_probability": round(event.log_probability, 4) if known else None,
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
