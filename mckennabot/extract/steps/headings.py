"""Finds headings: short lines that type, place or number set off from the text under them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from mckennabot.extract.books.titles import describe, is_numbered_chapter
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.typography import LARGER, SMALL_PRINT, is_bold, is_centred, is_wide, same_size

Style = tuple[float, str, bool | None]
"""Size, font, whether centred."""
_SUBDIVISION = re.compile(r"\d+(?:\.\d+)+\.?\s|\d{1,2}\.?\s+[^\W\d_]")
_WORDS = 30
"""Words that a heading has at most."""
_LINES = 6
"""Lines that a heading has at most."""
_CANDIDATE = 2
"""Points of prominence from which on a line could be a heading."""
_MUCH_LARGER = 1.5
"""Times the text's size from which on type alone makes a heading; a lead paragraph is never so large."""
_AS_LARGE = 0.97
"""Share of the text's size from which on a line under a heading may belong to it; an epigraph is smaller."""
_NO_LARGER = 0.95
"""Headings down to this share of another's size stand on its level: small capitals, a substituted font."""
_FREE_ABOVE = 1.4
"""Leadings above a line that stands free."""
_FREE_BELOW = 1.25
"""Leadings below a heading, at least, where its type does not set it off: a run-in heading has none."""
_NEXT_LINE = 4
"""Type sizes to the heading's next line at most; title pages are set wide."""
_SHORT = 0.1
"""Share of the column that a short line leaves free at its end."""
_NAME_WORDS = 15
"""Words of a line of which its first words make a heading: "Chapter 3"; longer ones are sentences."""
_CAPITALS = 2
"""Letters that a line in capitals has more than; "I" and "OK" are words of the text."""
_SAME_START, _SAME_BLOCK = 0.05, 1.6
"""Type sizes between the starts, and between the baselines, of lines of one block."""


@dataclass(slots=True)
class Heading:
    """Consecutive lines that head what follows.

    Attributes:
        lines: from top to bottom.
        place: number of its first line in the flow.
        size: of its largest line.
        font: of its largest line.
        bold: whether that is bold where the text is not.
        centred: whether it stands in the middle; None where it is too wide to tell.
        on_top: whether nothing of the text stands above it on its page.
        words: of text up to the next heading of its size or a larger one.
        counted: the number that it bears, if any.
        kind: chapter, part, named (a preface or the like) or "" by what its words say.
    """

    lines: list[Line]
    place: int
    size: float
    font: str
    bold: bool
    centred: bool | None
    on_top: bool
    words: int = 0
    counted: int | None = None
    kind: str = ""

    @property
    def text(self) -> str:
        """Its words on one line."""
        return " ".join(line.initial + line.text for line in self.lines)

    @property
    def page(self) -> int:
        """Number of its page."""
        return self.lines[0].page

    @property
    def style(self) -> Style:
        """Return what headings of one level share."""
        return round(self.size * 2) / 2, self.font, self.centred


def find_headings(flow: Sequence[Line], measure: Measure) -> list[Heading]:
    """Return the headings in the flow, in order; nothing is decided yet about their levels."""
    headings: list[Heading] = []
    at = 0
    while at < len(flow):
        end = at
        while end < len(flow) and end - at < _LINES and _goes_on(flow, at, end, measure):
            end += 1
        while end > at and not _could_end(flow, at, end, measure):
            end -= 1
        if end > at:
            headings.append(_heading(flow, at, end, measure))
            at = end
        else:
            at += 1
    before = [0, *accumulate(len(line.text.split()) for line in flow)]
    larger: list[Heading] = []  # of those that follow, the next one and in turn the next larger ones
    for heading in reversed(headings):
        while larger and larger[-1].size <= _NO_LARGER * heading.size:
            larger.pop()
        stop = larger[-1].place if larger else len(flow)
        heading.words = before[stop] - before[heading.place + len(heading.lines)]
        larger.append(heading)
    return headings


def _goes_on(flow: Sequence[Line], start: int, at: int, measure: Measure) -> bool:
    """Return whether a line may belong to the heading that begins at ``start``."""
    line = flow[at]
    if line.kind != Kind.BODY or line.angle or line.initial or not any(c.isalnum() for c in line.text):
        return False
    if at == start:
        return _prominence(flow, at, measure) >= _CANDIDATE
    above = flow[at - 1]
    if above.page != line.page or above.column != line.column:
        return False
    if not 0 < line.y - above.y < _NEXT_LINE * max(above.size, line.size):
        return False
    if _begins_another(flow[start], above, line):
        return False
    if (line.size, line.font) == (above.size, above.font) and (
        is_wide(line) or is_wide(above) or is_centred(line) == is_centred(above)
    ):
        return True
    return _prominence(flow, at, measure) >= _CANDIDATE and line.size > _AS_LARGE * measure.size


