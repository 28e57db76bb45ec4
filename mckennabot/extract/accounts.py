"""Write the report for programs: a JSON object for one source, a list of them for several."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mckennabot.errors import Interrupted, MckennabotError
from mckennabot.extract.outputs import STDOUT
from mckennabot.extract.report import Report
from mckennabot.system.files import make_directories, replacing, write_atomic, write_error
from mckennabot.system.terminal import write_stdout

Account = dict[str, Any]


def account(source: Path, report: Report) -> Account:
    """Return a source and its report as JSON's types."""
    return {"source": os.fsencode(source).decode("utf-8", "replace"), **asdict(report)}


def write_account(path: Path, content: Account | list[Account]) -> None:
    """Write a report; ``-`` is stdout.

    Raises:
        UsageError, ResourceError: it cannot be written there.
    """
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    if str(path) == STDOUT:
        write_stdout(text)
        return
    _make_room(path)
    write_atomic(Path(os.path.realpath(path)), text)


@contextlib.contextmanager
def account_list(path: Path | None, sources: Iterable[Path]) -> Iterator[Callable[[Account], None]]:
    """Yield a function that adds the account of a source to the report, one per line.

    Accounts in an earlier report at the same place come first, for sources that this run does not do again.
    An interruption, or a lost cluster, leaves a complete report of what was done.

    Args:
        path: the report; None writes none.
        sources: those that are done already.

    Raises:
        UsageError, ResourceError: it cannot be written there.
    """
    if path is None:
        yield lambda account: None
        return
    if str(path) == STDOUT:
        accounts: list[Account] = []
        yield accounts.append
        write_account(path, accounts)
        return
    _make_room(path)
    stopped: BaseException | None = None
    with replacing(Path(os.path.realpath(path))) as temporary, temporary.open("w", encoding="utf-8") as file:
        first = True

        def note(account: Account) -> None:
            nonlocal first
            file.write(("[\n" if first else ",\n") + json.dumps(account, ensure_ascii=False))
            first = False

        done = {os.fsencode(source).decode("utf-8", "replace") for source in sources}
        for earlier in _accounts(path):
            if earlier.get("source") in done:
                note(earlier)
        try:
            yield note
        except (KeyboardInterrupt, Interrupted, MckennabotError) as error:
            stopped = error
        file.write("[]\n" if first else "\n]\n")
    if stopped is not None:
        raise stopped


def _accounts(path: Path) -> list[Account]:
    """Return the accounts in a report of several sources; nothing if it is another file."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    return [entry for entry in content if isinstance(entry, dict)] if isinstance(content, list) else []


def _make_room(path: Path) -> None:
    try:
        make_directories(path.parent)
    except OSError as error:
        raise write_error(error, path) from error


def warnings(report: Report) -> Iterator[str]:
    """Yield what the user has to know about a text, however quiet the run is."""
    if pictures := report.picture_pages:
        yield (
            f"{len(pictures)} of {report.pages} pages are pictures without text, such as page {pictures[0]}; "
            "--ocr has them recognised"
        )
    if report.unknown > report.words // _WORDS_PER_UNKNOWN:
        yield (
            f"{report.unknown:,} characters are lost, since their fonts do not say which they are; "
            "ocrmypdf --force-ocr would read them off the page"
        )
    failed = list(report.failed_pages.items())
    for page, reason in failed[:_MOST_FAILED]:
        yield f"page {page}: {reason}"
    if len(failed) > _MOST_FAILED:
        yield f"{len(failed) - _MOST_FAILED} more pages failed, to page {failed[-1][0]}; --report names them"


_MOST_FAILED = 4
"""Failed pages to name in warnings."""
_WORDS_PER_UNKNOWN = 10
"""Words to each unknown character; with fewer, a reader misses something in every line."""
