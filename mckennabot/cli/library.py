"""One run of ``mckennabot extract`` over many books, side by side, here or on a cluster."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mckennabot.cli.extracting import Request, Run, account, shown, warnings
from mckennabot.config import CORPUS_DIR
from mckennabot.errors import Interrupted, MckennabotError, PasswordNeeded, UsageError
from mckennabot.system.files import replacing, write_error

if TYPE_CHECKING:
    from mckennabot.extract.ledger import Ledger
    from mckennabot.extract.library import Place
    from mckennabot.extract.worker import Extracted

LOCAL = "local"


class Library(Run):
    """Extracts books side by side into a directory, and leaves alone what is done already.

    Args:
        request: what to do.
        scheduler: a Dask scheduler's address, or ``local``.

    Raises:
        UsageError: the output is not a directory.
    """

    def __init__(self, request: Request, scheduler: str = LOCAL) -> None:
        super().__init__(request)
        if request.output is not None and not request.output.endswith("/"):
            raise UsageError(
                "--scheduler writes into a directory", path=request.output, hint="End -o with a /."
            )
        self._scheduler = scheduler
        self._done = 0

    def all(self) -> None:
        """Extract every source that is not done yet.

        Raises:
            InputError: some failed; they are listed.
            ResourceError: the cluster is lost.
            Interrupted: by the user; what is done is kept.
        """
        from mckennabot.extract.ledger import Ledger
        from mckennabot.extract.library import read_all

        directory = Path(self._request.output or CORPUS_DIR)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(error, directory) from error
        ledger = Ledger(directory, self._request.settings)
        failures: list[MckennabotError] = []
        try:
            with self._place() as place, self._bar() as bar, self._reports() as note:
                for source, result in read_all(self._to_do(ledger, failures, bar), place):
                    try:
                        self._finish(ledger, source, result, note)
                    except MckennabotError as error:
                        failures.append(error)
                    bar.update()
        except KeyboardInterrupt as error:
            raise Interrupted(
                "interrupted", hint="What is done is kept; the same command continues."
            ) from error
        if self._done and not self._request.quiet:
            click.echo(f"{self._done} were done already (--force does them again)", err=True)
        self._conclude(failures)

    def _place(self) -> Place:
        from mckennabot.extract.library import Cluster, Local

        if self._scheduler == LOCAL:
            return Local(self._request.settings, len(self._request.sources))
        return Cluster(self._scheduler, self._request.settings)

    def _bar(self) -> Any:
        from tqdm import tqdm

        return tqdm(
            total=len(self._request.sources),
            unit="book",
            disable=self._request.quiet,
            # A log gets a line now and then.
            mininterval=0.1 if sys.stderr.isatty() else 10,
        )

    def _to_do(self, ledger: Ledger, failures: list[MckennabotError], bar: Any) -> Iterator[Path]:
        for source in self._request.sources:
            try:
                target = self._target(source)
            except UsageError as error:
                failures.append(error)
                bar.update()
                continue
            assert target is not None
            self._written[target] = source
            if not self._request.force and ledger.is_done(source, target):
                self._done += 1
                bar.update()
            else:
                yield source

    def _finish(self, ledger: Ledger, source: Path, result: Extracted | MckennabotError, note: Any) -> None:
        """Write a book's text."""
        if isinstance(result, PasswordNeeded):
            result.hint = "Give it with --password."
        if isinstance(result, MckennabotError):
            raise result
        target = Path(self._request.output or CORPUS_DIR) / f"{source.stem or source.name}.txt"
        try:
            ours = target.is_file() and ledger.wrote(source, target.read_bytes())
        except OSError as error:
            raise write_error(error, target) from error
        outcome = self._write(target, result.text, self._request.force or ours)
        ledger.note(source, result.origin, result.text.encode("utf-8"))
        note(account(source, result.report))
        for warning in warnings(result.report):
            self._say(f"Warning: {shown(source)}: {warning}")
        if not self._request.quiet:
            self._say(f"{shown(source)} -> {outcome} ({result.report.words:,} words)")

    @contextlib.contextmanager
    def _reports(self) -> Iterator[Any]:
        """What takes each report, to be written as it comes: a list in JSON, one book a line."""
        if self._request.report is None:
            yield lambda report: None
            return
        with replacing(self._request.report) as temporary, temporary.open("w", encoding="utf-8") as file:
            first = True

            def note(report: dict[str, Any]) -> None:
                nonlocal first
                file.write(("[\n" if first else ",\n") + json.dumps(report, ensure_ascii=False))
                first = False

            yield note
            file.write("[]\n" if first else "\n]\n")

    def _say(self, text: str) -> None:
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)
