"""``mckennabot extract``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from mckennabot.cli.options import PATH, chatter
from mckennabot.config import CORPUS_DIR, ExtractSettings
from mckennabot.errors import UsageError

SOURCE = click.Path(path_type=Path, readable=False)  # the reader says what is wrong with a file
SEGMENTS = ("chapter", "section", "page", "none")

EPILOG = """
\b
  mckennabot extract book.pdf                        -> data/book.txt
  mckennabot extract library/ -o corpus/             every book in a directory -> corpus/
  mckennabot extract book.pdf --pages 10-240 -o -    to stdout
  mckennabot extract book.pdf --inspect 17-20        a look at what was kept -> data/book.html
"""


def _span(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """The first and the last page of ``10-240``, ``10-``, ``-240`` or ``10``, from 1."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d{0,6})(-?)(\d{0,6})", value.replace(" ", ""))
    if not found or not (found[1] or found[3]):
        raise click.BadParameter(f"{value!r} is no span of pages such as 10-240")
    first = int(found[1] or 1)
    last = int(found[3] or (sys.maxsize if found[2] else first))
    if not 1 <= first <= last:
        raise click.BadParameter(f"{value!r}: pages count from 1, and the first comes first")
    return first, last


@click.command(epilog=EPILOG)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=SOURCE)
@click.option(
    "-o",
    "--output",
    help=f"A file, a directory ending in /, or - for stdout.  [default: {CORPUS_DIR}/<name>.txt]",
)
@click.option(
    "--segment",
    type=click.Choice(SEGMENTS),
    default=ExtractSettings.segment,
    show_default=True,
    help="Where <|endoftext|> goes.",
)
@click.option(
    "--pages", metavar="FIRST-LAST", callback=_span, help="Pages to read, such as 10-240.  [default: all]"
)
@click.option("--password", help="Opens encrypted PDFs.  [default: asked for on a terminal, for one book]")
@click.option("--keep", metavar="KINDS", default="", help="Leave in: front-matter, footnotes, index, …")
@click.option(
    "--jobs", type=click.IntRange(1), help="Processes that read pages.  [default: one per core, up to 4]"
)
@click.option("--report", type=PATH, help="Write what was found and removed to this JSON file.")
@click.option(
    "--inspect",
    metavar="FIRST-LAST",
    callback=_span,
    help="Instead of the text, write a page of HTML that shows what each line of these pages was taken for.",
)
@click.option("--ocr", is_flag=True, help="Let ocrmypdf recognise the text of scanned pages first.")
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    default="local",
    show_default=True,
    help="Read the books on a Dask cluster, such as tcp://host:8786.",
)
@click.option("--speaker", metavar="NAME", help="Keep the words of one speaker of a talk or interview.")
@click.option(
    "--column", metavar="NAME", help="Column of a CSV or JSONL file that holds the texts.  [default: found]"
)
@click.option("--force", is_flag=True, help="Replace a text that is there and differs.")
@chatter
def extract(
    sources: tuple[Path, ...],
    output: str | None,
    segment: str,
    pages: tuple[int, int] | None,
    password: str | None,
    keep: str,
    jobs: int | None,
    report: Path | None,
    inspect: tuple[int, int] | None,
    ocr: bool,
    scheduler: str,
    speaker: str | None,
    column: str | None,
    force: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Turn books and talks into a clean corpus: files, directories of them, or - for stdin.

    PDF, EPUB, Word, HTML, Markdown and text, captions (.vtt, .srt), and tables of texts (.csv, .jsonl).
    """
    from mckennabot.cli.extracting import Request, Run
    from mckennabot.cli.library import LOCAL, Library
    from mckennabot.extract.kinds import KEEP
    from mckennabot.extract.outputs import STDOUT, Outputs
    from mckennabot.extract.sources import find_sources
    from mckennabot.system.spool import spooled

    kinds = frozenset(kind.strip() for kind in keep.split(",") if kind.strip())
    settings = ExtractSettings(segment, pages, password, kinds, jobs, ocr, speaker, column)
    if unknown := kinds - KEEP.keys():
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
            report=None if inspect else report,
            force=force,
            ledger=not alone,
        )
        for note in found.notes():
            if not quiet or note.startswith("Warning"):
                click.echo(note, err=True)
        request = Request(outputs, settings, force, quiet)
        if inspect:
            Run(request).inspect(*inspect)
        elif alone:
            Run(request).all()
        else:
            Library(request, scheduler).all()