def _begins_another(first: Line, above: Line, line: Line) -> bool:
    """Return whether a line close under a heading is another one: numbered, or set otherwise."""
    if is_numbered_chapter(line.text) and describe(first.text)[0] in ("", "named", "part"):
        return True  # under the title of the book, which may be an Introduction to something, or of a part
    numbered = bool(_SUBDIVISION.match(line.text))
    if (line.size, line.font) == (above.size, above.font):
        return numbered and bool(_SUBDIVISION.match(first.text))
    moved = is_centred(line) != is_centred(above)
    return numbered or (moved and not is_wide(line) and not is_wide(above))


def _could_end(flow: Sequence[Line], start: int, end: int, measure: Measure) -> bool:
    """Return whether what follows stands apart from a heading that ends here."""
    lines = flow[start:end]
    if sum(len(line.text.split()) for line in lines) > _WORDS:
        return False
    if end == len(flow):
        return True
    last, after = lines[-1], flow[end]
    if after.page != last.page or after.column != last.column or after.y < last.y:
        return True
    apart = after.y - last.y > _FREE_BELOW * measure.line_distance(measure.size)
    return apart or not same_size(after.size, last.size) or is_bold(after.font) != is_bold(last.font)


def _prominence(flow: Sequence[Line], at: int, measure: Measure) -> int:
    """Count what sets a line off from the text, in points.

    Size can do it alone, for two points make a candidate. Weight, capitals, place and words each need another
    sign with them, since books have bold words, centred lines and sentences like "Part of it was true" in
    their text, too.
    """
    line = flow[at]
    above = flow[at - 1] if at else None
    if above is not None and (above.page, above.column) == (line.page, line.column) and above.y < line.y:
        on_top, free = False, line.y - above.y > _FREE_ABOVE * measure.line_distance(measure.size)
    else:
        on_top, free = True, True
    short = line.right - line.x1 > _SHORT * (line.right - line.left)
    centred = is_centred(line) and not _is_in_block(flow, at)
    another_font = line.font != measure.font
    bold = is_bold(line.font)
    points = 0
    if line.size > _MUCH_LARGER * measure.size:
        points += 3
    elif line.size > LARGER * measure.size:
        points += 2
    elif line.size < SMALL_PRINT * measure.size:
        points -= 2  # an epigraph or a caption may be bold, centred and on top
    # Many paragraphs begin with bold words; a bold line that stands free is as good as a larger one.
    if bold and not is_bold(measure.font):
        points += 1 + (another_font and free)
    letters = [c for c in line.text if c.isalpha()]
    if len(letters) > _CAPITALS and all(c.isupper() for c in letters) and short and free:
        points += 1
    # A short centred line in small capitals or italics needs no size: many old books have such titles.
    if centred and free:
        points += 1 + (another_font and not bold and short)
    # "Chapter 3", "IV", "Preface": words make a title only of a line that is one.
    kind, counted = describe(line.text) if short and free else ("", None)
    named = bool(kind) and (counted is not None or kind == "named")
    if named and len(line.text.split()) < _NAME_WORDS:
        points += 1
    # Every page has a line on its top, so the place counts only with what a title looks like.
    if on_top and (centred or (named and kind != "named")):
        points += 1
    return points


def _is_in_block(flow: Sequence[Line], at: int) -> bool:
    """Return whether a line like it right above or below begins where it does: centred ones do not."""
    line = flow[at]
    return any(
        (other.page, other.column, other.size, other.font) == (line.page, line.column, line.size, line.font)
        and abs(other.x0 - line.x0) < _SAME_START * line.size
        and abs(other.y - line.y) < _SAME_BLOCK * line.size
        for other in flow[max(0, at - 1) : at + 2]
        if other is not line
    )


def _heading(flow: Sequence[Line], start: int, end: int, measure: Measure) -> Heading:
    lines = list(flow[start:end])
    largest = max(lines, key=lambda line: line.size)
    narrowest = min(lines, key=lambda line: line.x1 - line.x0)
    above = flow[start - 1] if start else None
    kind, counted = describe(lines[0].text)
    return Heading(
        lines,
        start,
        largest.size,
        largest.font,
        is_bold(largest.font) and not is_bold(measure.font),
        None if is_wide(narrowest) else is_centred(narrowest),
        above is None or above.page != lines[0].page,
        counted=counted,
        kind=kind,
    )
