"""Divide a document into chapters and sections, and mark what does not belong to its text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import NamedTuple

from mckennabot.extract.books.legal import LEGAL
from mckennabot.extract.books.titles import describe, title_kind
from mckennabot.extract.documents.blocks import Block, TocEntry
from mckennabot.extract.documents.headings import (
    ENOUGH,
    Heading,
    chapter_level,
    find_headings,
    is_bare_number,
    is_named,
    is_numbered,
)
from mckennabot.extract.documents.toc import follow_toc
from mckennabot.extract.kinds import Kind

_FRONT_WORDS, _FRONT_LINE = 300, 25
"""Words of all title pages together, and of a line of them; more are text."""
_FRONT_SHARE = 0.15
"""Share of a text's words that title pages may have, since a talk or an article begins with its title; and
that a paragraph with legal words may have, since poems and essays speak of rights as well."""
_MUCH = _FRONT_WORDS // 2
"""Words under a heading without number or name that make a chapter of it in a book with named ones."""
_NUMBERED_SHARE = 0.8
"""Share of the headings of one rank that have numbers if all chapters do."""
_LOOSE = 100
"""Words that make a chapter of a heading without a number among numbered ones; fewer are a headline quoted
inside a chapter, or an advertisement."""
_LISTED = 40
"""Words of a line in a list of links; a paragraph that is one link has more."""
_LISTING = 2
"""Lines of links in a row that are exceeded in a table of contents."""
_ARTICLE_SHARE = 0.5
"""Share of the text below a heading like "Notes on ..." that makes it the subject rather than an appendix."""
_INDEX_LETTER = 2
"""Words of a heading inside an index, such as "A" or "A to C"; a longer one begins another list."""
_NOTES_SEEN = 3
"""Paragraphs below "Notes" to look at: those of notes begin with numbers."""
_END = re.compile(r"(the )?end\W*|fin(is)?\W*|ende\W*", re.IGNORECASE)


class Division(NamedTuple):
    """A place in the text at which a chapter begins, or a section of one if `chapter` is false."""

    title: str
    chapter: bool


def divide(
    blocks: list[Block], toc: Sequence[TocEntry], marks: int = 0
) -> tuple[list[Block], dict[int, Division]]:
    """Find the divisions of a document, and set the kinds of headings and of what is not text.

    Args:
        blocks: in reading order; their kinds and levels are changed.
        toc: the document's table of contents; without one its headings decide.
        marks: number of note marks in its text.

    Returns:
        The blocks, those of one heading joined, and the divisions by the index of their first block.
    """
    blocks = _join_headings(follow_toc(blocks, toc))
    _mark_listings(blocks)
    _mark_repeated(blocks)
    headings = find_headings(blocks)
    level = chapter_level(headings)
    _mark_titled(blocks, headings, level, marks)
    _mark_front(blocks, headings, level)
    starts: dict[int, Division] = {}
    # If chapters have numbers, a heading without one inside a chapter, such as a headline, begins no other.
    ranked = [h for h in headings if h.level == level and h.words]
    numbered = sum(is_numbered(h.title) for h in ranked) > max(2, _NUMBERED_SHARE * len(ranked))
    for heading in headings:
        block = blocks[heading.number]
        if block.kind != Kind.BODY or _END.fullmatch(heading.title):
            continue
        # A part's title page; a part with an introduction of its own is kept as a chapter.
        if heading.level < level and heading.own < ENOUGH:
            block.kind = Kind.PART
            continue
        block.kind = Kind.HEADING
        # Two headings in a row are one beginning.
        above = starts.get(heading.number - 1)
        if above is None or not above.chapter:
            loose = numbered and not is_named(heading.title) and heading.words < _LOOSE
            starts[heading.number] = Division(heading.title, heading.level <= level and not loose)
    return blocks, starts


def _join_headings(blocks: Sequence[Block]) -> list[Block]:
    """Join "Chapter One" and the title below it into one heading."""
    joined: list[Block] = []
    for block in blocks:
        above = joined[-1] if joined else None
        if (
            above
            and 0 < above.level <= block.level
            and above.kind == block.kind == Kind.BODY
            and above.place == block.place
            and is_bare_number(above.text)
            and describe(block.text)[0] != "chapter"
        ):
            above.text = f"{above.text} {block.text}"
            above.ids |= block.ids
        else:
            joined.append(block)
    return joined


def _mark_listings(blocks: Sequence[Block]) -> None:
    """Mark tables of contents: runs of lines that are nothing but links into the book."""
    run: list[Block] = []
    for block in [*blocks, Block("")]:
        if block.linked and block.kind == Kind.BODY and not block.level and block.words < _LISTED:
            run.append(block)
            continue
        if len(run) > _LISTING:
            for listed in run:
                listed.kind = Kind.CONTENTS
        run = []


def _mark_repeated(blocks: Sequence[Block]) -> None:
    """Mark headings that only announce others: nothing stands below them, and they come again later."""
    numbers = [n for n, block in enumerate(blocks) if block.level and block.kind == Kind.BODY]
    last = {blocks[n].text.casefold(): n for n in numbers}
    for number, following in pairwise(numbers):
        if following == number + 1 and last[blocks[number].text.casefold()] > number:
            blocks[number].kind = Kind.CONTENTS


def _mark_titled(blocks: Sequence[Block], headings: Sequence[Heading], level: int, marks: int) -> None:
    """Mark sections by what their headings say they are: contents, index, notes."""
    total = sum(block.words for block in blocks if block.kind == Kind.BODY)
    for index, heading in enumerate(headings):
        kind = title_kind(heading.title)
        if not kind or blocks[heading.number].kind != Kind.BODY:
            continue
        rank = max(heading.level, level)
        # Notes below the text of a chapter, in books that have them there, are taken out without ending it.
        if heading.level > level and kind != Kind.CONTENTS:
            if not _are_notes(blocks, heading, marks):
                continue
            kind, rank = Kind.FOOTNOTE, heading.level  # of one chapter
        # An essay may be called "Notes on ..." or "References".
        elif kind in (Kind.BACK, Kind.BOILERPLATE) and heading.words > _ARTICLE_SHARE * total:
            continue
        # The index ends at a heading of its rank, or at one that is more than a letter: a list of its own.
        ends = (
            h.number
            for h in islice(headings, index + 1, None)
            if h.level <= rank or (kind == Kind.INDEX and len(h.title.split()) > _INDEX_LETTER)
        )
        for number in range(heading.number, next(ends, len(blocks))):
            blocks[number].kind = kind if blocks[number].kind == Kind.BODY else blocks[number].kind


def _are_notes(blocks: Sequence[Block], heading: Heading, marks: int) -> bool:
    """Return whether the notes of one chapter stand below a heading inside it."""
    if not _NOTES.fullmatch(heading.title.strip(" .:")):
        return False
    below = list(islice(blocks, heading.number + 1, heading.number + 1 + _NOTES_SEEN))
    return marks > 0 or (
        bool(below) and all(_NUMBERED.match(block.text) for block in below if not block.level)
    )


_NOTES = re.compile(
    r"(end|foot)?notes?|(end|fuß)noten|anmerkungen|notas|note|notes de bas de page|примечания|сноски|"
    r"noter|notater|viitteet|poznámky|przypisy|注释|注釈|註|脚注",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\W{0,2}\d{1,3}\W")


def _mark_front(blocks: Sequence[Block], headings: Sequence[Heading], level: int) -> None:
    """Mark the short lines before the first chapter, and what speaks of rights there."""
    total = sum(block.words for block in blocks if block.kind == Kind.BODY)
    first = _first_chapter(blocks, [h for h in headings if blocks[h.number].kind == Kind.BODY], level)
    if first is None:
        return
    before = [block for block in islice(blocks, first.number) if block.kind == Kind.BODY]
    # A book that names its title pages, as an EPUB may, names all of them.
    named = any(block.kind == Kind.FRONT for block in islice(blocks, first.number))
    words = sum(block.words for block in before)
    short = not named and words <= min(_FRONT_WORDS, max(_FRONT_LINE, _FRONT_SHARE * total))
    for block in before:
        # Only before the first chapter: a poem or an essay speaks of copyright and of publishing too.
        legal = LEGAL.search(block.text) and block.words < _FRONT_SHARE * total
        if (short and (block.level or block.words <= _FRONT_LINE)) or legal:
            block.kind = Kind.FRONT


def _first_chapter(blocks: Sequence[Block], headings: Sequence[Heading], level: int) -> Heading | None:
    """Return the first heading of a chapter with text below it; None if there is none.

    A heading with a number or a name ("Preface") needs less text than any other. Text under a sub-heading
    that follows at once counts.
    """
    ranked = [h for h in headings if h.level <= level]
    full = [h for h in ranked if h.words >= ENOUGH]
    much = _MUCH if any(is_named(heading.title) for heading in full) else ENOUGH
    for heading in full:
        own, longest = heading.own, heading.longest
        # "Chapter 1" followed by a section's heading has its text below that.
        if not own:
            below = next((h for h in headings if h.number > heading.number), None)
            if below is not None and below.level > level:
                own, longest = below.own, below.longest
        if is_named(heading.title) or (own >= much and longest > _FRONT_LINE):
            return heading
    return None
