"""Defines the sections of a book, and what their headings say that they are."""

from __future__ import annotations

from dataclasses import dataclass

from mckennabot.extract.books.titles import title_kind
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line
from mckennabot.extract.steps.headings import Heading


@dataclass(slots=True)
class Section:
    """A stretch of the flow that begins with a heading, or where the outline or the page says so.

    Attributes:
        place: number of its first line in the flow.
        title: words of the heading, or the outline's where the page has none as text.
        heading: lines of the heading; none where it is a picture.
        kind: of matter, None for the book's own text.
        level: 1 for a chapter, 2 and more for what it is divided into.
        words: up to the next section of its level.
        part: whether the outline has chapters under it.
    """

    place: int
    title: str
    heading: list[Line]
    kind: Kind | None = None
    level: int = 1
    words: int = 0
    part: bool = False


def section_under(heading: Heading, level: int = 1) -> Section:
    """Return the section that a heading begins; its words say of what kind it is."""
    return Section(heading.place, heading.text, heading.lines, title_kind(heading.text), level)
