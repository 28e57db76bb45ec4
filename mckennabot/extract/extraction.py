"""Extract sources one by one: read each, write its text, and report what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mckennabot import corpus
from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError, MckennabotError, PasswordNeeded, UsageError
from mckennabot.extract.outputs import Outputs
from mckennabot.reporter import Counted, Reporter
from mckennabot.system.terminal import quoted, shown, write_stdout

if TYPE_CHECKING:
    from mckennabot.extract import Book
    from mckennabot.extract.accounts import Account

PASSWORD_TRIES = 3
"""Times to ask for the password of one source."""
_NAMES = 80
"""Columns of files to name in the advice at the end; more are named by their directory."""


@dataclass(frozen=True)
class Request:
    """What the command was asked to do.

    Attributes:
        outputs: what is read, and where everything goes.
        settings: how, the same for all sources.
        force: whether to do again what is done.
        reporter: receives everything that is said while working.
        ask: asks for a source's password; None if nobody is there to ask.
    """

    outputs: Outputs
    settings: ExtractSettings
    force: bool
    reporter: Reporter
    ask: Callable[[Path], str] | None = None


class Extraction:
    """Extracts each source in turn; failures of some are raised at the end.

    Args:
        request: what to do.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._outputs = request.outputs
        self._segments: list[list[str]] = []  # for stdout
        self._accounts: list[Account] = []

    def all(self) -> None:
        """Extract every source.

        Raises:
            MckennabotError: the error of the only source, or the list of those of several that failed.
        """
        failures: list[MckennabotError] = []
        for source in self._outputs.sources:
            try:
                self._one(source)
            except (InputError, UsageError) as error:
                if len(self._outputs.sources) == 1:
                    raise
                failures.append(error)
        if self._segments:
            write_stdout(corpus.render(self._segments))
        self._write_report()
        self._conclude(failures)

    def inspect(self, first: int, last: int) -> None:
        """Write a page of HTML that shows what the lines of some pages of the only source were taken for.

        Raises:
            MckennabotError: as `all`; or there are no such pages.
        """
        from mckennabot.extract.inspection import inspect_html, is_inspection

        (source,) = self._outputs.sources
        pages = [page for page in self._read(source, lines=True).pages if first <= page.number <= last]
        if not pages:
            raise UsageError(f"no page {first} was read", path=source, hint="--inspect shows pages of a PDF.")
        html = inspect_html(source.name, pages)
        if not self._outputs.texts:
            write_stdout(html)
            return
        outcome = self._outputs.write(source, html, ours=is_inspection(self._outputs.texts[source]))
        self._request.reporter.say(f"{shown(source)} -> {outcome}")

    def _conclude(self, failures: list[MckennabotError]) -> None:
        """Report what failed, or what to do next."""
        for failure in failures:
            self._request.reporter.error(failure)
        if failures:
            raise InputError(
                f"{len(failures)} of {len(self._outputs.sources)} sources failed, the others are done"
            )
        if self._outputs.texts:
            names = " ".join(quoted(path) for path in self._outputs.texts.values())
            if len(names) > _NAMES and self._outputs.directory is not None:
                names = f"{quoted(self._outputs.directory)}/"
            self._request.reporter.say(f"Next: mckennabot finetune {names}")

    def _one(self, source: Path) -> None:
        """Extract one source: its text, its place in the report, its warnings."""
        from mckennabot.extract.accounts import account, warnings
        from mckennabot.extract.report import table_lines

        if error := self._outputs.refused.get(source):
            raise error
        begun = time.perf_counter()
        book = self._read(source)
        self._request.reporter.detail(f"{shown(source)} was read in {time.perf_counter() - begun:.1f} s")
        if source in self._outputs.texts:
            outcome = self._outputs.write(source, book.text, book.places)
        else:
            self._segments += book.segments
            outcome = "stdout"
        self._accounts.append(account(source, book.report))
        for warning in warnings(book.report):
            self._request.reporter.warn(warning)
        self._request.reporter.say("\n".join(table_lines(book.report)))
        self._request.reporter.say(f"{shown(source)} -> {outcome}")

    def _read(self, source: Path, *, lines: bool = False) -> Book:
        """Return the book, with its lines if they are wanted; ask for a password if it needs one."""
        from mckennabot.extract import extract_book

        ask = self._request.ask
        for tries_left in reversed(range(PASSWORD_TRIES)):
            try:
                with Counted(self._request.reporter, "page", shown(source)) as progress:
                    return extract_book(source, self._request.settings, progress, lines=lines)
            except PasswordNeeded:
                if ask is None or not tries_left:
                    raise
                settings = replace(self._request.settings, password=ask(source))
                self._request = replace(self._request, settings=settings)
        raise AssertionError("unreachable")

    def _write_report(self) -> None:
        from mckennabot.extract.accounts import write_account

        if self._outputs.report is not None and self._accounts:
            one = len(self._outputs.sources) == 1
            write_account(self._outputs.report, self._accounts[0] if one else self._accounts)
