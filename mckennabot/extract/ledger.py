"""Which books of a library are done, kept beside their texts, so that another run does only the rest."""

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
    """The books whose texts lie in a directory; one line for each, the last one counts.

    Args:
        directory: of the texts.
        settings: of this run; a text that was made with others is not done.

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
        self._cut_off = not content.endswith(b"\n") and content != b""  # by a kill
        for line in content.splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                entry = json.loads(line)
                self._entries[entry["source"]] = entry

    def is_done(self, source: Path, target: Path) -> bool:
        """Whether a book's text is there, made in this way from these very bytes."""
        entry = self._entries.get(str(source.absolute()))
        if not entry or entry.get("how") != self._how or not target.is_file():
            return False
        try:
            status = source.stat()
            if (entry.get("size"), entry.get("modified")) == (status.st_size, status.st_mtime_ns):
                return True
            return entry.get("size") == status.st_size and entry.get("sha256") == fingerprint(source).sha256
        except (OSError, InputError):
            return False  # reading it will say what is wrong

    def wrote(self, source: Path, text: bytes) -> bool:
        """Whether that is the text that was written for a book."""
        entry = self._entries.get(str(source.absolute()), {})
        return entry.get("text") == hashlib.sha256(text).hexdigest()

    def note(self, source: Path, origin: Fingerprint, text: bytes) -> None:
        """A book is done: `text` was written, from a source that was `origin`.

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
    """What a text depends on beside its source."""
    fields = {k: sorted(v) if k == "keep" else v for k, v in asdict(settings).items()}
    del fields["password"], fields["jobs"]
    return hashlib.sha256(json.dumps([__version__, fields], sort_keys=True).encode()).hexdigest()[:16]
