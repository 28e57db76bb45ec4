"""Defines what the reader hands on for each page, before anything is known about its layout."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

# Page space: points, origin at the top left of the page as it is shown (after /Rotate), y downwards.
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 with x0 <= x1 and y0 <= y1."""


class Glyph(NamedTuple):
    """One glyph as it is shown.

    Attributes:
        text: its Unicode text: one character, more for a ligature or an /ActualText span, "" if unknown.
        x0, y0, x1, y1: the box from its origin over its advance, from ascent to descent.
        baseline: y of the baseline; x of it for text that runs vertically.
        size: font size, in points as shown.
        font: the font's name without the subset prefix.
        angle: reading direction, in degrees clockwise from left to right: 0, 90, 180 or 270.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    baseline: float
    size: float
    font: str
    angle: int = 0


@dataclass(frozen=True)
class RawPage:
    """A page's content in the order in which it is drawn.

    Attributes:
        number: position in the document, counted from 1.
        label: the page label that the document gives it, such as ``xii``; None where it gives none.
        width, height: size as shown, in points.
        glyphs: everything that is text and lies on the page, an invisible layer of OCR included.
        images: boxes of pictures.
        rules: boxes of thin horizontal lines, such as stand above footnotes.
        drawings: boxes around lines and curves that stand together.
        outside: all glyphs, with those beside the page, where there are any: a printer's slug, or text that
            a wrong crop box hides.
        cut: whether it holds more than any page of a book does, and the rest was left unread.
    """

    number: int
    label: str | None
    width: float
    height: float
    glyphs: list[Glyph]
    images: list[Box]
    rules: list[Box]
    drawings: list[Box] = field(default_factory=list)
    outside: list[Glyph] = field(default_factory=list)
    cut: bool = False


class OutlineEntry(NamedTuple):
    """A bookmark.

    Attributes:
        level: depth, 1 for the outermost.
        title: its text.
        page: number of the page it leads to, counted from 1.
        y: height on that page, in page space; None where the bookmark names only the page.
    """

    level: int
    title: str
    page: int
    y: float | None


@dataclass(frozen=True)
class Contents:
    """What is known about a document before its pages are read.

    Attributes:
        labels: one for each page, in order; None where the document gives none.
        outline: its bookmarks.
    """

    labels: list[str | None]
    outline: list[OutlineEntry]


@dataclass
class Reading(Generic[T]):
    """What was read of a document.

    Attributes:
        pages: in order, as the transform left them.
        outline: the document's bookmarks.
        failed: pages that could not be read, or not to their end, with the reason.
        pictures: pages that are a picture without text, or nearly.
        letters: characters that are not white space, on all pages.
        unknown: glyphs whose character is not known.
    """

    pages: list[T] = field(default_factory=list)
    outline: list[OutlineEntry] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    pictures: list[int] = field(default_factory=list)
    letters: int = 0
    unknown: int = 0
