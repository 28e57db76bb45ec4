"""Holds a book as text, whatever file it came in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mckennabot import corpus, places
from mckennabot.errors import UsageError
from mckennabot.extract.model import Page
from mckennabot.extract.report import Chapter, Report
from mckennabot.places import Spot
from mckennabot.system.files import make_directories, write_atomic, write_error


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of a book's text.

    Attributes:
        text: on one line; the lines of verse are lines.
        segment: number of the segment that it belongs to, from 0.
        pages: the first and the last page that it stands on; None of a book without pages.
    """

    text: str
    segment: int
    pages: tuple[int, int] | None


@dataclass(frozen=True)
class Book:
    """A book as text.

    Attributes:
        segments: paragraphs of each segment; a chapter's heading is the first of its segment.
        report: what was found, removed and repaired.
        pages: the lines of each page, with the kinds that they were taken for, where they were asked for.
        spans: the first and the last page of each paragraph, in order; none of a book without pages.
        spots: where each paragraph begins: page, printed number, chapter; none where nothing is known.
        source: the file that it was read from, where it was one.
    """

    segments: list[list[str]]
    report: Report
    pages: list[Page]
    spans: list[tuple[int, int]] = field(default_factory=list)
    spots: list[Spot] = field(default_factory=list)
    source: Path | None = None

    @property
    def text(self) -> str:
        """Return the corpus file's content: a paragraph per line, ``<|endoftext|>`` between segments."""
        return corpus.render(self.segments)

    @property
    def places(self) -> str:
        """Return the content of the file of places beside the corpus file; empty where nothing is known."""
        return places.render(self.segments, self.spots) if self.spots else ""

    @property
    def chapters(self) -> list[Chapter]:
        """Return the chapters as they were found: title, pages, words and paragraphs of each."""
        return self.report.chapters

    @property
    def paragraphs(self) -> list[Paragraph]:
        """Return all paragraphs in order, headings included, with the pages that they stand on."""
        flat = [(number, text) for number, texts in enumerate(self.segments) for text in texts]
        spans: list[tuple[int, int] | None] = [*self.spans] or [None] * len(flat)
        return [Paragraph(text, number, span) for (number, text), span in zip(flat, spans, strict=True)]

    def save(self, path: str | Path) -> Path:
        """Write the text as a corpus file, in place of what is there; directories are made.

        A file beside it says where each paragraph stood (`mckennabot.places`).

        Args:
            path: the file.

        Returns:
            The same path.

        Raises:
            UsageError: it is the book's own file, or nothing can be written there.
            ResourceError: no room.
        """
        path = Path(path).expanduser()
        try:
            if self.source is not None and path.exists() and path.samefile(self.source):
                raise UsageError("the output is the source", path=path, hint="Save under another name.")
            make_directories(path.parent)
        except OSError as error:
            raise write_error(error, path) from error
        write_atomic(path, self.text)
        places.save(path, self.places)
        return path

    def __repr__(self) -> str:
        return f"<Book of {self.report.words:,} words in {len(self.segments)} segments>"
