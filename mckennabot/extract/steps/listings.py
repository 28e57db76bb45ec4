"""Finds tables of contents and indexes: pages whose lines end in page numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile

from mckennabot.extract.books.numerals import number
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page, take_all_for
from mckennabot.extract.typography import LEADER

_ENTRY = re.compile(r"(?:^|.*?[\s.\u2026\u00b7_\u2014-])(\d{1,4}|[ivxlcdm]{1,8})$", re.DOTALL)
_REFERENCES = re.compile(
    r"[,\s]\d{1,4}n?(?:[\u2013-]\d{1,4})?(?:[,;]\s*\d{1,4}n?(?:[\u2013-]\d{1,4})?)*[.,;]?$"
)
_ENTRIES = 3
"""Entries that make a page one of contents."""
_RISING = 0.7
"""Share of a table of contents' page numbers that rise; parts may be numbered for themselves."""
_INDEX_FROM, _INDEX_LINES = 0.6, 8
"""Share of the book behind which an index stands, and the lines that its pages have more than."""
_INDEX_SHARE = 0.6
"""Share of an index's lines that end in page numbers; the others are entries that take two lines."""
_SORTED, _SORTED_LINES = 0.8, 4
"""Share of an index's entries that stand in the order of the alphabet, and the entries that show it: more."""


def mark_listings(pages: list[Page]) -> None:
    """Set the kind of pages of contents and index by what they hold: lines that end in page numbers."""
    count = len(pages)
    for place, page in enumerate(pages):
        lines = page.body()
        if place and any(line.kind == Kind.CONTENTS for line in pages[place - 1].lines):
            # A list that ends above other text.
            take_all_for(
                takewhile(_is_entry, lines), Kind.CONTENTS, "listings: continues from the page before"
            )
        if len(lines) < _ENTRIES:
            continue
        if _is_contents(lines):
            take_all_for(lines, Kind.CONTENTS, "listings: lines end in rising page numbers")
        elif place > _INDEX_FROM * count and _is_index(lines):
            take_all_for(lines, Kind.INDEX, "listings: sorted, and lines end in page numbers")


def _is_entry(line: Line) -> bool:
    """Return whether a line ends in a number after a leader or a gap."""
    match = _ENTRY.match(line.text)
    led = line.gaps > 0 or bool(LEADER.search(line.text))
    return led and match is not None and number(match[1]) is not None


def _is_contents(lines: Sequence[Line]) -> bool:
    """Return whether most lines end in a number after a leader or a gap, and the numbers rise."""
    entries = 0
    values: list[int] = []
    for line in lines:
        if _is_entry(line):
            entries += 1
            match = re.search(r"\d+$", line.text)
            if match and (value := number(match[0])) is not None:
                values.append(value)
    rising = sum(a <= b for a, b in pairwise(values))
    return entries >= _ENTRIES and 2 * entries > len(lines) and rising >= _RISING * max(1, len(values) - 1)


def _is_index(lines: Sequence[Line]) -> bool:
    """Return whether a page's lines end in page numbers and its entries are in the order of the alphabet."""
    return len(lines) > _INDEX_LINES and _share(_REFERENCES, lines) > _INDEX_SHARE and _is_sorted(lines)


def _share(pattern: re.Pattern[str], lines: Sequence[Line]) -> float:
    return sum(bool(pattern.search(line.text)) for line in lines) / len(lines)


def _is_sorted(lines: Sequence[Line]) -> bool:
    letters = [
        line.text[0].casefold()
        for line in lines
        if line.text[0].isalpha() and line.x0 - line.left < line.size
    ]
    rising = sum(a <= b for a, b in pairwise(letters))
    return len(letters) > _SORTED_LINES and rising > _SORTED * (len(letters) - 1)
