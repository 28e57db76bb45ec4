"""One run of ``mckennabot extract``: each source read, written and told of."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mckennabot import corpus
from mckennabot.config import CORPUS_DIR, ExtractSettings
from mckennabot.errors import InputError, MckennabotError, PasswordNeeded, UsageError
from mckennabot.system.files import write_atomic, write_error

if TYPE_CHECKING:
    from mckennabot.extract import Book
    from mckennabot.extract.report import Report

PASSWORD_TRIES = 3
MOST_FAILED = 4  # pages named in warnings


@dataclass(frozen=True)
class Request:
    """What the command was asked to do.

    Attributes:
        sources: files.
        output: what ``-o`` says, None for the default.
        settings: the same for all.
        report: where the account goes, as JSON.
        force: replace a text that differs.
        quiet: no progress, no tables.
    """

    sources: list[Path]
    output: str | None
    settings: ExtractSettings
    report: Path | None
    force: bool
    quiet: bool


class Run:
    """Extracts each source in turn; what fails is kept for the end.

    Args:
        request: what to do.

    Raises:
        UsageError: the output and the sources do not fit together.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._segments: list[list[str]] = []  # for stdout
        self._written: dict[Path, Path] = {}
        self._accounts: list[dict[str, Any]] = []
        output = request.output
        if output is None or output == "-" or output.endswith("/"):
            return
        if len(request.sources) > 1:
            raise UsageError(
                f"{len(request.sources)} sources do not go into one file",
                path=output,
                hint="End -o with a /.",
            )
        if Path(output).is_dir():
            raise UsageError(
                "the output is a directory", path=output, hint="End -o with a / to write into it."
            )

    def all(self) -> None:
        """Extract every source.

        Raises:
            MckennabotError: what happened to the only source, or that some of several failed.
        """
        failures: list[MckennabotError] = []
        for source in self._request.sources:
            try:
                self._one(source)
            except (InputError, UsageError) as error:
                if len(self._request.sources) == 1:
                    raise
                failures.append(error)
        if self._segments:
            click.echo(corpus.render(self._segments), nl=False)
        self._write_report()
        self._conclude(failures)

    def inspect(self, first: int, last: int) -> None:
        """Show what the lines of some pages of the only source were taken for.

        Raises:
            MckennabotError: as `all`; or there are no such pages.
        """
        from mckennabot.extract.inspection import inspect_html

        source = self._request.sources[0]
        pages = [page for page in self._read(source).pages if first <= page.number <= last]
        if not pages:
            raise UsageError(f"no page {first} was read", path=source, hint="--inspect shows pages of a PDF.")
        html = inspect_html(source.name, pages)
        if self._request.output == "-":
            click.echo(html, nl=False)
            return
        target = Path(self._request.output or f"{CORPUS_DIR}/")
        if self._request.output is None or self._request.output.endswith("/"):
            target /= f"{source.stem}.html"
        self._write(target, html, force=True)
        if not self._request.quiet:
            click.echo(f"{shown(source)} -> {shown(target)}", err=True)

    def _conclude(self, failures: list[MckennabotError]) -> None:
        """List what failed, or say what comes next."""
        for failure in failures:
            click.echo("\n".join(failure.lines()), err=True)
        if failures:
            raise InputError(
                f"{len(failures)} of {len(self._request.sources)} sources failed, the others are done"
            )
        if self._written and not self._request.quiet:
            names = " ".join(shlex.quote(str(path)) for path in self._written)
            click.echo(f"Next: mckennabot finetune {names if len(names) < 80 else ''}".rstrip(), err=True)

    def _one(self, source: Path) -> None:
        from mckennabot.extract.report import table_lines

        target = self._target(source)
        book = self._read(source)
        if target is None:
            self._segments += book.segments
            outcome = "stdout"
        else:
            outcome = self._write(target, corpus.render(book.segments), self._request.force)
            self._written[target] = source
        self._accounts.append(account(source, book.report))
        for warning in warnings(book.report):
            click.echo(f"Warning: {warning}", err=True)
        if not self._request.quiet:
            click.echo("\n".join(table_lines(book.report)), err=True)
            click.echo(f"{shown(source)} -> {outcome}", err=True)

    def _target(self, source: Path) -> Path | None:
        """Where a source's text goes; None is stdout."""
        if self._request.output == "-":
            return None
        if self._request.output is not None and not self._request.output.endswith("/"):
            return Path(self._request.output)
        target = Path(self._request.output or CORPUS_DIR) / f"{source.stem or source.name}.txt"
        if target in self._written:
            raise UsageError(
                f"its text would go where that of {shown(self._written[target])} went", path=source
            )
        return target

    def _write(self, target: Path, text: str, force: bool) -> str:
        derived = self._request.output is None or self._request.output.endswith("/")
        try:
            there = target.read_bytes() if derived and target.exists() else None
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(error, target) from error
        if there == text.encode("utf-8"):
            return f"{shown(target)} (unchanged)"
        if there is not None and not force:
            raise UsageError(
                "there is another text already", path=target, hint="Replace it with --force, or choose -o."
            )
        write_atomic(target, text)
        return shown(target)

    def _read(self, source: Path) -> Book:
        """The book, asking for a password on a terminal."""
        from mckennabot.extract import extract_book

        asks = sys.stdin.isatty() and sys.stderr.isatty()
        for tries_left in reversed(range(PASSWORD_TRIES)):
            try:
                with _Progress(source, self._request.quiet) as progress:
                    return extract_book(source, self._request.settings, progress)
            except PasswordNeeded:
                if not asks or not tries_left:
                    raise
                given = click.prompt(f"Password for {shown(source)}", hide_input=True, err=True)
                settings = replace(self._request.settings, password=given)
                self._request = replace(self._request, settings=settings)
        raise AssertionError("unreachable")

    def _write_report(self) -> None:
        if self._request.report is not None and self._accounts:
            account = self._accounts[0] if len(self._request.sources) == 1 else self._accounts
            write_atomic(self._request.report, json.dumps(account, ensure_ascii=False, indent=2) + "\n")


