"""``mckennabot generate --interactive``: a prefix, its continuation, and so on."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterable
from dataclasses import fields, replace
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mckennabot.config import GenerateSettings
from mckennabot.errors import Interrupted, MckennabotError

if TYPE_CHECKING:
    from mckennabot.generate.sampler import Sampler
    from mckennabot.reporter import Reporter

HELP = """\
Type a prefix to get a continuation; an empty line continues the last text.
/NAME VALUE changes an option, such as /temperature 0.9; flags take on or off; /stop takes a text or nothing.
/options shows them all, /quit or Ctrl-D leaves, Ctrl-C stops a text."""

CHANGEABLE = (
    "length",
    "min_length",
    "finish_sentence",
    "temperature",
    "top_k",
    "top_p",
    "repetition_penalty",
    "seed",
    "voice",
    "stop",
    "ignore_eot",
    "keep_prefix",
)


def converse(sampler: Sampler, options: Iterable[click.Parameter], reporter: Reporter, first: str) -> None:
    """Read lines and answer them until the input ends.

    Args:
        sampler: draws the answers; its settings change with the options.
        options: of the command, which know what each value may be.
        reporter: takes warnings.
        first: a prefix to begin with, or nothing.
    """
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - input() then has a history and line editing
    signal.signal(signal.SIGTERM, _terminated)
    known = {option.name: option for option in options if option.name in CHANGEABLE}
    prompt = "> " if sys.stdin.isatty() else ""
    if prompt:
        reporter.say(HELP)
    text = _answer(sampler, first, "", reporter) if first else ""
    while True:
        try:
            line = input(prompt)
        except EOFError:
            return
        except KeyboardInterrupt:
            print()
            continue
        if line in ("/quit", "/exit"):
            return
        if line.startswith("/"):
            _command(line[1:], sampler, known)
        else:
            text = _answer(sampler, line, text, reporter)


def _answer(sampler: Sampler, line: str, text: str, reporter: Reporter) -> str:
    """Print the continuation of a new text, or of `text` where the line is empty; the text it makes."""
    from mckennabot.generate.sampler import Piece

    text = line or text
    if line:
        print(line, end="", flush=True)
    try:
        with contextlib.closing(sampler.sample([text], reporter)) as events:
            for event in events:
                if isinstance(event, Piece):
                    text += event.text
                    print(event.text, end="", flush=True)
    except KeyboardInterrupt:
        pass  # it stops the text; what was sampled of it stays
    print(flush=True)
    return text


def _command(line: str, sampler: Sampler, known: dict[str, click.Parameter]) -> None:
    name, _, value = line.partition(" ")
    field = name.strip().lstrip("-").replace("-", "_")
    settings = sampler.settings
    if field == "options":
        for shown in fields(GenerateSettings):
            if shown.name in known:
                click.echo(f"/{shown.name.replace('_', '-')} {getattr(settings, shown.name)}", err=True)
        return
    if field not in known:
        click.echo(HELP if field in ("help", "?") else f"No option /{name}; /options shows them.", err=True)
        return
    try:
        sampler.settings = replace(settings, **{field: _value(known[field], value.strip())})
    except click.BadParameter as error:
        click.echo(f"/{name}: {error.message}", err=True)
    except MckennabotError as error:  # such as a base model that is gone
        click.echo("\n".join(error.lines()), err=True)


def _value(option: click.Parameter, text: str) -> Any:
    """What an option makes of its value.

    Raises:
        click.BadParameter: the option does not take it.
    """
    if isinstance(option, click.Option) and option.is_flag:
        return click.BOOL.convert(text or "on", option, None)
    if option.multiple:
        return (text,) if text else ()
    return option.type.convert(text, option, None)


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    # Unlike Ctrl-C, SIGTERM means the program and not the text.
    raise Interrupted("terminated")
