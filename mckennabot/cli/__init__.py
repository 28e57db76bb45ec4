"""The command line: parse, call one function, report.

stdout carries only the product; progress, tables, warnings and errors go to stderr.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from mckennabot import __version__
from mckennabot.cli.configfile import find_config, read_config
from mckennabot.cli.export import export
from mckennabot.cli.extract import extract
from mckennabot.cli.finetune import finetune
from mckennabot.cli.generate import generate
from mckennabot.cli.models import models
from mckennabot.cli.options import Session, quiet, verbose
from mckennabot.cli.report import report
from mckennabot.cli.score import score
from mckennabot.cli.serve import serve
from mckennabot.cli.voice import voice
from mckennabot.errors import ExitCode, Interrupted, MckennabotError, ResourceError, UsageError
from mckennabot.system import signals
from mckennabot.system.files import NO_ROOM, write_error

EPILOG = """
\b
  mckennabot voice book.pdf                       all in one: book.pdf -> checkpoints/book, with a report
  mckennabot extract book.pdf                     book.pdf -> data/book.txt
  mckennabot finetune --steps 1000                data/*.txt -> checkpoints/run1
  mckennabot generate --prefix "The New Age is"   checkpoints/run1 -> text

Every option can stand in mckennabot.toml ([finetune] steps = 1000) or in the environment
(MCKENNABOT_FINETUNE_STEPS=1000). Flags win over the environment, and the environment over the file.
"""


class Group(click.Group):
    """The commands in the order of use, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order they were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click itself would end a closed pipe with exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return _close_quietly()


@click.group(
    cls=Group,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, "-V", "--version", prog_name="mckennabot")
@click.option(
    "--config",
    metavar="PATH",
    help="Read settings from this file.  [default: mckennabot.toml where it exists]",
)
@verbose
@quiet
@click.pass_context
def cli(ctx: click.Context, config: str | None, verbose: bool, quiet: bool) -> None:
    """Turn a book in PDF into a language model that talks like its author."""
    session = ctx.ensure_object(Session)
    session.config = find_config(config)
    if session.config is not None:
        ctx.default_map = read_config(session.config, cli, named=config is not None)
        session.sections = frozenset(ctx.default_map)
    session.verbose = verbose or bool(ctx.default_map and ctx.default_map.get("verbose"))
    session.quiet = quiet or bool(ctx.default_map and ctx.default_map.get("quiet"))


for command in (voice, extract, finetune, generate, score, report, export, serve, models):
    cli.add_command(command)


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line and leave the process with its exit code."""
    _have_streams()
    _tolerate_any_terminal()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in signals.ending()[1:]:
        signal.signal(number, _terminated)
    signals.keep_interrupts()
    session = Session()
    try:
        code = cli.main(
            argv, prog_name="mckennabot", standalone_mode=False, auto_envvar_prefix="MCKENNABOT", obj=session
        )
    except BaseException as error:  # of which none is to be a traceback
        _end_at_once()
        code = _explain(error, session)
    else:
        _end_at_once()
    sys.exit(_flush(code if isinstance(code, int) else ExitCode.DONE))


def _end_at_once() -> None:
    """From here on there is nothing left to save, and a signal need not be told as an exception."""
    for number in signals.ending():
        signal.signal(number, signal.SIG_DFL)


def _explain(error: BaseException, session: Session) -> int:
    """Say what went wrong; the exit code for it."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.ClickException):
        error.show()
        return ExitCode.USAGE if error.exit_code == ExitCode.USAGE else ExitCode.BUG
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return _report(Interrupted("interrupted"), error, session)
    if isinstance(error, MckennabotError):
        return _report(error, error.__cause__, session)
    if isinstance(error, MemoryError):
        full = ResourceError("out of memory", hint="Use a smaller model, --batch-size or --block-size.")
        return _report(full, error, session)
    if isinstance(error, OSError) and (known := _outside(error)):
        return _report(known, error, session)
    if isinstance(error, Exception):
        return _report_bug(error, session)
    raise error


def _outside(error: OSError) -> MckennabotError | None:
    """Say what an error means that lies with the machine or a name, wherever it was met; None if neither."""
    name = None if error.filename is None else os.fsdecode(error.filename)
    if error.errno in NO_ROOM:
        return write_error(error, Path(name or "stdout"))
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM):
        return ResourceError(
            f"the system gives no more ({error.strerror})", path=name, hint="Raise the limit: see ulimit -a."
        )
    if error.errno == errno.ENAMETOOLONG:
        return UsageError("cannot use the name (File name too long)", path=name)
    if isinstance(error, FileNotFoundError) and name is None:
        return UsageError("the current directory is gone", hint="Change to one that is there.")
    return None


def _flush(code: int) -> int:
    """Write out what is still buffered; a reader that has gone away is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _close_quietly()
    except OSError as error:
        click.echo(f"Error: cannot write to stdout ({error.strerror})", err=True)
        _close_quietly()
        return ExitCode.RESOURCE
    return code


def _close_quietly() -> int:
    """Let the interpreter's own last flush go nowhere: whoever read our stdout has what they wanted."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _report(error: MckennabotError, cause: BaseException | None, session: Session) -> int:
    console = session.reporter()
    console.error(error)
    if cause is not None:
        console.detail(_traceback(error))
    return error.exit_code


def _report_bug(error: Exception, session: Session) -> int:
    console = session.reporter()
    console.detail(_traceback(error))
    bug = MckennabotError(
        f"this is a bug in mckennabot {__version__} ({type(error).__name__}: {error})",
        hint="Please report it, with the output of the same command and -v.",
    )
    return _report(bug, None, session)


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error)).rstrip()


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    # These end a command the way Ctrl-C does: what is worth keeping is saved first.
    signals.received(signum)
    raise KeyboardInterrupt


def _have_streams() -> None:
    """A stream that the caller closed (``2>&-``) goes nowhere, so that writing to it is no error."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # The lowest free number: the closed one, since those below it are open by now.
            opened = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(opened, "r" if descriptor == 0 else "w", encoding="utf-8"))


def _tolerate_any_terminal() -> None:
    """Replace what a terminal cannot show or nobody can read, instead of failing; pipes are UTF-8."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        settings: dict[str, Any] = {"errors": "replace"}
        if not stream.isatty():
            settings["encoding"] = "utf-8"
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(**settings)
