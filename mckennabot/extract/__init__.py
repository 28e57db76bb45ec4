"""A book in PDF or another format -> segments of clean paragraphs.

page        what the reader hands on for each page: glyphs, pictures, rules
pdf         reads them out of a file
rows, words, lines, unicode   glyphs -> lines of text, page by page, in worker processes
columns, furniture, measure, notes, captions, headings, chapters, matter   what each line is
paragraphs, hyphens           lines -> paragraphs
book        all of that in order: pages of lines -> segments, and a report
html, epub, text, decode, wraps   other formats -> blocks: paragraphs and headings
documents, divisions          blocks -> segments, and a report
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mckennabot.config import ExtractSettings
from mckennabot.extract.book import Book, shape
from mckennabot.extract.documents import READERS, extract_document
from mckennabot.extract.lines import page_lines

__all__ = ["Book", "extract_book"]


def extract_book(
    source: Path, settings: ExtractSettings, progress: Callable[[int, int], None] | None = None
) -> Book:
    """Turn a book into text.

    Args:
        source: a PDF, or what `mckennabot.extract.documents` reads.
        settings: what to read, and how to cut and clean it.
        progress: is told how many pages are done, of how many.

    Raises:
        InputError: the file cannot be read.
    """
    if source.suffix.lower() in READERS:
        return extract_document(source, settings)
    from mckennabot.extract.pdf.document import open_document

    document = open_document(source, settings.password)
    first, last = settings.pages or (1, document.page_count)
    numbers = range(max(1, first), min(last, document.page_count) + 1)
    pages = []
    for page in document.pages(numbers):
        pages.append(page_lines(page))
        if progress:
            progress(len(pages), len(numbers))
    return shape(pages, document.outline(), settings)
