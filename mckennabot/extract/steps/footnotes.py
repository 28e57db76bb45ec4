"""Finds footnotes: small type at the foot of a column, each note beginning with its mark."""

from __future__ import annotations

import re
from itertools import groupby

from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.steps.powers import raise_powers
from mckennabot.extract.typography import SMALL_PRINT, is_fixed_pitch

_BEGINS = re.compile(
    r"\d{1,3}(?=[\s.)\]]|[^\W\d]|[\"'\u2018\u201c]|$)|[*\u2217\u2020\u2021\u00a7\u00b6\u2016#]{1,4}|[\[(](?:\d{1,3}|[*\u2020\u2021])[\])]"
)
# A mark on the line: a sign or a number stuck to a word, or either in brackets. Some fonts have raised
# figures of their own, which nothing but their place tells from others.
_INLINE_MARK = re.compile(
    r"(?:(?<=[^\W\d_])|(?<=[^\W\d_][.,;:!?\"'\u2019\u201d)\]])|(?<=[.,;:!?][\"'\u2019\u201d)\]]))"
    r"(?:\d{1,3}|[*\u2217\u2020\u2021\u00a7\u00b6\u2016]{1,3})(?=[\s.,;:!?\"'\u2019\u201d)\]\u2014]|$)"
    r"| ?[\[(](?:\d{1,3}|[*\u2020\u2021])[\])]"
)
# The end of a sentence, and so of a note.
_ENDED = re.compile(r"[.!?\"'\u201d\u2019)\]]$")
_RULE_FROM = 0.4
"""Share of the page's height below which a rule may stand over notes."""
_RULE_WIDTH, _LONE_RULE_MORE = 0.8, 200
"""Share of the column that such a rule takes at most, and points more over a single line of notes."""


def mark_footnotes(pages: list[Page], measure: Measure) -> int:
    """Set the kind of footnotes, and take the marks that lead to them out of the text.

    Returns:
        How many marks were taken out.
    """
    marks = 0
    running_on = False  # whether the last note broke off in a sentence, which continues on the next page
    expected = ""  # the number that the next note should have
    for page in pages:
        found: set[str] = set()
        bracketed: set[str] = set()
        body = page.body()
        # Lines across the page end the columns above them, which have notes of their own.
        for _, lines in groupby(body, lambda line: line.column):
            notes = _notes(list(lines), page, measure, running_on, expected)
            for line in notes:
                line.take_for(Kind.FOOTNOTE, "footnotes: at the foot, small or under a rule")
                if mark := _mark(line):
                    bare = mark.strip("[]()")
                    found.add(bare)
                    expected = str(int(bare) + 1) if bare.isdecimal() else ""
                    if mark[0] in "[(":
                        bracketed.add(bare)
            running_on = bool(notes) and not _ENDED.search(notes[-1].text)
        text = [line for line in body if line.kind == Kind.BODY]
        raise_powers(text, found)
        if found:
            marks += sum(_strip_marks(line, found, bracketed) for line in text)
    return marks


def _notes(column: list[Line], page: Page, measure: Measure, running_on: bool, follows: str) -> list[Line]:
    """Return the footnotes of a column, of which one with the mark `follows` would follow on the last."""
    small = len(column)
    while small and column[small - 1].size < SMALL_PRINT * measure.size:
        small -= 1
    ruled = _ruled(column, page)
    # Under a rule a mark makes notes even of lines in the type of the text.
    if ruled is not None and ruled < small and _mark(column[ruled]):
        small = ruled
    if small == 0:  # a page of small print: an appendix, or one long note under a rule
        return column[ruled:] if ruled is not None and _mark(column[ruled]) else []
    if small == len(column):
        return []
    if ruled is not None and ruled >= small:
        return column[ruled:]
    first = next((n for n in range(small, len(column)) if _mark(column[n])), None)
    if first is None:
        return column[small:] if running_on and ruled is not None else []
    marked = {mark.strip("[]()") for line in column[first:] if (mark := _mark(line))}
    proven = ruled is not None or follows in marked or _lead_to(marked, column[:first])
    # Code that begins with a number or a #, or a list in small type, is no note.
    return column[first:] if proven and not is_fixed_pitch(column[first].font) else []


def _lead_to(marks: set[str], lines: list[Line]) -> bool:
    """Return whether one of these marks stands in the text."""
    return any(
        any(mark in marks for _, mark in line.marks)
        or any(found[0].strip(" []()") in marks for found in _INLINE_MARK.finditer(line.text))
        or any(mark in line.text for mark in marks if not mark.isalnum())
        for line in lines
    )


def _ruled(column: list[Line], page: Page) -> int | None:
    """Return the number of the first line below a short rule that stands under text of this column."""
    for x0, y0, x1, _ in sorted(page.rules, key=lambda rule: -rule[1]):
        below = next((n for n, line in enumerate(column) if line.y > y0), len(column))
        if y0 <= _RULE_FROM * page.height or below == len(column):
            continue
        line = column[below]
        most = _RULE_WIDTH * (line.right - line.left)
        if below == len(column) - 1:
            most += _LONE_RULE_MORE
        if x0 < line.right and x1 > line.left and x1 - x0 < most:
            return below
    return None


def _mark(line: Line) -> str:
    """Return the mark with which a footnote begins, or nothing."""
    if line.marks and line.marks[0][0] == 0:
        return line.marks[0][1]
    match = _BEGINS.match(line.text)
    return match[0] if match else ""


def _strip_marks(line: Line, found: set[str], bracketed: set[str]) -> int:
    """Take out of a line the marks of this page's notes that are not raised, and count the raised ones.

    Marks in brackets lead to notes in brackets only: "(1)" in a text counts its reasons.
    """
    count = len(line.marks)

    def drop(match: re.Match[str]) -> str:
        nonlocal count
        mark = match[0].strip(" []()")
        if mark not in (bracketed if match[0].lstrip()[0] in "[(" else found):
            return match[0]
        count += 1
        return ""

    text = _INLINE_MARK.sub(drop, line.text)
    if not text.strip():  # an equation's number alone, which leads nowhere
        return len(line.marks)
    line.text = text
    return count
