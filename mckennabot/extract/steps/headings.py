"""Headings: short lines that type, place or number set off from the text they stand over."""

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
        """What headings of one level share."""
        return round(self.size * 2) / 2, self.font, self.centred


def find_headings(flow: Sequence[Line], measure: Measure) -> list[Heading]:
    """The headings in the flow, in order; nothing is decided yet about their levels."""
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
        while larger and larger[-1].size <= 0.95 * heading.size:
            larger.pop()
        stop = larger[-1].place if larger else len(flow)
        heading.words = before[stop] - before[heading.place + len(heading.lines)]
        larger.append(heading)
    return headings


def _goes_on(flow: Sequence[Line], start: int, at: int, measure: Measure) -> bool:
    """Whether a line may belong to the heading that begins at ``start``."""
    line = flow[at]
    if line.kind != Kind.BODY or line.angle or line.initial or not any(c.isalnum() for c in line.text):
        return False
    if at == start:
        return _prominence(flow, at, measure) >= 2
    above = flow[at - 1]
    if above.page != line.page or above.column != line.column:
        return False
    if not 0 < line.y - above.y < 4 * max(above.size, line.size):
        return False
    if _begins_another(flow[start], above, line):
        return False
    if (line.size, line.font) == (above.size, above.font) and (
        is_wide(line) or is_wide(above) or is_centred(line) == is_centred(above)
    ):
        return True
    return _prominence(flow, at, measure) >= 2 and line.size > 0.97 * measure.size


def _begins_another(first: Line, above: Line, line: Line) -> bool:
    """Whether a line close under a heading is another one: numbered, or set otherwise at another edge."""
    if is_numbered_chapter(line.text) and describe(first.text)[0] in ("", "named", "part"):
        return True  # under the title of the book, which may be an Introduction to something, or of a part
    numbered = bool(_SUBDIVISION.match(line.text))
    if (line.size, line.font) == (above.size, above.font):
        return numbered and bool(_SUBDIVISION.match(first.text))
    moved = is_centred(line) != is_centred(above)
    return numbered or (moved and not is_wide(line) and not is_wide(above))


def _could_end(flow: Sequence[Line], start: int, end: int, measure: Measure) -> bool:
    """Whether what follows stands apart from a heading that ends here."""
    lines = flow[start:end]
    if sum(len(line.text.split()) for line in lines) > _WORDS:
        return False
    if end == len(flow):
        return True
    last, after = lines[-1], flow[end]
    if after.page != last.page or after.column != last.column or after.y < last.y:
        return True
    apart = after.y - last.y > 1.25 * measure.line_distance(measure.size)
    return apart or not same_size(after.size, last.size) or is_bold(after.font) != is_bold(last.font)


def _prominence(flow: Sequence[Line], at: int, measure: Measure) -> int:
    """How much sets a line off from the text: 2 and more could be a heading."""
    line = flow[at]
    above = flow[at - 1] if at else None
    same_page = (
        above is not None and above.page == line.page and above.column == line.column and above.y < line.y
    )
    usual = measure.line_distance(measure.size)
    free_above = not same_page or line.y - above.y > 1.4 * usual  # type: ignore[union-attr]
    centred = is_centred(line) and not _is_in_block(flow, at)
    short = line.right - line.x1 > 0.1 * (line.right - line.left)
    points = 0
    if line.size > 1.5 * measure.size:
        points += 3
    elif line.size > LARGER * measure.size:
        points += 2
    if line.size < SMALL_PRINT * measure.size:
        points -= 2
    if is_bold(line.font) and not is_bold(measure.font):
        points += 1 + (line.font != measure.font and free_above)
    letters = [c for c in line.text if c.isalpha()]
    if len(letters) > 2 and all(c.isupper() for c in letters) and short and free_above:
        points += 1
    if centred and free_above:
        points += 1 + (line.font != measure.font and not is_bold(line.font) and short)
    # Only a short line that stands free can be made a heading by its words.
    kind, counted = describe(line.text) if short and free_above else ("", None)
    names = bool(kind) and (counted is not None or kind == "named")
    if names and free_above and short and len(line.text.split()) < 15:
        points += 1
    if not same_page and (centred or (names and kind != "named" and short)):
        points += 1
    return points


def _is_in_block(flow: Sequence[Line], at: int) -> bool:
    """Whether a line like it, right above or below, begins just where it does: in the middle they do not."""
    line = flow[at]
    return any(
        (other.page, other.column, other.size, other.font) == (line.page, line.column, line.size, line.font)
        and abs(other.x0 - line.x0) < 0.05 * line.size
        and abs(other.y - line.y) < 1.6 * line.size
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
