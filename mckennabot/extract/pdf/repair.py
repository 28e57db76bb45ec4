"""Patch a file that qpdf cannot open as it is, or finds no page in."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import BinaryIO

MAX_BYTES = 256 << 20
"""Larger files are not repaired: this works on the whole file in memory."""
_PAGE_BYTES = 4096
"""How far into an object to look for its ``/Type /Page``."""
_OBJECT = re.compile(rb"(?:^|[\r\n ])([0-9]{1,7}) +([0-9]{1,5}) +obj\b")
_STARTXREF = re.compile(rb"(?<=[\r\n])startxref\b")
_TRAILER = re.compile(rb"(?<=[\r\n])trailer\b")
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")


def repairs(file: BinaryIO) -> Iterator[bytes]:
    """Yield the file's bytes, patched in two ways; the second only if the first did not help.

    1. Without its cross-reference table, so that qpdf looks for the objects itself. This helps where the
       table is well formed but wrong.
    2. With a new catalog of everything that looks like a page. This helps where the file was cut off, or
       has lost its page tree. Not done for an encrypted file, whose strings would stay scrambled.
    """
    file.seek(0)
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        return
    data = _STARTXREF.sub(b"startxxxx", data)
    objects = list(_OBJECT.finditer(data))
    last = max((int(found[1]) for found in objects), default=0)
    # qpdf takes an object number for damage if it is large for the size of the file, so the file has to grow.
    data += b"\n" * (4 * last)
    yield data
    if b"/Encrypt" in data:
        return
    pages = []
    for found, following in itertools.pairwise([*objects, None]):
        assert found is not None
        end = min(following.start() if following else len(data), found.end() + _PAGE_BYTES)
        if _PAGE.search(data, found.end(), end):
            pages.append(b"%b %b R" % (found[1], found[2]))
    if pages:
        yield _TRAILER.sub(b"trayler", data) + (
            b"\n%d 0 obj\n<< /Type /Catalog /Pages %d 0 R >>\nendobj\n"
            b"%d 0 obj\n<< /Type /Pages /Kids [%b] /Count %d >>\nendobj\n"
            b"trailer\n<< /Root %d 0 R /Size %d >>\n"
            % (last + 1, last + 2, last + 2, b" ".join(pages), len(pages), last + 1, last + 3)
        )
