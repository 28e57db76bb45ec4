"""Keep a list of the books of a library that are done, so that another run does only the rest."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mckennabot import __version__
from mckennabot.config import LEDGER, ExtractSettings
from mckennabot.errors import InputError, UsageError
from mckennabot.extract.worker import Fingerprint, fingerprint
from mckennabot.system.files import write_error


class Ledger:
    """The books whose texts are in a directory: a file of JSON lines, of which the last about a book counts.

    Lines are only ever appended, so that a kill loses one of them at most.

    Args:
        directory: directory of the texts.
        settings: settings of this run; a book that was read with others is not done.

    Raises:
        UsageError: the ledger cannot be read.
    """

    def __init__(self, directory: Path, settings: ExtractSettings) -> None:
        self._path = directory / LEDGER
        self._how = _how(settings)
        self._entries: dict[str, dict[str, Any]] = {}
        try:
            content = self._path.read_bytes() if self._path.is_file() else b""
        except OSError as error:
            raise UsageError(f"cannot read it ({error.strerror})", path=self._path) from error
        # A killed run may have left half a line, which the next one must not continue.
        self._cut_off = not content.endswith(b"\n") and content != b""
        for line in content.splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                entry = json.loads(line)
                self._entries[entry["source"]] = entry

    def is_done(self, source: Path, target: Path) -> bool:
        """Return whether a book's text exists, made with these settings from these very bytes.

        A file of the same size and time is taken for the same; else its digest decides, so that a copied or
        touched library is not read again.
        """
        entry = self._entries.get(str(source.absolute()))
        if not entry or entry.get("how") != self._how or not target.is_file():
            return False
        try:
            status = source.stat()
            if (entry.get("size"), entry.get("modified")) == (status.st_size, status.st_mtime_ns):
                return True
            return entry.get("size") == status.st_size and entry.get("sha256") == fingerprint(source).sha256
        except (OSError, InputError):
            return False  # reading the book reports what is wrong

    def wrote(self, source: Path, text: bytes) -> bool:
        """Return whether that is the text that was written for a book."""
        entry = self._entries.get(str(source.absolute()), {})
        return entry.get("text") == hashlib.sha256(text).hexdigest()

    def note(self, source: Path, origin: Fingerprint, text: bytes) -> None:
        """Record that a book is done: `text` was written, from a source that was `origin`.

        Raises:
            ResourceError, UsageError: the ledger cannot be written.
        """
        entry = {
            "source": str(source.absolute()),
            **asdict(origin),
            "how": self._how,
            "text": hashlib.sha256(text).hexdigest(),
        }
        line = b"\n" * self._cut_off + json.dumps(entry).encode("ascii") + b"\n"
        try:
            with self._path.open("ab") as file:
                file.write(line)
        except OSError as error:
            raise write_error(error, self._path) from error
        self._cut_off = False
        self._entries[entry["source"]] = entry


def _how(settings: ExtractSettings) -> str:
    """Return a digest of what a text depends on besides its source: settings and version."""
    fields = {k: sorted(v) if k == "keep" else v for k, v in asdict(settings).items()}
    # These open a book and speed it up, but do not change its text.
    del fields["password"], fields["jobs"]
    return hashlib.sha256(json.dumps([__version__, fields], sort_keys=True).encode()).hexdigest()[:16]
