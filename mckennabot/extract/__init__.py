"""Turn a book in PDF or another format into segments of clean paragraphs.

sources     the files to read                          outputs   where everything goes, checked before reading
page        what reading a PDF hands on for each page: glyphs, pictures, rules
pdf/        reads a PDF's pages side by side, each as a `page`
lines/      glyphs -> lines, in the processes that read
steps/      lines -> what each is -> paragraphs and chapters, in the order of `pipeline`
documents/  EPUB, Word, HTML, Markdown, text, captions, tables -> blocks -> the same paragraphs and chapters
books/      what is known about books, whatever file they come in
speakers    who says what in a talk, whatever file it comes in
report, accounts, inspection   what was found and left out: for people, for programs, as pictures
extraction                     the command: each source in turn; library_extraction: many in parallel
scheduler, worker, ledger      books in parallel, on this machine or a cluster; which of them are done
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import compress, islice
from pathlib import Path

from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError, UsageError
from mckennabot.extract.book import Book
from mckennabot.extract.documents import extract_document
from mckennabot.extract.documents.readers import find_reader
from mckennabot.extract.lines.lines import page_lines
from mckennabot.extract.model import Page
from mckennabot.extract.page import Reading
from mckennabot.extract.pdf.ocr import check_text, searchable
from mckennabot.extract.pdf.reader import read_pages
from mckennabot.extract.pipeline import shape
from mckennabot.system.inputs import check_file
from mckennabot.system.processes import Call, Died

SHAPE_SECONDS, SHAPE_SECONDS_PER_PAGE = 20.0, 0.1
"""CPU seconds to put a book together; a page of a book takes three milliseconds."""

__all__ = ["Book", "extract_book"]


def extract_book(
    source: Path,
    settings: ExtractSettings,
    progress: Callable[[int, int], None] | None = None,
    *,
    lines: bool = False,
) -> Book:
    """Turn a book into text.

    Args:
        source: a PDF, or what `mckennabot.extract.documents` reads.
        settings: what to read, and how to cut and clean it.
        progress: called with the number of pages done, and of all.
        lines: whether to return the pages' lines as well, with what they were taken for.

    Raises:
        InputError: the file cannot be read.
        UsageError: pages are asked for where there are none.
    """
    check_file(source)
    if find_reader(source) is not None:
        if settings.pages:
            raise UsageError("--pages counts pages, and only a PDF has them", path=source)
        return extract_document(source, settings)
    with searchable(source, settings) as path:
        reading = read_pages(
            path,
            page_lines,
            password=settings.password,
            span=settings.pages,
            jobs=settings.jobs,
            progress=progress,
        )
    check_text(reading, source)
    book = _shaped(reading, settings, source, lines)
    if not any(paragraph.strip() for segment in book.segments for paragraph in segment):
        raise InputError(
            "no text is left of the document",
            path=source,
            hint="What was taken out comes back with --keep, such as --keep front-matter,footnotes,index.",
        )
    book = _one_voice(book, settings)
    book.report.failed_pages = reading.failed
    book.report.picture_pages = reading.pictures
    return book


def _shaped(reading: Reading[Page], settings: ExtractSettings, source: Path, lines: bool) -> Book:
    """Put the pages together in a process with limits: a hostile layout may take any time."""
    seconds = SHAPE_SECONDS + SHAPE_SECONDS_PER_PAGE * len(reading.pages)
    try:
        book: Book = Call(partial(_shape, reading, settings, lines), seconds).result()
    except Died as died:
        raise InputError(f"the pages cannot be put together: {died}", path=source) from died
    return book


def _shape(reading: Reading[Page], settings: ExtractSettings, lines: bool) -> Book:
    book = shape(reading.pages, reading.outline, settings)
    # Lines are returned only if they are wanted: handing them over takes a tenth of the time.
    return book if lines else replace(book, pages=[])


def _one_voice(book: Book, settings: ExtractSettings) -> Book:
    """Keep one voice of a talk that came as a PDF, as `documents` does with any other."""
    from mckennabot.extract.speakers import part_voices

    chapters = {chapter.title for chapter in book.report.chapters}
    text = [paragraph for segment in book.segments for paragraph in segment]
    voices = part_voices(text, [paragraph in chapters for paragraph in text], settings.speaker)
    kept = iter(zip(voices.texts, voices.kinds, strict=True))
    stays = [kind is None for kind in voices.kinds]
    segments = [
        [said for said, kind in islice(kept, len(segment)) if kind is None] for segment in book.segments
    ]
    for paragraph, kind in zip(text, voices.kinds, strict=True):
        if kind is not None:
            book.report.leave_out(kind, 0, paragraph)
    book.report.notes += voices.said
    return replace(
        book,
        segments=[segment for segment in segments if segment],
        spans=list(compress(book.spans, stays)),
        spots=list(compress(book.spots, stays)),
    )
