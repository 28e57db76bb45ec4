"""Defines what can go wrong, one class per exit code.

Each error is at most three lines to the user: what happened, to which file, what to do next.
"""

from __future__ import annotations

import enum
from pathlib import Path

from mckennabot.system.terminal import shown


class ExitCode(enum.IntEnum):
    """The exit codes of the command line."""

    DONE = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    MODEL = 4
    RESOURCE = 5
    INTERRUPTED = 130


class MckennabotError(Exception):
    """An error that the user can understand and act on; printed without a traceback.

    Args:
        what: what happened, one line, without a full stop.
        path: the file or directory it happened to.
        hint: what to do next: a command, an option, or where to look.
    """

    exit_code = ExitCode.BUG

    def __init__(self, what: str, *, path: Path | str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.path = path
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders; keyword-only arguments do not survive the default pickling.
        return _rebuild, (type(self), self.what, self.path, self.hint)

    def __str__(self) -> str:
        where = f": {shown(self.path)}" if self.path is not None else ""
        return f"{shown(self.what)}{where}"  # `what` may quote a file: a model, a column, a speaker

    def lines(self) -> list[str]:
        """Return the message as it is printed, line by line."""
        return [f"Error: {self}", *([f"  {self.hint}"] if self.hint else [])]


def _rebuild(
    kind: type[MckennabotError], what: str, path: Path | str | None, hint: str | None
) -> MckennabotError:
    return kind(what, path=path, hint=hint)


class UsageError(MckennabotError):
    """The options do not fit together, or what they name must not be touched."""

    exit_code = ExitCode.USAGE


class InputError(MckennabotError):
    """A source or corpus cannot be used: unreadable, encrypted, scanned, empty, undecodable."""

    exit_code = ExitCode.INPUT


class PasswordNeeded(InputError):  # noqa: N818 - it is what is wanted, not an error
    """A source is encrypted, and opens with a password that was not given or is wrong."""


class ModelError(MckennabotError):
    """A base model or run is missing, incomplete or damaged."""

    exit_code = ExitCode.MODEL


class Gone(ModelError):  # noqa: N818 - it is what they are
    """Weights, or a file of them, were there a moment ago; training drops older steps."""


class ResourceError(MckennabotError):
    """The machine has too little of something: disk, memory, GPU memory."""

    exit_code = ExitCode.RESOURCE


class Interrupted(MckennabotError):  # noqa: N818 - it is what happened, not an error
    """Ctrl-C or SIGTERM, after everything worth keeping was saved."""

    exit_code = ExitCode.INTERRUPTED
