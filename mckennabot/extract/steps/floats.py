"""Says which lines of the text a picture or a table parts from the line before.

There the distance of two lines says nothing: a paragraph may run around a picture, as over the end of a page.
"""

from __future__ import annotations

from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Page
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.typography import neighbours

_TALL = 2
"""Type sizes of a picture that interrupts the text; a lower one is a rule or a sign in the line."""


def set_after_float(pages: list[Page], measure: Measure) -> None:
    """Set ``after_float`` of every line."""
    for page in pages:
        for line in page.lines:
            line.after_float = False
        tall = [(x0, y0, x1, y1) for x0, y0, x1, y1 in page.images if y1 - y0 > _TALL * measure.size]
        aside = [line.y for line in page.lines if line.kind in (Kind.CAPTION, Kind.TABLE)]
        for a, b in neighbours(page.lines):
            b.after_float = any(a.y < y < b.y for y in aside) or any(
                a.y - a.size < (y0 + y1) / 2 < b.y and x0 < b.right and x1 > b.left for x0, y0, x1, y1 in tall
            )
