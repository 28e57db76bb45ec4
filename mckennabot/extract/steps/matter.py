"""Finds what stands before and behind a book's own text: title pages, part titles, notes, advertisements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from mckennabot.extract.books.legal import LEGAL
from mckennabot.extract.books.titles import describe
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, take_all_for
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.steps.sections import Section
from mckennabot.extract.typography import (
    CHAPTER_WORDS,
    LARGER,
    LEADER,
    SHORT_DOCUMENT,
    ends_sentence,
    is_wide,
)

_NAMED_WORDS = 20
"""Words that a section has at least that is called a preface or the like."""
_PART_WORDS, _BARE_WORDS = 50, 5
"""Words under the title of a part at most: a motto; and under one that does not say that it is one."""
_BACK = 0.3
"""Share of the words within which notes and the like end a book; before that they end a part of it."""
_LICENCE = 0.1
"""Share of the words that a licence between chapters takes at most; a chapter may be about licences."""
_TITLE = 1.3
"""Times the text's size that the title of a text without chapters is set in."""
_AHEAD = 0.05
"""Share of a book's words within which a list of other books is front matter."""
_PROSE = 5
"""Full lines that make a page of running text; a blurb or a motto has fewer."""


def is_legal(lines: Iterable[Line]) -> bool:
    """Return whether words of law and trade stand in these lines."""
    return any(LEGAL.search(line.text) for line in lines)


def mark_matter(flow: Sequence[Line], sections: list[Section], measure: Measure) -> None:
    """Set the kind of what does not belong to the book's own text, section by section."""
    top = [section for section in sections if section.level == 1 or section.part]
    stops = [*(section.place for section in top[1:]), len(flow)][: len(top)]
    for section, stop in reversed(list(zip(top, stops, strict=True))):
        if section.kind == Kind.CONTENTS:
            take_all_for(
                flow[section.place : _listing_end(flow, section.place, stop)], Kind.CONTENTS, _titled(section)
            )
        elif not section.kind and _is_part_title(section, flow, stop):
            section.kind = Kind.PART
            take_all_for(flow[section.place : stop], Kind.PART, _titled(section))
    _mark_back(flow, top, stops)
    real = [section for section in top if not section.kind and section.words >= _least_words(section)]
    short = len({line.page for line in flow}) <= SHORT_DOCUMENT
    if real:
        _mark_front(flow[: real[0].place], short)
    elif not short:
        _mark_title(flow, measure)


def _titled(section: Section) -> str:
    return f"matter: under {section.title[:40]!r}"


def _least_words(section: Section) -> int:
    return _NAMED_WORDS if describe(section.title)[0] == "named" else CHAPTER_WORDS


def _listing_end(flow: Sequence[Line], place: int, stop: int) -> int:
    """Return where a list under a heading ends: at the next section, or on a page of running text."""
    at = place
    for page, lines in groupby(flow[place:stop], lambda line: line.page):
        on_page = list(lines)
        if page != flow[place].page and _prose_lines(on_page) > 0.5 * len(on_page):
            break
        at += len(on_page)
    return at


def _prose_lines(lines: Sequence[Line]) -> int:
    """Count the lines that fill their column and do not end in a page number."""
    return sum(is_wide(line) and not LEADER.search(line.text) and line.gaps == 0 for line in lines)


def _is_part_title(section: Section, flow: Sequence[Line], stop: int) -> bool:
    if section.words >= _PART_WORDS or not section.heading or stop == len(flow):
        return False
    named = section.part or describe(section.title)[0] == "part"
    # What follows stands on another page, or is the second line of the same title.
    return (named or section.words < _BARE_WORDS) and (
        flow[stop].page != section.heading[0].page or flow[stop].kind == Kind.PART
    )


def _mark_back(flow: Sequence[Line], top: list[Section], stops: list[int]) -> None:
    """Mark all from the first section behind the text, except an epilogue or the like."""
    total = max(1, sum(section.words for section in top if not section.part))
    before = 0
    behind = False
    for place, (section, stop) in enumerate(zip(top, stops, strict=True)):
        rest = total - before
        before += 0 if section.part else section.words
        if section.kind in (Kind.BACK, Kind.INDEX, Kind.BOILERPLATE) and rest < _BACK * total:
            behind = True
        kind = describe(section.title)[0]
        if behind and (section.kind or kind not in ("chapter", "named")):
            section.kind = section.kind or Kind.BACK
            take_all_for(flow[section.place : stop], section.kind, _titled(section))
        elif section.kind in (Kind.BACK, Kind.INDEX):
            # "Also by the author" stands before the text, too, often with the imprint under it.
            ahead = before < _AHEAD * total and is_legal(flow[section.place : stop])
            section.kind = Kind.FRONT if ahead else None
            if ahead:
                take_all_for(flow[section.place : stop], Kind.FRONT, _titled(section))
        elif section.kind == Kind.BOILERPLATE:
            if place and section.words > _LICENCE * total:
                section.kind = None
            else:
                take_all_for(flow[section.place : stop], section.kind, _titled(section))


def _mark_front(before: Sequence[Line], short: bool) -> None:
    """Mark pages before the first section, unless they hold prose that is not legal boilerplate.

    Args:
        before: lines above the first section.
        short: whether this is a letter or an article, of which only legal boilerplate goes.
    """
    unended = False  # whether a page that stays breaks off in a sentence, which ends on the next
    for _, lines in groupby(before, lambda line: line.page):
        page = [line for line in lines if line.kind == Kind.BODY]
        if is_legal(page) or not (short or unended or _prose_lines(page) >= _PROSE):
            take_all_for(page, Kind.FRONT, "matter: before the first chapter, without running text")
            unended = False
        elif page:
            unended = not ends_sentence(page[-1].text)


def _mark_title(flow: Sequence[Line], measure: Measure) -> None:
    """Mark the large lines at the head of a text without chapters, and all between them and the text."""
    text = next(
        (n for n, line in enumerate(flow) if _prose_lines([line]) and line.size < LARGER * measure.size), 0
    )
    title = list(flow[:text])
    while title and title[-1].page == flow[text].page and title[-1].x0 - title[-1].left < title[-1].size:
        title.pop()  # a heading, or a short first line, of the text itself
    if title and max(line.size for line in title) > _TITLE * measure.size:
        take_all_for(title, Kind.FRONT, "matter: large lines above a text without chapters")
