"""Steadies the sizes of recognised text over a scan, which follow each line's ink.

A line without descenders comes out smaller, one with a tall bracket larger, than the lines around it.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from mckennabot.extract.model import Line, Page
from mckennabot.extract.typography import SAME_SIZE, SMALL_PRINT

_COVERED = 0.7
"""Share of a page that a scan covers."""
_WOBBLE = 0.3
"""Share by which sizes on one page may differ from its usual one, and mean nothing."""
_MIDDLE = 0.5
"""Share of a type size by which baselines differ at least, or the lines are pieces of one row."""
_USUAL_STEP = 0.1
"""Share by which the distance of two lines differs at most from the page's usual one."""
_UNSTEADY = 0.06
"""Share of the lines next to each other, at the usual distance, that differ in size on a scan."""


def steady_sizes(pages: list[Page]) -> None:
    """Give the lines of a scanned page one size, and those set closer one as much smaller."""
    scanned = [page for page in pages if len(page.lines) > 3 and _is_covered(page)]
    pairs = [pair for page in scanned for pair in _pairs(page)]
    unsteady = sum(abs(a.size - b.size) > 0.5 * SAME_SIZE * a.size for a, b in pairs)
    if not pairs or unsteady < _UNSTEADY * len(pairs):
        return  # text set over a picture
    for page in scanned:
        _steady(page)


def _is_covered(page: Page) -> bool:
    area = _COVERED * page.width * page.height
    return any((x1 - x0) * (y1 - y0) > area for x0, y0, x1, y1 in page.images)


def _pairs(page: Page) -> list[tuple[Line, Line]]:
    """Return lines right below each other at the page's usual distance, set in one font."""
    lines = _level(page)
    below = list(pairwise(lines))
    steps = [b.y - a.y for a, b in below if b.y - a.y > _MIDDLE * a.size]
    usual = median(steps) if steps else 0.0
    return [(a, b) for a, b in below if abs(b.y - a.y - usual) < _USUAL_STEP * usual and a.font == b.font]


def _level(page: Page) -> list[Line]:
    return sorted((line for line in page.lines if not line.angle), key=lambda line: line.y)


def _steady(page: Page) -> None:
    lines = _level(page)
    usual = median(line.size for line in lines)
    ys = [line.y for line in lines]
    steps = [b - a for a, b in pairwise(ys) if b - a > _MIDDLE * usual]
    leading = median(steps) if steps else 0.0
    for at, line in enumerate(lines):
        if abs(line.size - usual) > _WOBBLE * usual:
            continue
        near = [abs(ys[n] - line.y) for n in (at - 1, at + 1) if 0 <= n < len(ys)]
        close = min((step for step in near if step > _MIDDLE * usual), default=leading)
        # Notes and quotations in small print are set closer by as much as they are smaller.
        small = leading and close < SMALL_PRINT * leading
        line.size = round(usual * max(close / leading, 1 - _WOBBLE), 2) if small else usual
