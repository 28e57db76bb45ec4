"""Small PDFs for tests, written by hand so that every byte is known."""

from __future__ import annotations

from collections.abc import Sequence

HELVETICA = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def pdf(objects: dict[int, str | bytes], root: int = 1, trailer: str = "") -> bytes:
    """A file of the given objects with a cross-reference table.

    Args:
        objects: number -> what stands between ``obj`` and ``endobj``.
        root: number of the catalog.
        trailer: more entries of the trailer's dictionary.
    """
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = {}
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n" % number + _bytes(body) + b"\nendobj\n"
    start = len(out)
    size = max(objects) + 1
    out += b"xref\n0 %d\n" % size
    for number in range(size):
        out += b"%010d 00000 n \n" % offsets[number] if number in offsets else b"0000000000 65535 f \n"
    out += f"trailer\n<< /Size {size} /Root {root} 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode(
        "latin-1"
    )
    return bytes(out)


def stream(data: str | bytes, entries: str = "") -> bytes:
    """A stream object's body."""
    data = _bytes(data)
    return f"<< {entries} /Length {len(data)} >>\nstream\n".encode("latin-1") + data + b"\nendstream"


def book(
    contents: Sequence[str | bytes],
    *,
    font: str | bytes = HELVETICA,
    page: str = "",
    catalog: str = "",
    more: dict[int, str | bytes] | None = None,
) -> bytes:
    """A document with one page per content stream; font /F1 is object 3, objects from 1000 on are free.

    Args:
        contents: each page's operators.
        font: the font's dictionary.
        page: more entries of every page's dictionary.
        catalog: more entries of the catalog.
        more: further objects.
    """
    first = 10
    kids = " ".join(f"{first + 2 * i} 0 R" for i in range(len(contents)))
    resources = "" if "/Resources" in page else "/Resources << /Font << /F1 3 0 R >> >>"
    size = "" if "/MediaBox" in page else "/MediaBox [0 0 400 600]"
    objects: dict[int, str | bytes] = {
        1: f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>",
        3: font,
    }
    for i, content in enumerate(contents):
        number = first + 2 * i
        objects[number] = (
            f"<< /Type /Page /Parent 2 0 R {size} {resources} /Contents {number + 1} 0 R {page} >>"
        )
        objects[number + 1] = stream(content)
    return pdf({**objects, **(more or {})})


def line(text: str, x: float = 50, y: float = 500, size: float = 12) -> str:
    """The operators that show a line of text."""
    escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return f"BT /F1 {size} Tf {x} {y} Td ({escaped}) Tj ET\n"


def _bytes(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text
