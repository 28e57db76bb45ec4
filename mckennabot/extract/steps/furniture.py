"""Finds running heads and page numbers: what stands at a page's edge, and again on its neighbours.

Only the outermost rows of a page are ever looked at, and only what recurs at the same height on the
pages around, or counts the pages, is taken out; the same words inside the text stay.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from mckennabot.extract.books.numerals import number, page_number
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page
from mckennabot.extract.typography import LARGER

_ROWS = 3
"""Rows from a page's edge that may be furniture."""
_BAND = 0.25
"""Share of the page's height, from the top and from the bottom, in which furniture stands."""
_SAME_HEIGHT = 3.0
"""Points by which a running head may move from page to page."""
_CHAPTER = 60
"""Pages for which a heading may be repeated at their head."""
_COUNTED = 12
"""Pages around one on which three numbers must count alike to show its number."""
_AROUND = ".,|"
"""Signs that stand at a page number, next to the title."""
_LETTERS = 200
"""Letters of two running heads that are compared; to compare long lines takes long."""
_ALIKE = 0.85
"""Likeness from which on two running heads are one: a scan reads some letters wrong."""
_MISREAD = 6
"""Letters from which on a few wrong ones leave a likeness."""
_KNOWN = 3
"""Rows of furniture at one height that show what the others there are."""
_GAP_KEPT = 0.8
"""Share of their usual space to the text that a row must have, too; a page's first line has less."""
_TITLE_LETTERS = 3
"""Letters that a repeated heading has more than: "A" and "II" are in many titles."""
_NOT_FULL = 0.9
"""Share of the widest row that furniture fills at most; more is a line of text."""
_NEAR = 2
"""A running head comes again this many pages on: on the next page, or on the next of its side."""


@dataclass(slots=True)
class _Row:
    page: int
    rank: int
    y: float
    lines: list[Line]
    gap: float
    bottom: bool
    words: str = ""
    why: str = ""

    @property
    def found(self) -> bool:
        """Return whether it is furniture."""
        return bool(self.why)


def mark_furniture(pages: list[Page]) -> None:
    """Set the kind of running heads, feet and page numbers."""
    rows = [row for page in pages for row in _edge_rows(page)]
    offsets = _offsets(pages, rows)
    for row in rows:
        row.words = _words(row, offsets)
    by_page: dict[tuple[int, bool], list[_Row]] = defaultdict(list)
    for row in rows:
        by_page[row.page, row.bottom].append(row)
    for rank in range(_ROWS):
        level = [row for row in rows if row.rank == rank and _outside_is_found(row, by_page)]
        for row in level:
            _find_number(row, offsets)
        for row in level:
            if not row.found and _comes_again(row, by_page):
                row.why = "comes again on pages around"
        _complete(level)
        if rank == 0:
            _find_titles(level, pages)
    for row in rows:
        if row.found:
            for line in row.lines:
                line.take_for(Kind.FOLIO if page_number(line.text) else Kind.HEAD, f"furniture: {row.why}")
    _mark_stamps(pages)


def _edge_rows(page: Page) -> Iterator[_Row]:
    by_row: dict[int, list[Line]] = defaultdict(list)
    for line in page.lines:
        if not line.angle and line.kind == Kind.BODY:
            by_row[line.row].append(line)
    rows = sorted(by_row.values(), key=lambda lines: lines[0].y)
    heights = [lines[0].y for lines in rows]
    for rank in range(min(_ROWS, len(rows))):
        if heights[rank] < _BAND * page.height:
            gap = heights[rank + 1] - heights[rank] if rank + 1 < len(rows) else page.height
            yield _Row(page.number, rank, heights[rank], rows[rank], gap, False)
        if heights[-1 - rank] > (1 - _BAND) * page.height:
            gap = heights[-1 - rank] - heights[-2 - rank] if rank + 1 < len(rows) else page.height
            yield _Row(page.number, rank, heights[-1 - rank], rows[-1 - rank], gap, True)


def _offsets(pages: list[Page], rows: list[_Row]) -> dict[int, set[tuple[int, bool]]]:
    """For each page, the numbers that would count it, as (value, roman).

    They are learned from numbers alone in a row, and from those at either end of one: many feet have the
    number next to the title.
    """
    seen: dict[tuple[int, bool], set[int]] = defaultdict(set)
    for row in rows:
        for text in _ends(row):
            if found := page_number(text):
                seen[found[0] - row.page, found[1]].add(row.page)
    labels = {page.number: page_number(page.label) for page in pages if page.label}
    counting: dict[int, set[tuple[int, bool]]] = {page.number: set() for page in pages}
    for (offset, is_roman), numbered in seen.items():
        in_turn = sorted(numbered)
        for first, third in zip(in_turn, in_turn[2:], strict=False):
            for page in range(third - _COUNTED, first + _COUNTED + 1):
                if page in counting:
                    counting[page].add((page + offset, is_roman))
    for page, label in labels.items():
        if label and (label[0] - page, label[1]) in seen:
            counting[page].add(label)
    return counting


