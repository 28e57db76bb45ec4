"""Options made from settings, and those that every command has."""

from __future__ import annotations

import functools
import math
import os
import platform
import time
import typing
from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from mckennabot import __version__
from mckennabot.reporter import Console
from mckennabot.settings import Option, Settings, flag, option_of, types_of, without_none
from mckennabot.system.files import refuse_over
from mckennabot.system.terminal import shown

F = TypeVar("F", bound=Callable[..., Any])


class _Path(click.Path):
    """A path, ``~`` being the home directory; whoever reads it says what is wrong with it."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Expand ``~``, which the shell leaves alone after ``=`` and in a file."""
        if not os.fspath(value):  # a script's variable that is not set; Python takes it for this directory
            self.fail("it is empty.", param, ctx)
        return super().convert(Path(value).expanduser(), param, ctx)


PATH = _Path()


class Output(click.ParamType[str]):
    """A place to write to: a file, a directory (ending in ``/``), or ``-`` for stdout.

    It is never the settings file, which has been read by then.
    """

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Expand ``~``; a `Path` would lose the slash at the end."""
        place: str = os.path.expanduser(value)  # noqa: PTH111
        if not place:
            self.fail("it is empty.", param, ctx)
        config = ctx.ensure_object(Session).config if ctx is not None else None
        if config is not None:
            refuse_over(Path(place), [config])
        return place


class OutputFile(Output):
    """The same where only a file will do."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse the name of a directory."""
        place = super().convert(value, param, ctx)
        if place.endswith("/"):
            self.fail(f"{shown(place)} is a directory's name, and a file is wanted.", param, ctx)
        return place


class FiniteRange(click.FloatRange):
    """A number within limits, neither infinite nor nan."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse what comparisons with limits let through."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def from_settings(settings: type[Settings], *names: str, without: tuple[str, ...] = ()) -> Callable[[F], F]:
    """Add an option for each field of a settings class, or for those named, in their order."""
    made = {each.name: each for each in fields(settings)}  # type: ignore[arg-type]
    chosen = names or [name for name in made if name not in without]

    def add(function: F) -> F:
        for name in reversed(chosen):
            function = _option(made[name], types_of(settings)[name])(function)
        return function

    return add


def _option(each: Field[Any], kind: Any) -> Callable[[F], F]:
    option = option_of(each)
    kind = without_none(kind)
    shows_default = each.default is not None and each.default is not False and each.default != ()
    details: dict[str, Any] = {
        "help": option.help + (f"  [default: {option.unset}]" if option.unset else ""),
        "default": each.default,
        "show_default": shows_default,
    }
    if kind is bool:
        return click.option(flag(each.name), is_flag=True, **details)
    if kind == tuple[str, ...]:
        details |= {"multiple": True}
    if kind == frozenset[str]:
        details |= {"default": "", "show_default": False}
    metavar = option.metavar or {int: "N", float: "X", Path: "PATH"}.get(kind)
    if metavar:
        details |= {"metavar": metavar}
    return click.option(flag(each.name), type=_type(kind, option), **details)


def _type(kind: Any, option: Option) -> click.ParamType[Any]:
    if typing.get_origin(kind) is Literal:
        return click.Choice(typing.get_args(kind))
    if kind is int:
        return click.IntRange(_whole(option.low), _whole(option.high))
    if kind is float:
        low = option.above if option.above is not None else option.low
        return FiniteRange(low, option.high, min_open=option.above is not None)
    if kind is Path:
        return PATH
    return click.STRING  # a span of pages too: the settings read it


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)


@dataclass
class Session:
    """What is known of one call of the command line before its command is.

    Attributes:
        verbose, quiet: asked for before the command, after it, in the environment or in the file.
        config: the settings file that was read.
        sections: the tables in it.
    """

    verbose: bool = False
    quiet: bool = False
    config: Path | None = None
    sections: frozenset[str] = frozenset()

    def reporter(self) -> Console:
        """Return what the session wants to hear."""
        return Console(quiet=self.quiet, verbose=self.verbose)


verbose = click.option(
    "-v", "--verbose", is_flag=True, help="Say more: decisions, versions, timings; tracebacks of errors."
)
quiet = click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings and errors.")


def reporting(function: F) -> F:
    """Add ``-v`` and ``-q``; the command gets a `reporter` that keeps to them."""

    @functools.wraps(function)
    @click.pass_context
    def command(ctx: click.Context, /, *args: Any, verbose: bool, quiet: bool, **options: Any) -> Any:
        session = ctx.ensure_object(Session)
        session.verbose |= verbose
        session.quiet |= quiet
        reporter = session.reporter()
        if session.config is not None and ctx.info_name in session.sections:
            reporter.say(f"Settings from {shown(session.config)}")
        reporter.detail(
            f"mckennabot {__version__}, Python {platform.python_version()}, {platform.platform()}"
        )
        begun = time.perf_counter()
        done = function(*args, reporter=reporter, **options)
        reporter.detail(f"{ctx.info_name} took {time.perf_counter() - begun:.1f} s")
        return done

    return typing.cast("F", verbose(quiet(command)))
