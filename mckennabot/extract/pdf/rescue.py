"""Other ways to look at a file that qpdf cannot open, or finds no page in, as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

MAX_BYTES = 256 << 20
_OBJECT = re.compile(rb"(?:^|[\r\n ])([0-9]{1,7}) +[0-9]{1,5} +obj\b")


def rescues(path: Path) -> Iterator[bytes]:
    """The file's bytes, changed so that qpdf rebuilds what does not hold.

    First without the cross-reference, for one that is sound in form and wrong in content; then with a
    catalog of our own, for a file that was cut off before its end.
    """
    if path.stat().st_size > MAX_BYTES:
        return
    data = path.read_bytes()
    data = data.replace(b"startxref", b"startxxxx")
    yield data
    if b"/Encrypt" not in data:
        number = max(map(int, _OBJECT.findall(data)), default=0) + 1
        yield data.replace(b"trailer", b"trayler") + (
            b"\n%d 0 obj\n<< /Type /Catalog /Pages %d 0 R >>\nendobj\n"
            b"%d 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n"
            b"trailer\n<< /Root %d 0 R /Size %d >>\n" % (number, number + 1, number + 1, number, number + 2)
        )
