"""Tells the lines of a stanza from those of a quotation or of ordinary text.

A poem's lines end where the poet ended them: the next word would have had room, and the next line begins
with a capital, if the poem's lines do. Prose set off in a quotation has one short line in four or five, and
begins its lines with capitals by chance.
"""

from __future__ import annotations

from itertools import pairwise

from mckennabot.extract.model import Line
from mckennabot.extract.steps.edges import end_edge
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.typography import FLUSH, SLACK, ends_short, is_item

# Shares are of a run's lines, or of all its lines but the last.

_SHORT = 0.8
"""Share of short lines that makes a stanza of any run; one line may fill the column."""
_FLUSH = 0.6
"""Share of the lines that end at one edge in a justified quotation, which is never verse."""
_CAPITALS, _CAPITALS_SHORT = 0.75, 0.5
"""Shares of lines with a capital, and of short ones, in verse set off from the text; long lines that are
broken continue in small letters."""
_ALL_CAPITALS_SHORT, _FEW = 0.25, 3
"""Share of short lines if every line begins with a capital: that alone is chance in so few lines only."""
_COUPLET_WIDTH = 0.6
"""Share of the column that the first of two lines fills at most, to be verse in a book without indents."""
_PROSE_SHORT, _PROSE_SMALL = 0.3, 0.5
"""In a book of verse: shares of short lines, at most, and of small letters at lines' heads in prose."""
_EDGE_LINES = 4
"""Lines whose ends may agree by chance."""


def is_verse(lines: list[Line], short: list[bool], inset: bool, measure: Measure) -> bool:
    """Return whether the lines of a run are lines of verse, and have to stay lines.

    Args:
        lines: of the run.
        short: of each line but the last, whether the next word would have had room on it.
        inset: whether the run stands off its column's edge.
        measure: what is usual in the book.
    """
    if len(lines) < 2:
        return False
    if all(line.gaps for line in lines):
        return True  # rows of a table that is kept: joined, its cells would be one sentence
    if measure.verse:
        return not _is_prose(lines, short)
    if any(map(is_item, lines)):
        return False
    if inset:
        return _is_set_off(lines, short)
    if measure.by_indent:
        # A novel's paragraphs have indents, so lines without any that all end short are a poem's.
        flush = [line.x0 - lines[0].left < SLACK * line.size for line in lines]
        return len(lines) > 2 and all(flush) and all(short)
    first = lines[0]
    if len(lines) == 2 and first.x1 > first.left + _COUPLET_WIDTH * (first.right - first.left):
        return False  # a paragraph of two lines
    return _are_mostly_short(short)


def _is_set_off(lines: list[Line], short: list[bool]) -> bool:
    """Return whether lines that stand in from the edge are verse and no quotation in prose."""
    if _is_justified(lines):
        return False
    room = sum(ends_short(a, b) for a, b in pairwise(lines)) / len(short)
    capitals = sum(map(_begins_with_capital, lines))
    if len(lines) >= _FEW and capitals == len(lines):
        return room >= (_CAPITALS_SHORT if len(lines) == _FEW else _ALL_CAPITALS_SHORT)
    if len(lines) > _FEW and capitals >= _CAPITALS * len(lines) and room >= _CAPITALS_SHORT:
        return True
    return _are_mostly_short(short)


def _are_mostly_short(short: list[bool]) -> bool:
    return sum(short) >= _SHORT * len(short)


def _is_prose(lines: list[Line], short: list[bool]) -> bool:
    """Return whether lines in a book of verse are a preface: full, and begun in small letters."""
    small = sum(not _begins_with_capital(line) for line in lines[1:])
    return len(lines) > 3 and sum(short) < _PROSE_SHORT * len(short) and small > _PROSE_SMALL * len(lines)


def _is_justified(lines: list[Line]) -> bool:
    edge = end_edge(lines) if len(lines) > _EDGE_LINES else max(line.x1 for line in lines)
    flush = sum(abs(edge - line.x1) < FLUSH * line.size for line in lines)
    return flush >= max(2, _FLUSH * len(lines))


def _begins_with_capital(line: Line) -> bool:
    return next((c.isupper() for c in line.initial + line.text if c.isalpha()), False)
