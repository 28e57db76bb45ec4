"""Makes a book's pages of sheets of paper: takes in what a crop box hides, parts two pages side by side."""

from __future__ import annotations

from dataclasses import replace

from mckennabot.extract.model import Line, Page
from mckennabot.extract.page import Box, OutlineEntry

_WIDE = 1.15
"""A sheet with two pages is this many times wider than high."""
_STRIP = 0.01
"""Share of the width around the middle that is free between two pages."""
_LINES = 5
"""Lines on either side that show two pages of text."""
_MOST = 0.7
"""Share of the sheets with text on both sides whose middle must be free."""


def uncrop(pages: list[Page]) -> None:
    """Take in what lies outside the pages' crop boxes, if that is most of the document's text.

    A printer's file name and the numbers of its lines are never most of a book, though they may be of one
    page; text behind a crop box that was set wrong is.
    """
    shown = sum(len(line.text) for page in pages for line in page.lines)
    whole = sum(len(line.text) for page in pages for line in page.uncropped or page.lines)
    for page in pages:
        if page.uncropped and shown < 0.5 * whole:
            page.lines = page.uncropped
        page.uncropped = []


def split_sheets(pages: list[Page], outline: list[OutlineEntry]) -> tuple[list[Page], list[OutlineEntry]]:
    """Make two pages of each sheet that shows two, as scanned spreads do.

    Returns:
        The pages, and the outline that leads to them. Where sheets are split, the pages of sheet n are
        numbered 2n - 1 and 2n.
    """
    wide = [page for page in pages if page.width > _WIDE * page.height]
    double = [page for page in wide if _sides(page) == 2]
    full = [page for page in wide if len(page.lines) >= 2 * _LINES]
    if len(double) < 2 or len(double) < _MOST * len(full) or 2 * len(wide) < len(pages):
        return pages, outline
    halves: list[Page] = []
    for page in pages:
        first = 2 * page.number - 1
        if page in wide and _sides(page):
            halves += [_half(page, first, False), _half(page, first + 1, True)]
        else:
            halves.append(_numbered(page, first))
    return halves, [entry._replace(page=2 * entry.page - 1) for entry in outline]


def number_sheets(pages: list[Page]) -> None:
    """Give pages that were halves of sheets the numbers of these, as the document counts them."""
    for page in pages:
        _numbered(page, (page.number + 1) // 2)


def _sides(page: Page) -> int:
    """Return on how many sides of a free middle there is text; 0 where lines cross it."""
    left, right = (0.5 - _STRIP) * page.width, (0.5 + _STRIP) * page.width
    lines = [line for line in page.lines if not line.angle]
    if any(line.x0 < right and line.x1 > left for line in lines):
        return 0
    counts = (sum(line.x1 <= left for line in lines), sum(line.x0 >= right for line in lines))
    return sum(count >= _LINES for count in counts) or int(any(counts))


def _half(page: Page, number: int, second: bool) -> Page:
    middle = 0.5 * page.width
    start = middle if second else 0.0
    half = replace(
        page,
        number=number,
        label=None,
        width=middle,
        lines=[line for line in page.lines if (line.x0 >= middle) == second],
        images=_inside(page.images, start, middle),
        drawings=_inside(page.drawings, start, middle),
        rules=_inside(page.rules, start, middle),
        repaired=0 if second else page.repaired,
        unknown=0 if second else page.unknown,
    )
    for line in half.lines:
        _move(line, -start)
    return _numbered(half, number)


def _inside(boxes: list[Box], start: float, width: float) -> list[Box]:
    """Return the boxes that lie in the half that begins at `start`, as it sees them."""
    return [
        (x0 - start, y0, x1 - start, y1)
        for x0, y0, x1, y1 in boxes
        if start <= 0.5 * (x0 + x1) < start + width
    ]


def _move(line: Line, shift: float) -> None:
    line.x0, line.x1 = line.x0 + shift, line.x1 + shift


def _numbered(page: Page, number: int) -> Page:
    page.number = number
    for line in page.lines:
        line.page = number
    return page
