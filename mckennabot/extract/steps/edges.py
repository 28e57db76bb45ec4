"""Finds where the lines of a column begin and end, in a book whose pages are alike.

Left and right pages, pages of another width and each column have edges of their own. They are taken from
all such pages together: one page alone may hold nothing but a quotation.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page
from mckennabot.extract.typography import FLUSH, same_size

_FEW_LINES = 10
"""Lines of a column below which the other side of the sheet is asked, too."""
_ONE_PAGE = 8
"""Lines from which on a page shows whether it was scanned askew."""
_SKEW = 0.25
"""Ems by which both edges of a page are off where others have them, on a crooked scan."""
_NEAR = 2.0
"""Ems before the right edge within which a line ends near it."""
_HANGS_OUT = 0.5
"""Ems by which a line may stand out of the right edge: punctuation, a word that TeX could not break."""
_LEFT_WIDTH = 0.2
"""Ems within which lines that begin at one left edge do so."""
_LEFT_SHARE, _LEFT_LINES = 0.08, 2.0
"""Share of the lines, and least number, that make a left edge; fewer are quotations or crooked lines."""
_JUSTIFIED = 0.35
"""Share of the lines that end at one edge in justified prose."""
_EDGE_SHARE = 0.3
"""The same of the lines of one column, for the place where most of them end to be its edge."""
_JUSTIFIED_TALK, _NEAR_SHARE = 0.15, 0.75
"""The same in much verse or talk, which leaves few full lines, if also this share of those that end near the
edge end at it: in ragged text hardly more than a half."""
_OWN_EDGE = 0.4
"""Share of lines whose ends agree in a justified quotation; the last of each paragraph is short."""
_RAGGED = 0.03
"""Share of the lines that may stand out of the right edge of ragged text."""

_Group = tuple[int, int, int]


def usual_type(pages: list[Page]) -> tuple[float, str]:
    """Return type size in points and font of most of the text; 10 and "" if there is none."""
    weight: Counter[tuple[float, str]] = Counter()
    by_size: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            if line.kind == Kind.BODY and not line.angle:
                weight[line.size, line.font] += len(line.text)
                by_size[line.size] += len(line.text)
    if not weight:
        return 10.0, ""
    size = by_size.most_common(1)[0][0]
    return size, max((letters, name) for (s, name), letters in weight.items() if s == size)[1]


def set_edges(pages: list[Page]) -> bool:
    """Set ``left`` and ``right`` of every line to the edges of its column.

    Returns:
        Whether the text is justified.
    """
    size, _ = usual_type(pages)
    groups: dict[_Group, list[Line]] = defaultdict(list)
    for page in pages:
        for line in page.lines:
            if line.kind == Kind.BODY and not line.angle:
                groups[_group(page, line)].append(line)
    edges: dict[_Group, tuple[float, float]] = {}
    flush = near = total = 0
    for (side, width, column), lines in groups.items():
        text = [line for line in lines if same_size(line.size, size)] or lines
        if len(text) < _FEW_LINES:
            others = groups.get((1 - side, width, column), ())
            text = text + [line for line in others if same_size(line.size, size)]
        left, right = _left_edge(text, size), _right_edge(text, size)
        edges[side, width, column] = left, right
        ends = [line.x1 - right for line in text if line.x1 < right + _HANGS_OUT * size]
        flush += sum(end > -FLUSH * size for end in ends)
        near += sum(end > -_NEAR * size for end in ends)
        total += len(text)
    for page in pages:
        shift = _shift(page, edges, size)
        for line in page.lines:
            left, right = edges.get(_group(page, line), (line.x0, line.x1))
            line.left, line.right = left + shift, right + shift
    return flush > _JUSTIFIED * total or _is_edge_of_talk(flush, near, total)


def _group(page: Page, line: Line) -> _Group:
    return page.number % 2, round(page.width), line.column


def _is_edge_of_talk(flush: int, near: int, total: int) -> bool:
    """Return whether lines that end at the edge are few, but most of those that come near it."""
    return flush > max(_JUSTIFIED_TALK * total, _NEAR_SHARE * near)


def _left_edge(lines: list[Line], size: float) -> float:
    """Return the leftmost place at which more lines begin than by chance."""
    starts = sorted(line.x0 for line in lines)
    count = max(_LEFT_LINES, _LEFT_SHARE * len(starts))
    end = 0
    for at, start in enumerate(starts):
        while end < len(starts) and starts[end] <= start + _LEFT_WIDTH * size:
            end += 1
        if end - at >= count:
            return starts[(at + end) // 2]
    return starts[0]


def _right_edge(lines: list[Line], size: float) -> float:
    """Return where most lines end, whatever hangs out of it; in ragged text, where hardly any ends later."""
    ends = sorted(line.x1 for line in lines)
    most, edge, start = 0, 0.0, 0
    for at, end in enumerate(ends):
        while end - ends[start] > FLUSH * size:
            start += 1
        if at - start + 1 >= most:
            most, edge = at - start + 1, ends[(at + start) // 2]
    near = sum(edge - _NEAR * size < end < edge + _HANGS_OUT * size for end in ends)
    if most > _EDGE_SHARE * len(ends) or _is_edge_of_talk(most, near, len(ends)):
        return edge
    return ends[-1 - int(_RAGGED * len(ends))]


def end_edge(lines: list[Line]) -> float:
    """Return where lines end that are set to a measure of their own: most of them, or the longest.

    TeX lets a line stick out that it cannot break; the others do not end short because of it.
    """
    ends = sorted(line.x1 for line in lines)
    at, count = max(
        ((end, sum(end - FLUSH * lines[0].size <= other <= end for other in ends)) for end in ends),
        key=lambda found: found[1],
    )
    return at if count > 1 and count >= _OWN_EDGE * len(ends) else ends[-1]


def _shift(page: Page, edges: dict[_Group, tuple[float, float]], size: float) -> float:
    """Return how far this page's text stands to the right of where such pages have it: a crooked scan."""
    lines = [line for line in page.lines if line.kind == Kind.BODY and same_size(line.size, size)]
    lines = [line for line in lines if line.column <= 1 and not line.angle]
    if len(lines) < _ONE_PAGE:
        return 0.0
    left, right = edges[_group(page, lines[0])]
    moved = _left_edge(lines, size) - left
    if abs(moved) > _SKEW * size and abs(_right_edge(lines, size) - right - moved) < _SKEW * size:
        return moved
    return 0.0
