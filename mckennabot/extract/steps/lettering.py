"""Finds the letters and figures inside diagrams: points, names of axes, labels of boxes."""

from __future__ import annotations

from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page, take_all_for
from mckennabot.extract.page import Box
from mckennabot.extract.steps.measure import Measure

_ASIDE, _ABOVE = 1.2, 0.6
"""Type sizes by which lettering may stand out of its drawing at the sides, as the figures of an upright axis
do, and above or below it."""
_X_HEIGHT = 0.3
"""Type sizes from the baseline to the middle of small letters, where a line counts as standing."""
_WORDS = 12
"""Words of a line inside a diagram: the figures along an axis; a box around text has longer ones."""
_WIDTH = 0.85
"""Share of the column that such a line takes: letters in a wide diagram."""


def mark_lettering(pages: list[Page], measure: Measure) -> None:
    """Take the lines in a drawing for captions if all are short; a box around text has longer ones."""
    for page in pages:
        body = page.body()
        for box in page.drawings:
            inside = [line for line in body if _is_inside(line, box, measure.size)]
            if all(_is_short(line) for line in inside):
                take_all_for(inside, Kind.CAPTION, "lettering: in a drawing")


def _is_inside(line: Line, box: Box, size: float) -> bool:
    x0, y0, x1, y1 = box
    x, y = 0.5 * (line.x0 + line.x1), line.y - _X_HEIGHT * line.size
    aside, above = _ASIDE * size, _ABOVE * size
    return x0 - aside < x < x1 + aside and y0 - above < y < y1 + above


def _is_short(line: Line) -> bool:
    return len(line.text.split()) <= _WORDS and line.x1 - line.x0 < _WIDTH * (line.right - line.left)
