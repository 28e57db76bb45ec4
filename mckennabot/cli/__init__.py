"""The command line: parse, call one function, report.

stdout carries only the product; progress, tables, warnings and errors go to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

import click

from mckennabot import __version__
from mckennabot.cli.configfile import read_config
from mckennabot.cli.extract import extract
from mckennabot.cli.finetune import finetune
from mckennabot.cli.generate import generate
from mckennabot.cli.models import models
from mckennabot.errors import Interrupted, MckennabotError

EPILOG = """
\b
  mckennabot extract book.pdf                     book.pdf -> data/book.txt
  mckennabot finetune --steps 1000                data/*.txt -> checkpoints/run1
  mckennabot generate --prefix "The New Age is"   checkpoints/run1 -> text

Every option can stand in mckennabot.toml ([finetune] steps = 1000) or in the environment
(MCKENNABOT_FINETUNE_STEPS=1000); flags win over the environment, and that over the file.
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
    type=click.Path(dir_okay=False),
    help="Settings to read.  [default: mckennabot.toml where it exists]",
)
@click.pass_context
def cli(ctx: click.Context, config: str | None) -> None:
    """Turn a book in PDF into a language model that talks like its author."""
    ctx.default_map = read_config(config, cli)


for command in (extract, finetune, generate, models):
    cli.add_command(command)


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line and leave the process with its exit code."""
    _tolerate_any_terminal()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminated)
    verbose = any(arg in ("-v", "--verbose") for arg in (argv if argv is not None else sys.argv[1:]))
    try:
        code = cli.main(argv, prog_name="mckennabot", standalone_mode=False, auto_envvar_prefix="MCKENNABOT")
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code if error.exit_code == 2 else 1
    except (KeyboardInterrupt, click.Abort):
        code = _report(Interrupted("interrupted"), verbose)
    except MckennabotError as error:
        code = _report(error, verbose)
    except MemoryError as error:
        code = _report_memory(error, verbose)
    except Exception as error:
        code = _report_bug(error, verbose)
    sys.exit(_flush(code if isinstance(code, int) else 0))


def _flush(code: int) -> int:
    """Write out what is still buffered; a reader that has gone away is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _close_quietly()
    except OSError as error:
        click.echo(f"Error: cannot write to stdout ({error.strerror})", err=True)
        _close_quietly()
        return 5
    return code


def _close_quietly() -> int:
    """Let the interpreter's own last flush go nowhere: whoever read our stdout has what they wanted."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _report(error: MckennabotError, verbose: bool) -> int:
    for line in error.lines():
        click.echo(line, err=True)
    if verbose and error.__cause__ is not None:
        _print_traceback(error)
    return error.exit_code


def _report_memory(error: BaseException, verbose: bool) -> int:
    click.echo("Error: out of memory\n  Use a smaller model, --batch-size or --block-size.", err=True)
    if verbose:
        _print_traceback(error)
    return 5


def _report_bug(error: Exception, verbose: bool) -> int:
    if verbose:
        _print_traceback(error)
    click.echo(
        f"Error: this is a bug in mckennabot {__version__} ({type(error).__name__}: {error})", err=True
    )
    click.echo("  Please report it, with the output of the same command and -v.", err=True)
    return 1


def _print_traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error)


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    # SIGTERM ends a command the way Ctrl-C does: what is worth keeping is saved first.
    raise KeyboardInterrupt


def _tolerate_any_terminal() -> None:
    """A terminal that cannot show a character gets a replacement, not a crash; files and pipes get UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        settings: dict[str, Any] = {"errors": "replace"}
        if not stream.isatty():
            settings["encoding"] = "utf-8"
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(**settings)
