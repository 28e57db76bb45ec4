"""Other ways to look at a file that qpdf cannot open, or finds no page in, as it is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import BinaryIO

MAX_BYTES = 256 << 20
_OBJECT = re.compile(rb"(?:^|[\r\n ])([0-9]{1,7}) +([0-9]{1,5}) +obj\b")
_STARTXREF = re.compile(rb"(?<=[\r\n])startxref\b")
_TRAILER = re.compile(rb"(?<=[\r\n])trailer\b")
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")


def rescues(file: BinaryIO) -> Iterator[bytes]:
    """The file's bytes, changed so that qpdf rebuilds what does not hold.

    First without the cross-reference, for one that is sound in form and wrong in content; then with a
    catalog of our own, of all that looks like a page, for a file that was cut off or has no tree of pages.
    """
    file.seek(0)
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        return
    data = _STARTXREF.sub(b"startxxxx", data)
    objects = list(_OBJECT.finditer(data))
    last = max((int(found[1]) for found in objects), default=0)
    # qpdf takes an object number for damage that is large beside the size of the file.
    data += b"\n" * (4 * last)
    yield data
    if b"/Encrypt" in data:
        return
    pages = []
    for found, following in itertools.pairwise([*objects, None]):
        assert found is not None
        end = min(following.start() if following else len(data), found.end() + 4096)
        if _PAGE.search(data, found.end(), end):
            pages.append(b"%b %b R" % (found[1], found[2]))
    if pages:
        yield _TRAILER.sub(b"trayler", data) + (
            b"\n%d 0 obj\n<< /Type /Catalog /Pages %d 0 R >>\nendobj\n"
            b"%d 0 obj\n<< /Type /Pages /Kids [%b] /Count %d >>\nendobj\n"
            b"trailer\n<< /Root %d 0 R /Size %d >>\n"
            % (last + 1, last + 2, last + 2, b" ".join(pages), len(pages), last + 1, last + 3)
        )
