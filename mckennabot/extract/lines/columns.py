"""Finds which gaps are gutters between columns, and puts lines side by side in reading order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import groupby, pairwise
from statistics import median

from mckennabot.extract.model import Line, Page

_SAME_EDGE = 2.0
"""Points by which the left edges of a column's lines may differ."""
_BEFORE_EDGE = 0.5
"""Points from a gutter to the lines of its column, lest one that begins there should seem to cross it."""
_IN_GUTTER = 0.95
"""Share of a column's lines that end before its gutter; a line or two may stick out."""
_AT_EDGE = 0.25
"""Share of the lines behind a gutter that begin at its column's left edge; indents and quotations do not."""
_LINES_EACH = 4
"""Lines that must stand on either side of a gutter."""
_LONG = 8
"""Lines on either side that prove a gutter on one page alone; else several pages must agree."""
_WORDS_EACH = 3
"""Words of a line of text in a narrow box, on average."""
_FILLED = 0.75
"""Share of its measure that such a line fills, and share of the lines that do."""
_NARROWEST = 40
"""Points between the left edges of two columns."""
_MOST_CROSSING = 0.3
"""Share of a page's lines that may run across a gutter: headings, and text above and below columns."""
_FREE_CROSSING = 0.2
"""The same of a page that shows no gutter itself, but stands between pages that do."""
_SAME_GUTTER = 6
"""Points by which the gutters of pages may differ and be one."""
_NARROWEST_COLUMN = 60
"""Points that a column of text takes at least; a table's are narrower."""
_FILLS = 0.5
"""Share of its column that half of the lines fill; cells of a table leave more free."""
_OVERLAP = 3
"""Type sizes over which columns stand side by side at least."""
_WIDE_GAP = 1.5
"""Type sizes of a gap inside a line that is more than a justified line's widest space."""


def set_columns(pages: list[Page]) -> None:
    """Put the pieces of a row together where no gutter parts them, and the lines in reading order.

    Each line's ``column`` becomes 0 for a line across the page, else its column's number from 1.
    """
    found = {page.number: _gutters(page) for page in pages}
    usual = _usual(found)
    for page in pages:
        gutters = [
            x
            for x, lines in found[page.number]
            if lines >= _LONG or _parts_text(page, x) or any(abs(x - other) < _SAME_GUTTER for other in usual)
        ]
        for x in usual:
            if all(abs(x - other) > _NARROWEST for other in gutters) and _is_free(page, x):
                gutters.append(x)
        gutters.sort()
        page.lines = _in_order(_joined(page.lines, gutters), gutters)


def _parts_text(page: Page, x: float) -> bool:
    """Return whether a gutter that only a few lines show parts running text, as beside a box set into it.

    The lines on either side fill their measure and have the words of sentences; cells of a table do not.
    """
    lines = page.body()
    right = [line for line in lines if abs(line.x0 - x) < _SAME_EDGE]
    if not right:
        return False
    top, bottom = right[0].y - right[0].size, right[-1].y + right[-1].size
    left = [line for line in lines if line.x1 <= x and top <= line.y <= bottom]
    return all(
        len(side) >= _LINES_EACH
        and sum(len(line.text.split()) for line in side) >= _WORDS_EACH * len(side)
        and sum(line.x1 - line.x0 > _FILLED * max(o.x1 - o.x0 for o in side) for line in side)
        >= _FILLED * (len(side) - 1)
        for side in (left, right)
    )


def _usual(found: dict[int, list[tuple[float, int]]]) -> list[float]:
    """Return gutters that several pages have in one place, or one page over most of its height."""
    places = Counter(
        place
        for gutters in found.values()
        for x, lines in gutters
        for place in [round(x / _SAME_GUTTER)] * (1 + (lines >= 2 * _LONG))
    )
    return [
        median(x for gutters in found.values() for x, _ in gutters if abs(x / _SAME_GUTTER - place) <= 1)
        for place, count in places.most_common()
        if count + places[place + 1] > 1
    ]


def _is_free(page: Page, x: float) -> bool:
    """Return whether nearly nothing crosses a gutter that other pages have, and lines stand on both sides."""
    lines = page.body()
    left = sum(line.x1 <= x for line in lines)
    right = sum(x - 1 <= line.x0 < x + _SAME_EDGE for line in lines)
    across = sum(line.x0 < x - 1 and line.x1 > x for line in lines)
    return left > 0 and right > 0 and across < _FREE_CROSSING * len(lines)


def _gutters(page: Page) -> list[tuple[float, int]]:
    """Return where this page's columns after the first begin, and how many lines the shorter side has."""
    lines = [line for line in page.lines if not line.angle]
    if len(lines) < 2 * _LINES_EACH:
        return []
    edges = Counter(round(line.x0 / _SAME_EDGE) for line in lines)
    starts = [
        min(line.x0 for line in lines if abs(round(line.x0 / _SAME_EDGE) - edge) <= 1) - _BEFORE_EDGE
        for edge, count in sorted(edges.items())
        if count + edges[edge + 1] >= _LINES_EACH and edges[edge - 1] <= count
    ]
    gutters: list[tuple[float, int]] = []
    for x in starts:
        length = _parted(lines, x) or _parted_among_others(lines, x, starts)
        x = _at_edge(lines, x) if length >= _LINES_EACH else x
        if length >= _LINES_EACH and (not gutters or x - gutters[-1][0] > _NARROWEST):
            gutters.append((x, length))
    return gutters


