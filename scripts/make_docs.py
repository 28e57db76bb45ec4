"""Writes docs/cli.md: the help of every command, as ``--help`` prints it.

python -m scripts.make_docs            write it
python -m scripts.make_docs --check    exit with 1 if it is not what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click.testing import CliRunner

from mckennabot.cli import cli

TARGET = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
WIDTH = 100

HEAD = """\
# The command line

What `mckennabot --help` and the commands' `--help` print. `python -m scripts.make_docs` writes this page,
and a test checks it.

Progress, tables, warnings and errors go to stderr; stdout carries only the product, so that every command
can be piped. Every option can stand in `mckennabot.toml` or in the environment. A `mckennabot.toml` that
merely lies in the current directory is named when it is used, and may not choose what is overwritten, what
is started over or which host is spoken to (`output`, `report`, `force`, `fresh`, `scheduler`, `base-url` …):
for that, name the file with `--config`.

| exit code | |
|--:|---|
| 0 | done |
| 1 | a bug in mckennabot; `-v` shows the traceback |
| 2 | the options do not fit together, or a file must not be touched |
| 3 | a book or corpus cannot be used |
| 4 | a model or run is missing or damaged |
| 5 | too little disk space or memory |
| 130 | interrupted, after saving |
"""


def page() -> str:
    """The whole page."""
    commands: list[tuple[str, list[str]]] = [("mckennabot", [])] + [
        (f"mckennabot {name}", [name]) for name in cli.commands
    ]
    parts = [f"\n## {title}\n\n```text\n{_help(argv)}\n```\n" for title, argv in commands]
    return HEAD + "".join(parts)


def _help(argv: list[str]) -> str:
    result = CliRunner().invoke(cli, [*argv, "--help"], prog_name="mckennabot", terminal_width=WIDTH)
    assert result.exit_code == 0, result.output
    return "\n".join(line.rstrip() for line in result.output.strip().splitlines())


def main() -> None:
    """Write the page, or compare it."""
    if sys.argv[1:] == ["--check"]:
        if TARGET.read_text(encoding="utf-8") != page():
            raise click.ClickException("docs/cli.md is not what `python -m scripts.make_docs` writes")
        return
    TARGET.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