def _ends(row: _Row) -> set[str]:
    """Return what of a row may be the page's number: each piece, and the first and the last word."""
    words = " ".join(line.text for line in row.lines).split()
    return {line.text for line in row.lines} | {word.strip(_AROUND) for word in (*words[:1], *words[-1:])}


def _words(row: _Row, offsets: dict[int, set[tuple[int, bool]]]) -> str:
    """Return the letters and figures that are left of a row without the page's own number."""
    values = {value for value, _ in offsets[row.page]} | {row.page}
    tokens = " ".join(line.text for line in row.lines).split()
    for at in (0, -1):
        if tokens and (page_number(tokens[at].strip(_AROUND)) or (None,))[0] in values:
            del tokens[at]
    tokens = [token for token in tokens if not (token.isdecimal() and number(token) in values)]
    return "".join(c for c in "".join(tokens).casefold() if c.isalnum())


def _outside_is_found(row: _Row, by_page: dict[tuple[int, bool], list[_Row]]) -> bool:
    return all(other.found for other in by_page[row.page, row.bottom] if other.rank < row.rank)


def _find_number(row: _Row, offsets: dict[int, set[tuple[int, bool]]]) -> None:
    numbers = [page_number(line.text) for line in row.lines]
    if len(row.lines) == 1 and numbers[0] in offsets[row.page]:
        row.why = "counts the pages"


def _comes_again(row: _Row, by_page: dict[tuple[int, bool], list[_Row]]) -> bool:
    if len(row.words) < 2:
        return False
    return any(
        abs(other.y - row.y) < _SAME_HEIGHT and _alike(row.words, other.words)
        for distance in range(-_NEAR, _NEAR + 1)
        if distance
        for other in by_page.get((row.page + distance, row.bottom), ())
    )


def _alike(first: str, second: str) -> bool:
    if first == second:
        return True
    if min(len(first), len(second)) < _MISREAD:
        return False
    if sorted(filter(str.isdigit, first)) != sorted(filter(str.isdigit, second)):
        return False  # "Chapter 3" and "Chapter 4"
    matcher = SequenceMatcher(None, first[:_LETTERS], second[:_LETTERS], autojunk=False)
    return matcher.quick_ratio() > _ALIKE and matcher.ratio() > _ALIKE


def _complete(level: list[_Row]) -> None:
    """Take a row for furniture where nearly every other at its height, set like it, is."""
    slots: dict[tuple[bool, int], list[_Row]] = defaultdict(list)
    for row in level:
        slots[row.bottom, round(row.y / _SAME_HEIGHT)].append(row)
    widest = max((row.lines[-1].x1 - row.lines[0].x0 for row in level), default=0.0)
    for (bottom, height), members in slots.items():
        known = [row for row in members if row.found]
        if len(known) < _KNOWN:
            continue
        gaps = sorted(row.gap for row in known)  # the lower quartile: a page may begin with a picture
        for near in (height - 1, height, height + 1):
            for row in slots.get((bottom, near), ()):
                if (
                    not row.found
                    and 2 * len(known) > len(members)
                    and abs(row.y - known[0].y) < _SAME_HEIGHT
                    and row.gap >= _GAP_KEPT * gaps[len(gaps) // 4]
                    and sum(line.x1 - line.x0 for line in row.lines) < _NOT_FULL * widest
                ):
                    row.why = "stands where others do"


def _find_titles(level: list[_Row], pages: list[Page]) -> None:
    """Take a row for a running head where it says again what a heading said not long before."""
    letters: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            letters[line.size] += len(line.text)
    size = max(letters, key=lambda s: letters[s], default=0.0)
    titles = {
        page.number: _letters(line.text for line in page.lines if line.size > LARGER * size) for page in pages
    }
    heights = Counter(round(row.y) for row in level if not row.bottom)
    for row in level:
        words = _letters(line.text for line in row.lines)
        if (
            not row.found
            and not row.bottom
            and len(words) > _TITLE_LETTERS
            and max(line.size for line in row.lines) <= LARGER * size
            and sum(heights[round(row.y) + shift] for shift in (-1, 0, 1)) > 2
            and any(words in titles.get(page, "") for page in range(row.page - _CHAPTER, row.page))
        ):
            row.why = "repeats a heading"


def _letters(texts: Iterable[str]) -> str:
    return "".join(c for text in texts for c in text.casefold() if c.isalpha())


def _mark_stamps(pages: list[Page]) -> None:
    """Mark text that runs across the reading direction, and comes again from page to page."""
    seen = Counter(line.text for page in pages for line in page.lines if line.angle)
    for page in pages:
        for line in page.lines:
            if line.angle and seen[line.text] > 2:
                line.take_for(Kind.HEAD, "furniture: runs across the page, and comes again")
