"""Pages that are pictures of text rather than text, and having them recognised."""

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

PICTURE_SHARE = 0.5  # of a page that a scan covers
FEW_LETTERS = 40  # such as a stamp, or a library's mark
SCANNED_SHARE = 0.9  # of a book's pages
SCANNED_PAGES = 5


def letters(page: RawPage) -> tuple[int, int]:
    """How many characters a page has that are not white space, and glyphs whose character is unknown."""
    known = sum(1 for glyph in page.glyphs if glyph.text.strip("\0\ufffd").strip())
    return known, sum(1 for glyph in page.glyphs if not glyph.text)


def is_picture(page: RawPage, letters: int) -> bool:
    """Whether a page is a picture with hardly any text."""
    area = page.width * page.height * PICTURE_SHARE
    return letters < FEW_LETTERS and any((x1 - x0) * (y1 - y0) >= area for x0, y0, x1, y1 in page.images)


def check_text(reading: Reading[Any], source: Path) -> None:
    """Make sure that a document has text to work with.

    Raises:
        InputError: it has none, or nothing but marks on scanned pages.
    """
    pages = len(reading.pages)
    scanned = pages >= SCANNED_PAGES and len(reading.pictures) >= SCANNED_SHARE * pages
    if reading.letters and not scanned:
        return
    if not pages:
        number, reason = next(iter(reading.failed.items()))
        raise InputError(f"no page of the PDF can be read; page {number}: {reason}", path=source)
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
    """The first few runs of page numbers: ``1-9, 12, …``."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    shown = [f"{first}-{last}" if last > first else str(first) for first, last in spans]
    return ", ".join(shown[:6] + ["…"][: len(shown) - 6 if len(shown) > 6 else 0])


@contextlib.contextmanager
def searchable(source: Path, settings: ExtractSettings) -> Iterator[Path]:
    """The document to read: the source, or with ``--ocr`` a temporary copy with its scans recognised.

    Raises:
        InputError: ocrmypdf is not there, or fails.
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
