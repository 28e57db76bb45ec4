"""Finds footnotes: small type at the foot of a column, each note beginning with its mark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from mckennabot.extract.books.characters import raised_figures
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page
from mckennabot.extract.steps.measure import Measure
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
_RULE_FROM = 0.4
"""Share of the page's height below which a rule may stand over notes."""
_RULE_WIDTH, _LONE_RULE_MORE = 0.8, 200
"""Share of the column that such a rule takes at most, and points more over a single line of notes."""

_VARIABLE = re.compile(r"(?:^|[^\w\u2019\u2019'-]|\d)d?[^\W\d_aI]$|(?:^|[^\w'\u2019])d[^\W\d_]$")
_TERM = re.compile(r"[(\[](?:[^\W\d_]|[^()\[\]]*[+\u2212=*/\u2032\u2013-][^()\[\]]*)[)\]]$")


def mark_footnotes(pages: list[Page], measure: Measure) -> int:
    """Set the kind of footnotes, and take the marks that lead to them out of the text.

    Returns:
        How many marks were taken out.
    """
    marks = 0
    running_on = False
    expected = ""
    for page in pages:
        found: set[str] = set()
        bracketed: set[str] = set()
        body = [line for line in page.lines if line.kind == Kind.BODY and not line.angle]
        for column in _columns(body):
            notes = _notes(column, page, measure, running_on, expected)
            for line in notes:
                line.take_for(Kind.FOOTNOTE, "footnotes: at the foot, small or under a rule")
                if mark := _mark(line):
                    found.add(mark.strip("[]()"))
                    expected = str(int(bare) + 1) if (bare := mark.strip("[]()")).isdecimal() else ""
                    bracketed |= {mark.strip("[]()")} if mark[0] in "[(" else set()
            running_on = bool(notes) and not re.search(r"[.!?\"'\u201d\u2019)\]]$", notes[-1].text)
        text = [line for line in body if line.kind == Kind.BODY]
        _raise_powers(text, found)
        if found:
            marks += sum(_strip_marks(line, found, bracketed) for line in text)
    return marks


def _raise_powers(lines: list[Line], found: set[str]) -> None:
    """Put raised figures back that are powers and no marks of notes, as superscript figures.

    A figure behind a variable is a power, unless the page has a note of that number, and no other mark that
    could lead to it.
    """
    if not any(line.marks for line in lines):
        return
    elsewhere = {mark for line in lines for at, mark in line.marks if not _follows_variable(line.text[:at])}
    for line in lines:
        kept: list[tuple[int, str]] = []
        shift = 0
        for at, mark in line.marks:
            before = line.text[: at + shift]
            if mark.isdecimal() and _follows_variable(before) and (mark not in found or mark in elsewhere):
                line.text = before + raised_figures(mark) + line.text[at + shift :]
                shift += len(mark)
            else:
                kept.append((at + shift, mark))
        line.marks = tuple(kept)


def _follows_variable(before: str) -> bool:
    """Return whether what a raised figure follows can have a power: ds, E/C, 2x, (a + b)."""
    if before.endswith((")", "]")):
        return bool(_TERM.search(before))
    return bool(_VARIABLE.search(before))


def _columns(lines: list[Line]) -> Iterator[list[Line]]:
    """Yield the columns of a page, each from top to bottom; lines across the page end all above them."""
    for _, column in groupby(lines, lambda line: line.column):
        yield list(column)


def _notes(column: list[Line], page: Page, measure: Measure, running_on: bool, follows: str) -> list[Line]:
    """Return the footnotes of a column, of which one with the mark `follows` would follow on the last."""
    start = len(column)
    while start and column[start - 1].size < SMALL_PRINT * measure.size:
        start -= 1
    ruled = _ruled(column, page)
    if (
        ruled is not None
        and start > ruled
        and all(_mark(line) or ruled < n for n, line in enumerate(column[ruled:], ruled))
    ):
        start = ruled  # a rule and a mark make notes of lines in the type of the text
    if start == len(column) or start == 0:
        return [] if start else _page_of_notes(column, ruled)
    if ruled is not None and ruled >= start:
        return column[ruled:]
    first = next((n for n in range(start, len(column)) if _mark(column[n])), None)
    if first is None:
        return column[start:] if running_on and ruled is not None else []
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


def _page_of_notes(column: list[Line], ruled: int | None) -> list[Line]:
    return column[ruled:] if ruled is not None and ruled < len(column) and _mark(column[ruled]) else []


def _ruled(column: list[Line], page: Page) -> int | None:
    """Number of the first line below a short rule that stands under text of this column."""
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
