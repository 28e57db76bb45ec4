"""Find the headings of a document, how much text stands below each, and which rank the chapters have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from mckennabot.extract.books.titles import describe, title_kind
from mckennabot.extract.books.word_count import is_wide
from mckennabot.extract.documents.blocks import Block
from mckennabot.extract.kinds import Kind

ENOUGH = 30
"""Words below a heading that make a chapter of it; a title page has fewer."""
_CHAPTER = 80
"""Words of a file of an EPUB that make a chapter rather than a section of it."""
_CHAPTER_SHARE = 0.8
"""Share of the headings below parts that have such a file each, if they are the chapters."""


class Heading(NamedTuple):
    """A heading and the text below it.

    Attributes:
        number: index of its block.
        level: its rank, 1 for the highest.
        title: its words.
        own: number of words up to the next heading of any rank.
        longest: number of words of the longest paragraph among them.
        words: number of words up to the next heading of its rank or a higher one.
        opens: whether one of several files of the source begins with it.
    """

    number: int
    level: int
    title: str
    own: int
    longest: int
    words: int
    opens: bool


def find_headings(blocks: Sequence[Block]) -> list[Heading]:
    """Return the headings of a document's text in order, counted in one pass from the end."""
    found: list[Heading] = []
    total = own = longest = 0
    # Index of the first block of each file.
    first = {block.place: n for n, block in reversed(list(enumerate(blocks))) if block.kind == Kind.BODY}
    # Ranks of the headings that end what stands above them, and the words from there to the end.
    following: list[tuple[int, int]] = []
    for number in reversed(range(len(blocks))):
        block = blocks[number]
        if block.kind != Kind.BODY:
            continue
        if not block.level:
            total, own, longest = total + block.words, own + block.words, max(longest, block.words)
            continue
        while following and following[-1][0] > block.level:
            following.pop()
        words = total - (following[-1][1] if following else 0)
        following.append((block.level, total))
        opens = len(first) > 1 and first[block.place] == number
        found.append(Heading(number, block.level, block.text, own, longest, words, opens))
        own = longest = 0
    return found[::-1]


def chapter_level(headings: Sequence[Heading]) -> int:
    """Return the rank of the chapters.

    It is that of most numbered headings; else the highest that two or more headings share and that does
    not belong to parts.
    """
    levels = sorted({heading.level for heading in headings})
    numbered = Counter(h.level for h in headings if h.words and is_numbered(h.title))
    # Numbers are the surest sign of chapters, unless as many headings above them have text: then the
    # numbers belong to sections.
    if numbered:
        best = max(numbered, key=lambda level: (numbered[level], -level))
        above = sum(h.level < best and h.own >= ENOUGH and not title_kind(h.title) for h in headings)
        if numbered[best] > max(2, above):
            return best
    for level in levels:
        ranked = [h for h in headings if h.level == level and h.words and not title_kind(h.title)]
        # A rank of a single heading is the book's title.
        if len(ranked) < 2 or _are_parts(ranked, headings):
            continue
        if median(heading.words for heading in ranked) >= ENOUGH:
            return _below_parts(ranked, headings) or level
    return levels[0] if levels else 1


def _below_parts(ranked: Sequence[Heading], headings: Sequence[Heading]) -> int:
    """Return the rank below if its headings are the chapters of parts that have introductions; else 0.

    Parts with text of their own look like chapters. But if most headings below them begin a file of their
    own, and there are more of these than of parts, they are the chapters.
    """
    below = min((h.level for h in headings if h.level > ranked[0].level), default=0)
    chapters = [h for h in headings if h.level == below]
    if len(chapters) <= len(ranked) or any(is_numbered(heading.title) for heading in ranked):
        return 0
    whole = sum(h.opens and h.words >= _CHAPTER for h in chapters)
    return below if whole >= _CHAPTER_SHARE * len(chapters) else 0


def _are_parts(ranked: Sequence[Heading], headings: Sequence[Heading]) -> bool:
    """Return whether the headings of a rank are parts: most lack text, and are not chapters in sections."""
    if 2 * sum(heading.own < ENOUGH for heading in ranked) <= len(ranked):
        return False
    parts = sum(describe(heading.title)[0] == "part" for heading in ranked)
    named = sum(is_named(heading.title) for heading in ranked)
    below = [h for h in headings if h.level == ranked[0].level + 1]
    chapters = sum(describe(h.title)[0] == "chapter" for h in below)
    return 2 * max(parts, len(ranked) - named) >= len(ranked) or 2 * chapters > len(below)


def is_numbered(title: str) -> bool:
    """Return whether a heading has a chapter's number, alone or before its title."""
    kind, number = describe(title)
    return kind != "part" and number is not None


def is_named(title: str) -> bool:
    """Return whether a heading says that it is a chapter, a preface or the like."""
    return is_numbered(title) or describe(title)[0] == "named"


def is_bare_number(title: str) -> bool:
    """Return whether a heading says its number and nothing else.

    >>> is_bare_number("Chapter One"), is_bare_number("XIV."), is_bare_number("1. The Lamp")
    (True, True, False)
    """
    kind, number = describe(title)
    # "Chapter Twenty One" has three words; 第一章 is a single one.
    most = 3 if title.isascii() or not any(map(is_wide, title)) else 1
    return kind == "chapter" and number is not None and len(re.findall(r"\w+", title)) <= most
