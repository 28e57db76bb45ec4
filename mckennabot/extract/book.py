"""A book as text, whatever file it came in."""

from __future__ import annotations

from dataclasses import dataclass

from mckennabot.extract.model import Page
from mckennabot.extract.report import Report


@dataclass(frozen=True)
class Book:
    """A book as text.

    Attributes:
        segments: paragraphs of each segment; a chapter's heading is the first of its segment.
        report: what was found, removed and repaired.
        pages: the lines of each page, with the kinds that they were taken for; none of a book without pages.
    """

    segments: list[list[str]]
    report: Report
    pages: list[Page]
