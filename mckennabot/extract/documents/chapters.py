"""Where the chapters of a document begin, and what in it is no part of the text."""

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

_FRONT_WORDS = 300
_FRONT_LINE = 25
"""Title pages have fewer words than this, in shorter pieces than this; what has more is text."""
_FRONT_SHARE = 0.15
"""Of a text's words: what is more, or is spoken of rights in more, is no title page."""
_LOOSE = 100
"""Words that make a chapter of a heading without a number among numbered ones."""
_LISTED = 40
_END = re.compile(r"(the )?end\W*|fin(is)?\W*|ende\W*", re.IGNORECASE)


class Division(NamedTuple):
    """A place in the text where a chapter, or a section of one, begins."""

    title: str
    chapter: bool


def divide(
    blocks: list[Block], toc: Sequence[TocEntry], marks: int = 0
) -> tuple[list[Block], dict[int, Division]]:
    """The divisions of a document.

    The kinds of headings, and of what does not belong to the book's text, are set in the blocks.

    Args:
        blocks: in reading order.
        toc: the document's table of contents; its headings tell where it has none.
        marks: how many marks of notes its text had.

    Returns:
        The blocks, those of one heading made one, and the divisions by the numbers of the blocks that
        begin them.
    """
    blocks = _join_headings(follow_toc(blocks, toc))
    _mark_listings(blocks)
    _mark_repeated(blocks)
    headings = find_headings(blocks)
    level = chapter_level(headings)
    _mark_titled(blocks, headings, level, marks)
    _mark_front(blocks, headings, level)
    starts: dict[int, Division] = {}
    ranked = [h for h in headings if h.level == level and h.words]
    numbered = sum(is_numbered(h.title) for h in ranked) > max(2, 0.8 * len(ranked))
    for heading in headings:
        block = blocks[heading.number]
        if block.kind != Kind.BODY or _END.fullmatch(heading.title):
            continue
        if heading.level < level and heading.own < ENOUGH:
            block.kind = Kind.PART
            continue
        block.kind = Kind.HEADING
        above = starts.get(heading.number - 1)
        if above is None or not above.chapter:
            # Where chapters have numbers, a headline in the midst of one is none.
            loose = numbered and not is_named(heading.title) and heading.words < _LOOSE
            starts[heading.number] = Division(heading.title, heading.level <= level and not loose)
    return blocks, starts


def _join_headings(blocks: Sequence[Block]) -> list[Block]:
    """Make one heading of "Chapter One" and the title below it."""
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
    """Set the kind of runs of lines that are nothing but links into the book."""
    run: list[Block] = []
    for block in [*blocks, Block("")]:
        if block.linked and block.kind == Kind.BODY and not block.level and block.words < _LISTED:
            run.append(block)
            continue
        if len(run) > 2:
            for listed in run:
                listed.kind = Kind.CONTENTS
        run = []


def _mark_repeated(blocks: Sequence[Block]) -> None:
    """Set the kind of headings that only announce: nothing stands below them, and they come again later."""
    numbers = [n for n, block in enumerate(blocks) if block.level and block.kind == Kind.BODY]
    last = {blocks[n].text.casefold(): n for n in numbers}
    for number, following in pairwise(numbers):
        if following == number + 1 and last[blocks[number].text.casefold()] > number:
            blocks[number].kind = Kind.CONTENTS


def _mark_titled(blocks: Sequence[Block], headings: Sequence[Heading], level: int, marks: int) -> None:
    """Set the kind of sections whose headings say what they are: contents, index, notes."""
    total = sum(block.words for block in blocks if block.kind == Kind.BODY)
    for index, heading in enumerate(headings):
        kind = title_kind(heading.title)
        if not kind or blocks[heading.number].kind != Kind.BODY:
            continue
        rank = max(heading.level, level)
        if heading.level > level and kind != Kind.CONTENTS:
            if not _are_notes(blocks, heading, marks):
                continue
            kind, rank = Kind.FOOTNOTE, heading.level  # of one chapter
        elif kind in (Kind.BACK, Kind.BOILERPLATE) and heading.words > 0.5 * total:
            continue  # an article that is called "Notes on ..." or "References"
        # The headings inside an index are letters: what has more words is a list of its own.
        ends = (
            h.number
            for h in islice(headings, index + 1, None)
            if h.level <= rank or (kind == Kind.INDEX and len(h.title.split()) > 2)
        )
        for number in range(heading.number, next(ends, len(blocks))):
            blocks[number].kind = kind if blocks[number].kind == Kind.BODY else blocks[number].kind


def _are_notes(blocks: Sequence[Block], heading: Heading, marks: int) -> bool:
    """Whether the notes of one chapter stand below a heading inside it."""
    if not _NOTES.fullmatch(heading.title.strip(" .:")):
        return False
    below = list(islice(blocks, heading.number + 1, heading.number + 4))
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
    """Set the kind of the short lines before the first chapter, and of what speaks of rights there."""
    total = sum(block.words for block in blocks if block.kind == Kind.BODY)
    first = _first_chapter(blocks, [h for h in headings if blocks[h.number].kind == Kind.BODY], level)
    if first is None:
        return
    before = [block for block in islice(blocks, first.number) if block.kind == Kind.BODY]
    # A book that says which pages these are has said it of all.
    told = any(block.kind == Kind.FRONT for block in islice(blocks, first.number))
    words = sum(block.words for block in before)
    # A talk or an article begins with what would be a title page in a book; it is a share of the text.
    short = not told and words <= min(_FRONT_WORDS, max(_FRONT_LINE, _FRONT_SHARE * total))
    for block in before:
        legal = LEGAL.search(block.text) and block.words < _FRONT_SHARE * total
        if (short and (block.level or block.words <= _FRONT_LINE)) or legal:
            block.kind = Kind.FRONT


def _first_chapter(blocks: Sequence[Block], headings: Sequence[Heading], level: int) -> Heading | None:
    """The first heading of a chapter with text below it: under its number or name, or much of it.

    Text under the first sub-heading counts, where that follows at once.
    """
    ranked = [h for h in headings if h.level <= level]
    full = [h for h in ranked if h.words >= ENOUGH]
    much = _FRONT_WORDS // 2 if any(is_named(heading.title) for heading in full) else ENOUGH
    for heading in full:
        own, longest = heading.own, heading.longest
        if not own:
            below = next((h for h in headings if h.number > heading.number), None)
            if below is not None and below.level > level:
                own, longest = below.own, below.longest
        if is_named(heading.title) or (own >= much and longest > _FRONT_LINE):
            return heading
    return None
