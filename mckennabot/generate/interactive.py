"""``mckennabot generate --interactive``: a prefix, its continuation, and so on."""

from __future__ import annotations

import contextlib
import signal
import sys
from dataclasses import fields, replace
from types import FrameType
from typing import NoReturn

from mckennabot.config import GenerateSettings
from mckennabot.errors import Interrupted, MckennabotError, UsageError
from mckennabot.generate.loading import open_model
from mckennabot.generate.sampler import Piece, Sampler
from mckennabot.generate.source import with_seed
from mckennabot.reporter import Reporter
from mckennabot.settings import from_text
from mckennabot.system.terminal import is_terminal, is_waiting, write_stdout

HELP = """\
Type a prefix to get a continuation; an empty line continues the last text. Several lines that are pasted at
once are one prefix.
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

PASTED_SECONDS = 0.05
"""A line that follows the one before within this time was pasted, not typed."""


def converse(settings: GenerateSettings, first: str, reporter: Reporter) -> None:
    """Read lines and answer them until the input ends.

    Args:
        settings: how to sample at first; what is typed may change them.
        first: a prefix to begin with, or nothing.
        reporter: takes warnings, and what is asked about the options.

    Raises:
        ModelError: there is no such run, or it is damaged.
        Interrupted: SIGTERM came.
    """
    with open_model(with_seed(settings), reporter) as (_, _, sampler):
        _converse(sampler, first, reporter)


def _converse(sampler: Sampler, first: str, reporter: Reporter) -> None:
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - input() then has a history and line editing
    signal.signal(signal.SIGTERM, _terminated)
    prompt = "> " if is_terminal(sys.stdin) else ""
    if prompt:
        reporter.say(HELP)
    text = _answer(sampler, first, "", reporter) if first else ""
    while True:
        try:
            line = _read(prompt)
        except EOFError:
            return
        except KeyboardInterrupt:
            write_stdout("\n")
            continue
        if line in ("/quit", "/exit"):
            return
        if line.startswith("/"):
            _command(line[1:], sampler, reporter)
        else:
            text = _answer(sampler, line, text, reporter)


def _read(prompt: str) -> str:
    """Read a line; at a terminal, with the lines that were pasted together with it."""
    line = input(prompt)
    if prompt and not line.startswith("/"):
        while is_waiting(sys.stdin, PASTED_SECONDS):
            try:
                line += "\n" + input()
            except EOFError:  # Ctrl-D behind the last line; the next read sees it again
                break
    return line


def _answer(sampler: Sampler, line: str, text: str, reporter: Reporter) -> str:
    """Print the continuation of a line, or of `text` if the line is empty; return the whole text."""
    text = line or text
    if line:
        write_stdout(line)
    try:
        with contextlib.closing(sampler.sample([text], reporter)) as events:
            for event in events:
                if isinstance(event, Piece):
                    text += event.text
                    write_stdout(event.text)
    except KeyboardInterrupt:
        pass  # it stops the text; what was sampled of it stays
    except Interrupted:
        raise
    except MckennabotError as error:  # such as too little memory: the conversation goes on
        write_stdout("\n")
        reporter.error(error)
        return text
    write_stdout("\n")
    return text


def _command(line: str, sampler: Sampler, reporter: Reporter) -> None:
    name, _, value = line.partition(" ")
    field = name.strip().lstrip("-").replace("-", "_")
    settings = sampler.settings
    if field == "options":
        for each in fields(GenerateSettings):
            if each.name in CHANGEABLE:
                said = _said(getattr(settings, each.name))
                reporter.answer(f"/{each.name.replace('_', '-')} {said}")
        return
    if field not in CHANGEABLE:
        known = field in ("help", "?")
        reporter.answer(HELP if known else f"No option /{name}; /options shows them.")
        return
    try:
        sampler.configure(replace(settings, **{field: from_text(GenerateSettings, field, value.strip())}))
    except UsageError as error:
        reporter.answer(f"/{name}: {error.what.rpartition(': ')[2]}")
    except MckennabotError as error:  # such as a base model that is gone
        reporter.error(error)


def _said(value: object) -> str:
    """Write a value as it would be typed."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    # Unlike Ctrl-C, SIGTERM means the program and not the text.
    raise Interrupted("terminated")
