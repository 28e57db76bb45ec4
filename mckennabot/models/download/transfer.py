"""Fetches one file over HTTP: continues a broken transfer, retries with patience, checks length and MD5.

While `FILE` is under way, `FILE.part` holds its beginning and `FILE.json` what the server said of it, so
that a later attempt, after a kill too, can ask for the rest of the very same file.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mckennabot.models.download.connection import BrokenError, Connection, FetchError, body
from mckennabot.system.files import sync, write_atomic

if TYPE_CHECKING:
    import requests

_TRIES = 6
_LONGEST_WAIT = 120.0
"""Seconds that a server may ask to wait before the fetch is given up."""
_PROGRESS = 64 * 1024
"""Bytes gained after which the count of tries starts again."""


@dataclass(frozen=True)
class Origin:
    """A file as the server's headers describe it.

    Attributes:
        length: bytes; None where it did not say.
        validator: what If-Range takes: a strong ETag or a date; None where there is neither.
        md5: of the whole file, base64; None where it did not say.
    """

    length: int | None
    validator: str | None
    md5: str | None

    @classmethod
    def of(cls, response: requests.Response) -> Origin:
        """Read the headers of a response that carries the whole file."""
        headers = response.headers
        length, etag = headers.get("content-length", ""), headers.get("etag", "")
        return cls(
            length=int(length) if length.isdecimal() else None,
            validator=etag if etag.startswith('"') else headers.get("last-modified"),
            md5=headers.get("content-md5"),
        )


class Transfer:
    """Brings one file to this disk.

    Args:
        connection: to the server.
        url: the file's address.
        target: where it goes once it is whole.
        at: called with the number of bytes that are here, whenever it changes.
        expect: called with the whole length, where the server says it, before anything is written; may raise.
        notice: called with a sentence about a failed try that will be followed by another.
    """

    def __init__(
        self,
        connection: Connection,
        url: str,
        target: Path,
        *,
        at: Callable[[int], None],
        expect: Callable[[int | None], None],
        notice: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._url = url
        self._target = target
        self._part = target.with_name(f"{target.name}.part")
        self._origin_file = target.with_name(f"{target.name}.json")
        self._at, self._expect, self._notice = at, expect, notice

    def run(self) -> None:
        """Fetch what is missing.

        Raises:
            FetchError: it cannot be had; what has come is kept for the next time.
            OSError: it cannot be written.
        """
        failures, longest = 0, self._here()
        while True:
            try:
                self._attempt()
                break
            except BrokenError as error:
                failures += 1
                if self._here() >= longest + _PROGRESS:
                    failures, longest = 1, self._here()
                if not self._connection.reached or failures == _TRIES:
                    raise
                self._wait(error, 2.0 ** (failures - 2))
        self._finish()

    def _wait(self, error: BrokenError, seconds: float) -> None:
        # Random, so that many who were cut off together do not come back together.
        seconds = seconds * random.uniform(0.5, 1.0) if error.wait is None else error.wait
        if seconds > _LONGEST_WAIT:
            raise FetchError(f"{error}, and asks to come back in {seconds / 60:.0f} minutes") from error
        self._notice(f"{error}; trying again in {seconds:.1f} s")
        time.sleep(seconds)

    def _attempt(self) -> None:
        origin = self._origin()
        here = self._here() if origin is not None else 0
        if origin is not None and here and here == origin.length:
            return
        rest = {}
        if origin is not None and here and origin.validator is not None:
            rest = {"Range": f"bytes={here}-", "If-Range": origin.validator}
        with self._connection.get(self._url, rest) as response:
            if origin is not None and rest and _continues(response, here, origin):
                pass
            elif response.status_code == 200:
                here, origin = 0, Origin.of(response)
                self.forget()
                write_atomic(self._origin_file, json.dumps(asdict(origin)))
            else:
                self.forget()
                raise BrokenError("the server's file has changed, or is shorter than it says")
            self._expect(origin.length)
            self._at(here)
            with self._part.open("ab") as file:
                for piece in body(response):
                    file.write(piece)
                    here += len(piece)
                    self._at(here)
        if origin.length is not None and here < origin.length:
            raise BrokenError(f"the server sent {here} of {origin.length} bytes")
        if origin.length is not None and here > origin.length:
            self.forget()
            raise BrokenError("the server sent more than the file holds")

    def _finish(self) -> None:
        if _is_page(self._part):
            self.forget()
            raise FetchError(f"the server sent a web page instead of {self._target.name}")
        origin = self._origin()
        if origin is not None and origin.md5 is not None and not _has_md5(self._part, origin.md5):
            self.forget()
            raise FetchError(f"{self._target.name} was damaged on the way (its MD5 differs)")
        sync(self._part)
        self._part.replace(self._target)
        self._origin_file.unlink()

    def forget(self) -> None:
        """Remove what has been fetched so far."""
        self._part.unlink(missing_ok=True)
        self._origin_file.unlink(missing_ok=True)

    def _here(self) -> int:
        try:
            return self._part.stat().st_size
        except FileNotFoundError:
            return 0

    def _origin(self) -> Origin | None:
        with contextlib.suppress(OSError, ValueError, TypeError):
            return Origin(**json.loads(self._origin_file.read_text(encoding="utf-8")))
        return None


def _continues(response: requests.Response, here: int, origin: Origin) -> bool:
    """Return whether a response is the rest, from byte `here`, of the file that `origin` describes."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("content-range", ""))
    if response.status_code != 206 or match is None or int(match[1]) != here:
        return False
    etag = response.headers.get("etag", "")
    changed = etag.startswith('"') and (origin.validator or "").startswith('"') and etag != origin.validator
    return not changed and (origin.length is None or match[2] in ("*", str(origin.length)))


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(256).lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))


def _has_md5(path: Path, expected: str) -> bool:
    try:
        wanted = base64.b64decode(expected, validate=True)
    except binascii.Error:
        return True  # not an MD5 at all: nothing to compare with
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.digest() == wanted
