"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mckennabot.config import BASE_URL, CHECKPOINTS
from mckennabot.reporter import Console

F = TypeVar("F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)

verbose = click.option("-v", "--verbose", is_flag=True, help="Say more; show the traceback of a bug.")
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress, only warnings and errors.")
checkpoints = click.option(
    "--checkpoints", type=PATH, default=CHECKPOINTS, show_default=True, help="Where base models and runs lie."
)
base_url = click.option(
    "--base-url",
    metavar="URL",
    default=BASE_URL,
    show_default=True,
    help="Mirror to fetch a base model from, as URL/models/NAME/FILE.",
)


def chatter(function: F) -> F:
    """Add ``-v`` and ``-q``."""
    return verbose(quiet(function))


def console(verbose: bool, quiet: bool) -> Console:
    """What ``-v`` and ``-q`` ask for."""
    return Console(quiet=quiet, verbose=verbose)
