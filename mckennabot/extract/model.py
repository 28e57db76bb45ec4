"""Defines lines and pages, which the steps of the pipeline work on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mckennabot.extract.kinds import Kind
from mckennabot.extract.page import Box


@dataclass(slots=True, eq=False)
class Line:
    """A piece of one line of print, as wide as no gap in it could be a gutter.

    Two lines are equal only if they are the same one. The last group of attributes has no value until
    the step that sets it has run (`mckennabot.extract.pipeline`); reading one too early raises
    AttributeError.

    Attributes:
        text: its words, repaired, without note marks; a soft hyphen may end it.
        x0, x1: left and right edge; a line beside a drop cap begins where the drop cap does.
        y: its baseline.
        size: type size in points.
        font: name of the font of most of it.
        row: lines of a page with the same number stand side by side.
        page: number of its page.
        head: width of the first word.
        space: width of a space between words.
        marks: raised figures and signs, as (index into text, mark).
        initial: the drop cap that belongs before the text.
        angle: reading direction against the rest of the page, in degrees.
        gaps: wide gaps inside it, once pieces of a row have been put together.
        maths: share of its glyphs that are from fonts of mathematical signs.
        kind: what it was taken for.
        why: the step that decided its kind, and its reason; "" while nothing has.
        opens: whether a paragraph begins with it.
        column: 0 for a line across the page, else its column, from 1 on the left.
        left, right: edges of its column.
        after_float: whether a picture or a table stands between it and the line before.
    """

    text: str
    x0: float
    x1: float
    y: float
    size: float
    font: str
    row: int
    page: int
    head: float
    space: float
    marks: tuple[tuple[int, str], ...] = ()
    initial: str = ""
    angle: int = 0
    gaps: int = 0
    maths: float = 0.0
    kind: Kind = Kind.BODY
    why: str = ""
    opens: bool = False
    column: int = field(init=False, repr=False)
    left: float = field(init=False, repr=False)
    right: float = field(init=False, repr=False)
    after_float: bool = field(init=False, repr=False)

    def take_for(self, kind: Kind, why: str) -> None:
        """Decide, or decide anew, what the line is.

        Args:
            kind: what it is taken for.
            why: the step that decides, and its reason: "furniture: counts the pages".
        """
        self.kind, self.why = kind, why


def take_all_for(lines: Iterable[Line], kind: Kind, why: str) -> None:
    """Decide of several lines what they are; the arguments are those of `Line.take_for`."""
    for line in lines:
        line.take_for(kind, why)


@dataclass(slots=True)
class Page:
    """A page as lines, in the space in which most of its text begins on the left.

    Attributes:
        number: position in the document, counted from 1.
        label: its page label, or None.
        width, height: in points, after turning.
        angle: by how much its text was turned to read from left to right, in degrees.
        mirrored: whether it is read from right to left, and its x run that way, too.
        lines: from top to bottom; lines of one row from left to right.
        uncropped: all of its lines, where some lie outside the page as it is shown.
        images, rules: boxes of pictures, and of thin horizontal lines.
        drawings: boxes of diagrams.
        repaired: characters taken apart or dropped.
        unknown: glyphs without a known character.
    """

    number: int
    label: str | None
    width: float
    height: float
    angle: int = 0
    lines: list[Line] = field(default_factory=list)
    images: list[Box] = field(default_factory=list)
    rules: list[Box] = field(default_factory=list)
    repaired: int = 0
    unknown: int = 0
    drawings: list[Box] = field(default_factory=list)
    mirrored: bool = False
    uncropped: list[Line] = field(default_factory=list)

    def body(self) -> list[Line]:
        """Return the lines that are still taken for text, without those that run across the page."""
        return [line for line in self.lines if line.kind == Kind.BODY and not line.angle]
