"""``mckennabot extract``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from mckennabot.cli.options import PATH, Output, OutputFile, from_settings, reporting
from mckennabot.config import CORPUS_DIR, ExtractSettings
from mckennabot.errors import UsageError
from mckennabot.reporter import Reporter
from mckennabot.system.terminal import is_terminal, shown

EPILOG = """
\b
  mckennabot extract book.pdf                        -> data/book.txt
  mckennabot extract library/ -o corpus/             every book in a directory -> corpus/
  mckennabot extract book.pdf --pages 10-240 -o -    to stdout
  mckennabot extract book.pdf --inspect 17-20        a look at what was kept -> data/book.html
"""


@click.command(epilog=EPILOG)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=PATH)
@click.option(
    "-o",
    "--output",
    type=Output(),
    metavar="PATH",
    help=f"Write to a file, a directory (ending in /) or stdout (-).  [default: {CORPUS_DIR}/<name>.txt]",
)
@from_settings(ExtractSettings)
@click.option(
    "--report",
    type=OutputFile(),
    metavar="PATH",
    help="Write what was found and removed to this JSON file.",
)
@click.option(
    "--inspect",
    metavar="FIRST-LAST",
    help="Write a page of HTML that shows what each line of these pages was taken for, and not the text.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    default="local",
    show_default=True,
    help="Read the books on a Dask cluster, such as tcp://host:8786.",
)
@click.option("--force", is_flag=True, help="Overwrite a text that differs.")
@reporting
def extract(
    sources: tuple[Path, ...],
    output: str | None,
    report: str | None,
    inspect: str | None,
    scheduler: str,
    force: bool,
    reporter: Reporter,
    **options: Any,
) -> None:
    """Turn books and talks into a clean corpus: files, directories of them, or - for stdin.

    PDF, EPUB, Word, HTML, Markdown and text, captions (.vtt, .srt), and tables of texts (.csv, .jsonl).
    """
    from mckennabot.extract.extraction import Extraction, Request
    from mckennabot.extract.kinds import KEEP
    from mckennabot.extract.library_extraction import LOCAL, LibraryExtraction
    from mckennabot.extract.outputs import STDOUT, Outputs
    from mckennabot.extract.sources import find_sources
    from mckennabot.system.spool import spooled

    settings = ExtractSettings(**options)
    shown_pages = ExtractSettings(pages=inspect).pages if inspect else None  # type: ignore[arg-type]
    if unknown := settings.keep - KEEP.keys():
        raise UsageError(f"--keep knows no {', '.join(sorted(unknown))}", hint=f"It knows {', '.join(KEEP)}.")
    with spooled(sources) as files:
        named, found = find_sources(files)
        if inspect and len(named) > 1:
            raise UsageError("--inspect shows the pages of one book", hint="Name one PDF.")
        alone = scheduler == LOCAL and (output == STDOUT or len(named) == 1)
        outputs = Outputs(
            named,
            found,
            output=output,
            suffix=".html" if inspect else ".txt",
            report=Path(report) if report and not inspect else None,
            force=force,
            ledger=not alone,
        )
        for warning in found.warnings():
            reporter.warn(warning)
        for note in found.notes():
            reporter.say(note)
        request = Request(outputs, settings, force, reporter, _ask if _is_asked() else None)
        if shown_pages:
            Extraction(request).inspect(*shown_pages)
        elif alone:
            Extraction(request).all()
        else:
            LibraryExtraction(request, scheduler).all()


def _is_asked() -> bool:
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def _ask(source: Path) -> str:
    """Ask for a book's password."""
    return str(click.prompt(f"Password for {shown(source)}", hide_input=True, err=True))
