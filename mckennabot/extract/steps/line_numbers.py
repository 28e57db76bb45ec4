"""Finds numbers of lines in the margin, as courts, scripts and editions of verse print them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise

from mckennabot.extract.books.numerals import number
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page

_LEAST = 6
"""Numbers in one margin of a document, fewer of which prove nothing."""
_AGREE = 0.75
"""Share of the steps from number to number that must count the rows between: the rest are ends of poems."""
_BESIDE = 0.5
"""Share of the numbers that stand next to a line of text; a column of figures is alone everywhere."""
_COVER = 0.5
"""Share of a page's rows that its numbers count: an enumeration is shorter."""
_PAGES = 0.4
"""Share of a document's pages that have them: a list of contents may be numbered, a book is not."""
_ALIGNED = 3.0
"""Points by which the left or the right edges of numbers in one margin differ."""


@dataclass(slots=True)
class _Mark:
    page: int
    place: int
    value: int
    line: Line
    beside: bool


def mark_line_numbers(pages: list[Page]) -> None:
    """Set the kind of numbers beside the text that count its lines: each, or every fifth."""
    for on_left in (True, False):
        margins: dict[int, list[_Mark]] = defaultdict(list)
        rows = {page.number: 0 for page in pages}
        for page in pages:
            rows[page.number] = _collect(page, on_left, margins)
        for marks in _margins(margins):
            if _counts_lines(marks, rows):
                for mark in marks:
                    mark.line.take_for(Kind.FOLIO, "line numbers: count the lines beside them")


def _collect(page: Page, on_left: bool, margins: dict[int, list[_Mark]]) -> int:
    """Add the numbers at one side of the page's rows to their margin; how many rows there are."""
    by_row: dict[int, list[Line]] = defaultdict(list)
    for line in page.lines:
        if not line.angle and line.kind == Kind.BODY:
            by_row[line.row].append(line)
    rows = sorted(by_row.values(), key=lambda lines: lines[0].y)
    for place, lines in enumerate(rows):
        lines.sort(key=lambda line: line.x0)
        line = lines[0] if on_left else lines[-1]
        value = number(line.text) if line.text.isdecimal() else None
        if value is not None:
            edge = line.x1 if on_left else line.x0
            margins[round(edge / _ALIGNED)].append(_Mark(page.number, place, value, line, len(lines) > 1))
    return len(rows)


def _margins(margins: dict[int, list[_Mark]]) -> list[list[_Mark]]:
    """Return the numbers of each margin in order; edges that rounding parts in two are one."""
    joined: list[list[_Mark]] = []
    for edge in sorted(margins):
        if joined and edge - 1 in margins:
            joined[-1] += margins[edge]
        else:
            joined.append(list(margins[edge]))
    return [sorted(marks, key=lambda mark: (mark.page, mark.place)) for marks in joined]


def _counts_lines(marks: list[_Mark], rows: dict[int, int]) -> bool:
    """Return whether the numbers of a page count the rows between them."""
    # The margin may continue alone below the end of a text.
    if sum(mark.beside for mark in marks) < max(_LEAST, _BESIDE * len(marks)):
        return False
    pairs = [(a, b) for a, b in pairwise(marks) if a.page == b.page]
    agree = [b.value - a.value == b.place - a.place > 0 for a, b in pairs]
    if sum(agree) < max(_LEAST / 2, _AGREE * len(pairs)):
        return False
    step = Counter(b.value - a.value for a, b in pairs).most_common(1)[0][0]
    counted: Counter[int] = Counter()
    for mark in marks:
        counted[mark.page] += step
    full = [page for page, count in rows.items() if count >= _LEAST]
    covered = sum(counted[page] >= _COVER * rows[page] for page in full)
    # Years in the first column of a table count its rows, too; but nobody numbers lines from 1790.
    return covered > _PAGES * len(full) and min(mark.value for mark in marks) <= 2 * step
