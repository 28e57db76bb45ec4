"""Find pages that are pictures of text, and have OCRmyPDF recognise them."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError
from mckennabot.extract.page import RawPage, Reading

PICTURE_SHARE = 0.5
"""Share of a page that a scan covers."""
FEW_LETTERS = 40
"""Letters that may be typed on a scan, such as the stamp of a library or of the site it came from."""
SCANNED_SHARE = 0.9
"""Share of a book's pages that are scans if it has no text layer; the others are a cover or a notice."""
SCANNED_PAGES = 5
"""Pages from which on that share says anything; a short document may just be pictures with a few words."""
_MOST_SPANS = 6
"""Runs of page numbers to name in an error."""


def count_letters(page: RawPage) -> tuple[int, int]:
    """Count a page's characters other than white space, and its glyphs whose character is unknown."""
    known = sum(1 for glyph in page.glyphs if glyph.text.strip("\0\ufffd").strip())
    return known, sum(1 for glyph in page.glyphs if not glyph.text)


def is_picture(page: RawPage, letters: int) -> bool:
    """Return whether a page is a picture with hardly any text, given how many letters it has."""
    area = page.width * page.height * PICTURE_SHARE
    return letters < FEW_LETTERS and any((x1 - x0) * (y1 - y0) >= area for x0, y0, x1, y1 in page.images)


def check_text(reading: Reading[Any], source: Path) -> None:
    """Refuse a document without text to work with.

    Raises:
        InputError: there is none, or nothing but marks on scanned pages; the hint says how to recognise it.
    """
    pages = len(reading.pages)
    scanned = pages >= SCANNED_PAGES and len(reading.pictures) >= SCANNED_SHARE * pages
    if reading.letters and not scanned:
        return
    if not pages:
        number, reason = next(iter(reading.failed.items()))
        raise InputError(f"no page of the PDF can be read; page {number}: {reason}", path=source)
    # OCRmyPDF skips pages with text, and text of unknown characters is text to it.
    command = "ocrmypdf --force-ocr" if reading.unknown else "ocrmypdf"
    hint = f"Recognise it first: {command} {shlex.quote(source.name)} ocr.pdf, or add --ocr here."
    if reading.unknown and not scanned:
        raise InputError("no text: its fonts do not say which characters they show", path=source, hint=hint)
    which = (
        "page 1" if pages == 1 else f"pages {_spans(reading.pictures)}" if reading.pictures else "any page"
    )
    what = f"no text layer: {which} scanned" if reading.pictures else f"no text on {which}"
    raise InputError(what, path=source, hint=hint)


def _spans(numbers: list[int]) -> str:
    """Format the first few runs of page numbers: ``1-9, 12, …``."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    shown = [f"{first}-{last}" if last > first else str(first) for first, last in spans]
    return ", ".join(shown if len(shown) <= _MOST_SPANS else [*shown[:_MOST_SPANS], "…"])


@contextlib.contextmanager
def searchable(source: Path, settings: ExtractSettings) -> Iterator[Path]:
    """Yield the document to read: the source, or with ``--ocr`` a temporary copy with its scans recognised.

    Raises:
        InputError: ocrmypdf is not installed, or fails.
    """
    if not settings.ocr:
        yield source
        return
    program = shutil.which("ocrmypdf")
    if program is None:
        raise InputError(
            "--ocr needs ocrmypdf, which is not installed",
            path=source,
            hint="See https://ocrmypdf.readthedocs.io; on Debian: apt install ocrmypdf",
        )
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "ocr.pdf"
        done = subprocess.run(
            [program, "--skip-text", "--quiet", "--", source.absolute(), target],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode or not target.exists():
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise InputError(f"ocrmypdf failed: {said[-1] if said else done.returncode}", path=source)
        yield target
