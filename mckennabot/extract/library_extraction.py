"""Extract many books in parallel into one directory, and skip what an earlier run has done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mckennabot.errors import Interrupted, MckennabotError, PasswordNeeded, UsageError
from mckennabot.extract.extraction import Extraction, Request
from mckennabot.system.files import make_directories, write_error
from mckennabot.system.terminal import shown

if TYPE_CHECKING:
    from mckennabot.extract.accounts import Account
    from mckennabot.extract.ledger import Ledger
    from mckennabot.extract.scheduler import Scheduler
    from mckennabot.extract.worker import Extracted

LOCAL = "local"


class LibraryExtraction(Extraction):
    """Extracts books in parallel into a directory, and leaves alone what is done already.

    Args:
        request: what to do.
        scheduler: a Dask scheduler's address, or ``local``.

    Raises:
        UsageError: the output is not a directory.
    """

    def __init__(self, request: Request, scheduler: str = LOCAL) -> None:
        super().__init__(request)
        if request.outputs.directory is None:
            raise UsageError("--scheduler writes into a directory", hint="End -o with a /.")
        self._directory = request.outputs.directory
        self._scheduler = scheduler

    def all(self) -> None:
        """Extract every source that is not done yet.

        Raises:
            InputError: some failed; they are listed.
            ResourceError: the cluster is lost.
            Interrupted: by the user; what is done is kept.
        """
        from mckennabot.extract.accounts import account_list
        from mckennabot.extract.ledger import Ledger
        from mckennabot.extract.scheduler import read_all

        try:
            make_directories(self._directory)
        except OSError as error:
            raise write_error(error, self._directory) from error
        ledger = Ledger(self._directory, self._request.settings)
        texts = self._outputs.texts
        failures: list[MckennabotError] = list(self._outputs.refused.values())
        # Known by source, settings and version, so that a change of any of them does the book again.
        done = {s for s in texts if not self._request.force and ledger.is_done(s, texts[s])}
        to_do = [source for source in texts if source not in done]
        try:
            with (
                self._open_scheduler() as scheduler,
                self._request.reporter.bar(len(to_do), "book") as bar,
                account_list(self._outputs.report, done) as note,
            ):
                for count, (source, result) in enumerate(read_all(to_do, scheduler), 1):
                    try:
                        self._finish(ledger, source, result, note)
                    except MckennabotError as error:
                        failures.append(error)
                    bar.at(count)
        except KeyboardInterrupt as error:
            raise Interrupted(
                "interrupted", hint="What is done is kept; the same command continues."
            ) from error
        if done:
            self._request.reporter.say(f"{len(done)} were done already (--force does them again)")
        self._conclude(failures)

    def _open_scheduler(self) -> Scheduler:
        """Return this machine, or the cluster that the user named."""
        from mckennabot.extract.scheduler import Cluster, Local

        if self._scheduler == LOCAL:
            return Local(self._request.settings, len(self._outputs.sources))
        return Cluster(self._scheduler, self._request.settings)

    def _finish(
        self,
        ledger: Ledger,
        source: Path,
        result: Extracted | MckennabotError,
        note: Callable[[Account], None],
    ) -> None:
        """Write a book's text, enter it into ledger and report, and pass on its warnings.

        Raises:
            MckennabotError: the book failed, or cannot be written.
        """
        from mckennabot.extract.accounts import account, warnings

        if isinstance(result, PasswordNeeded):
            # Nobody can be asked while many books are read.
            result.hint = "Give it with --password."
        if isinstance(result, MckennabotError):
            raise result
        target = self._outputs.texts[source]
        try:
            ours = target.is_file() and ledger.wrote(source, target.read_bytes())
        except OSError as error:
            raise write_error(error, target) from error
        outcome = self._outputs.write(source, result.text, result.places, ours=ours)
        ledger.note(source, result.origin, result.text.encode("utf-8"))
        note(account(source, result.report))
        for warning in warnings(result.report):
            self._request.reporter.warn(f"{shown(source)}: {warning}")
        self._request.reporter.say(f"{shown(source)} -> {outcome} ({result.report.words:,} words)")