def _parted_among_others(lines: list[Line], x: float, starts: list[float]) -> int:
    """Do as `_parted`, with further columns on either side: each is measured for itself."""
    if _crossing(lines, x) > _MOST_CROSSING * len(lines):
        return 0
    before = [float("-inf"), *(start for start in starts if start < x - _NARROWEST)]
    behind = [float("inf"), *(start for start in starts if start > x + _NARROWEST)]
    return max(
        _parted([line for line in lines if line.x0 >= left and line.x1 <= right], x)
        for left in before
        for right in behind
    )


def _at_edge(lines: list[Line], x: float) -> float:
    """Return where the column begins whose quotations begin at x: to the left, if lines do that cross x."""
    left = sorted(line.x1 for line in lines if line.x1 <= x)
    near = left[int(_IN_GUTTER * (len(left) - 1))]
    starts = sorted(line.x0 for line in lines if near < line.x0 < x and line.x1 > x)
    for edge, beside in pairwise(starts):
        if beside - edge < _SAME_EDGE and 2 * _crossing(lines, edge - _BEFORE_EDGE) < _crossing(lines, x):
            return edge - _BEFORE_EDGE
    return x


def _crossing(lines: list[Line], x: float) -> int:
    return sum(line.x0 < x < line.x1 for line in lines)


def _parted(lines: list[Line], x: float) -> int:
    """Return how many lines the shorter side has in the longest stretch of the page that x parts in two."""
    best = 0
    for crossing, stretch in groupby(
        sorted(lines, key=lambda line: line.y), lambda line: line.x0 < x < line.x1
    ):
        if crossing:
            continue
        band = list(stretch)
        left = [line for line in band if line.x1 <= x]
        right = [line for line in band if line.x0 >= x]
        if len(left) < _LINES_EACH or len(right) < _LINES_EACH:
            continue
        left_edge, right_edge = min(line.x0 for line in left), max(line.x1 for line in right)
        near = max(line.x1 for line in left)
        fills = (
            median(line.x1 - line.x0 for line in left) > _FILLS * (near - left_edge)
            and median(line.x1 - line.x0 for line in right) > _FILLS * (right_edge - x)
            and min(x - left_edge, right_edge - x) > _NARROWEST_COLUMN
        )
        overlap = min(left[-1].y, right[-1].y) - max(left[0].y, right[0].y)
        starts = sum(line.x0 - x < _SAME_EDGE for line in right)
        if fills and overlap > _OVERLAP * left[0].size and starts >= _AT_EDGE * len(right):
            best = max(best, min(len(left), len(right)))
    return best


def _joined(lines: list[Line], gutters: list[float]) -> list[Line]:
    """Join the pieces of each row that no gutter parts."""
    whole: list[Line] = []
    cap = quote = 0.0
    for line in lines:
        last = whole[-1] if whole else None
        if cap and line.x0 == cap:
            line.x0 = quote  # beside the drop cap, as the first line is
        if (
            last is not None
            and (last.row, last.kind) == (line.row, line.kind)
            and not any(last.x1 <= x <= line.x0 + 1 for x in gutters)
        ):
            if line.initial and not any(c.isalnum() for c in last.text):  # a quotation mark before a drop cap
                last.initial, last.text, last.marks = last.text + line.initial, line.text, line.marks
                cap, quote = line.x0, last.x0
            else:
                shift = len(last.text) + 1 + len(line.initial)
                last.marks += tuple((at + shift, mark) for at, mark in line.marks)
                last.text = f"{last.text} {line.initial}{line.text}"
            if line.x0 - last.x1 > _WIDE_GAP * line.size:
                last.gaps += 1
            last.maths = max(last.maths, line.maths)
            if line.x1 - line.x0 > last.x1 - last.x0:
                last.size, last.font = line.size, line.font
            last.x1 = line.x1
        else:
            whole.append(line)
    return whole


def _in_order(lines: list[Line], gutters: list[float]) -> list[Line]:
    """Order bands from top to bottom, parted by lines across a gutter; in a band, column after column."""
    for line in lines:
        line.column = 0
    level = sorted((line for line in lines if not line.angle), key=lambda line: (line.y, line.x0))
    ordered: list[Line] = []
    if not gutters:
        ordered = level
    else:
        band: dict[int, list[Line]] = defaultdict(list)
        for line in level:
            if any(line.x0 < x - 1 and line.x1 > x for x in gutters):
                ordered += _flush(band)
                ordered.append(line)
            else:
                line.column = 1 + sum(line.x0 >= x - 1 for x in gutters)
                band[line.column].append(line)
        ordered += _flush(band)
    return ordered + [line for line in lines if line.angle]


def _flush(band: dict[int, list[Line]]) -> Iterable[Line]:
    ordered = [line for column in sorted(band) for line in band[column]]
    band.clear()
    return ordered