def account(source: Path, report: Report) -> dict[str, Any]:
    """A source and its report, for JSON."""
    return {"source": os.fsencode(source).decode("utf-8", "replace"), **asdict(report)}


def warnings(report: Report) -> Iterator[str]:
    """What the user has to know about a text, however quiet the run is."""
    if pictures := report.picture_pages:
        yield (
            f"{len(pictures)} of {report.pages} pages are pictures without text, such as page {pictures[0]}; "
            "--ocr has them recognised"
        )
    if report.unknown > report.words // 10:
        yield (
            f"{report.unknown:,} characters are lost, since their fonts do not say which they are; "
            "ocrmypdf --force-ocr would read them off the page"
        )
    failed = list(report.failed_pages.items())
    for page, reason in failed[:MOST_FAILED]:
        yield f"page {page}: {reason}"
    if len(failed) > MOST_FAILED:
        yield f"{len(failed) - MOST_FAILED} more pages failed, to page {failed[-1][0]}; --report names them"


class _Progress:
    """A bar on a terminal; one line elsewhere."""

    def __init__(self, source: Path, quiet: bool) -> None:
        self._source = source
        self._quiet = quiet
        self._bar: Any = None

    def __enter__(self) -> _Progress:
        return self

    def __call__(self, done: int, total: int) -> None:
        if self._quiet:
            return
        if self._bar is None:
            from tqdm import tqdm

            tqdm.monitor_interval = 0  # its thread and forked processes do not go together
            plain = not sys.stderr.isatty()
            if plain:
                click.echo(f"{shown(self._source)}: reading {total} pages", err=True)
            self._bar = tqdm(total=total, unit="page", desc=shown(self._source), disable=plain, leave=False)
        self._bar.update(done - self._bar.n)

    def __exit__(self, *failure: object) -> None:
        if self._bar is not None:
            self._bar.close()


def shown(path: Path) -> str:
    """A path on one line, whatever its name is made of."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(path))
