"""Who wrote a book, by what its file says; "" where it says nothing."""

from __future__ import annotations

import html
import re
import zipfile
from pathlib import Path

MOST_BYTES = 1 << 20
"""Of an EPUB's package file; it is other people's, and may be anything."""
LONGEST = 80
"""Characters of a name."""
_CREATOR = re.compile(rb"<(?:\w+:)?creator\b[^>]*>([^<]{1,500})<", re.IGNORECASE)


def author_of(source: Path) -> str:
    """Return the author named in a PDF's or an EPUB's metadata; a file that is damaged names none."""
    reader = {".pdf": _of_pdf, ".epub": _of_epub}.get(source.suffix.lower())
    return " ".join(reader(source).split())[:LONGEST] if reader else ""


def are_one(author: str, other: str) -> bool:
    """Return whether two names may be one person's: one has the other's family name, or one is not known.

    >>> are_one("Terence McKenna", "McKenna, T."), are_one("Ann Lee", "Ann Radcliffe")
    (True, False)
    """
    one, two = (set(re.findall(r"\w{2,}", name.casefold())) for name in (author, other))
    return not one or not two or _last_name(author) in two or _last_name(other) in one


def _last_name(author: str) -> str:
    """Return the family name, which stands last, or before a comma."""
    names = re.findall(r"\w+", author.partition(",")[0].casefold())
    return names[-1] if names else ""


def _of_pdf(source: Path) -> str:
    import pikepdf

    try:
        with pikepdf.open(source) as document:
            return str(document.docinfo.get("/Author", ""))
    except Exception:  # encrypted, damaged, or metadata that is none: reading the book will say so
        return ""


def _of_epub(source: Path) -> str:
    try:
        with zipfile.ZipFile(source) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".opf"))
            with archive.open(name) as file:
                found = _CREATOR.search(file.read(MOST_BYTES))
    except (
        OSError,
        ValueError,
        StopIteration,
        RuntimeError,
        NotImplementedError,
        EOFError,
        zipfile.BadZipFile,
    ):
        return ""
    return html.unescape(found[1].decode("utf-8", "replace")) if found else ""
