"""Where the chapters of a document begin: by its table of contents, else by the ranks of its headings."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from mckennabot.extract.blocks import BODY, Block, TocEntry
from mckennabot.extract.headings import HEADING, describe
from mckennabot.extract.matter import LEGAL
from mckennabot.extract.sections import CONTENTS, FRONT, INDEX, PART, title_kind

_ENOUGH = 30
"""Words of text that make a chapter of what follows a heading."""
_FRONT_WORDS = 300
_FRONT_LINE = 25
"""Title pages and the like have fewer words than this, in shorter pieces than this; what has more is text."""
_LOOSE = 100
"""Words that make a chapter of a heading without a number among numbered ones."""
_FRONT_TITLE = re.compile(
    r"(front |book )?cover|(half[- ]?)?title([- ]page)?|dedication|copyright( page| information| notice)?",
    re.IGNORECASE,
)


_END = re.compile(r"(the )?end\W*|fin(is)?\W*|ende\W*", re.IGNORECASE)


class Division(NamedTuple):
    """A place in the text where a chapter, or a section of one, begins."""

    title: str
    chapter: bool


class _Heading(NamedTuple):
    """A heading and the text below it.

    Attributes:
        number: of its block.
        level: its rank, 1 for the highest.
        title: its words.
        own: words up to the next heading of any rank.
        longest: words of the longest paragraph among them.
        words: words up to the next heading of its rank or a higher one.
    """

    number: int
    level: int
    title: str
    own: int
    longest: int
    words: int


def divide(blocks: list[Block], toc: list[TocEntry]) -> dict[int, Division]:
    """The divisions of a document by the numbers of the blocks that begin them.

    The kinds of headings, and of what does not belong to the book's text, are set in the blocks.
    """
    _follow_toc(blocks, toc)
    _join_headings(blocks)
    _mark_listings(blocks)
    _mark_repeated(blocks)
    headings = _headings(blocks)
    level = _chapter_level(headings)
    _mark_titled(blocks, headings, level)
    _mark_front(blocks, headings, level)
    starts: dict[int, Division] = {}
    ranked = [h for h in headings if h.level == level and h.words]
    numbered = sum(_is_numbered(h.title) for h in ranked) > max(2, 0.8 * len(ranked))
    for heading in headings:
        block = blocks[heading.number]
        if block.kind != BODY or _END.fullmatch(heading.title):
            continue
        if heading.level < level and heading.own < _ENOUGH:
            block.kind = PART
            continue
        block.kind = HEADING
        if not (heading.number - 1 in starts and starts[heading.number - 1].chapter):
            # Where chapters have numbers, a headline in the midst of one is none.
            loose = numbered and not _is_named(heading.title) and heading.words < _LOOSE
            starts[heading.number] = Division(heading.title, heading.level <= level and not loose)
    return starts


def _headings(blocks: list[Block]) -> list[_Heading]:
    numbers = [n for n, block in enumerate(blocks) if block.level and block.kind == BODY]
    counts = [0]
    for block in blocks:
        counts.append(counts[-1] + (0 if block.level or block.kind != BODY else block.words))
    found = []
    for index, number in enumerate(numbers):
        after = numbers[index + 1 :]
        level = blocks[number].level
        following = after[0] if after else len(blocks)
        end = next((n for n in after if blocks[n].level <= level), len(blocks))
        own, words = counts[following] - counts[number], counts[end] - counts[number]
        longest = max((block.words for block in blocks[number + 1 : following]), default=0)
        found.append(_Heading(number, level, blocks[number].text, own, longest, words))
    return found


def _chapter_level(headings: list[_Heading]) -> int:
    """The rank of the chapters: of the headings that say so, else the highest of many that are no parts."""
    levels = sorted({heading.level for heading in headings})
    numbered = Counter(h.level for h in headings if h.words and _is_numbered(h.title))
    if (
        numbered
        and (best := max(numbered, key=lambda level: (numbered[level], -level)))
        and numbered[best] > 2
    ):
        return best
    for level in levels:
        ranked = [h for h in headings if h.level == level and not title_kind(h.title) and h.words]
        if (
            len(ranked) > 1
            and not _are_parts(ranked, headings)
            and median(h.words for h in ranked) >= _ENOUGH
        ):
            return level
    return levels[0] if levels else 1


def _is_numbered(title: str) -> bool:
    """Whether a heading bears a chapter's number, alone or before its title."""
    kind, number = describe(title)
    return kind != "part" and number is not None


def _are_parts(ranked: list[_Heading], headings: list[_Heading]) -> bool:
    """Whether most headings of a rank have no text of their own but chapters under them."""
    bare = [heading for heading in ranked if heading.own < _ENOUGH]
    if 2 * len(bare) <= len(ranked):
        return False
    named = sum(describe(heading.title)[0] == "part" for heading in ranked)
    below = [h for h in headings if h.level == ranked[0].level + 1]
    chapters = sum(describe(h.title)[0] == "chapter" for h in below)
    return 2 * named >= len(ranked) or 2 * chapters > len(below)


# What the table of contents says


def _follow_toc(blocks: list[Block], toc: list[TocEntry]) -> None:
    """Rank headings as the table of contents does, and make headings of what it leads to."""
    where = _Places(blocks)
    found = [(entry, number) for entry in toc if (number := where.find(entry)) is not None]
    if len({number for _, number in found}) < 2:
        return
    for block in blocks:
        block.level += 10 if block.level else 0
    missing: list[tuple[int, Block]] = []
    taken: set[int] = set()
    for entry, number in found:
        heading = _heading_near(blocks, number, entry.title, taken)
        if heading is not None:
            taken.add(heading)
            blocks[heading].level = entry.level
        elif kind := _front_kind(entry.title):
            _mark(blocks, number, kind)
        elif number not in taken and blocks[number].kind == BODY:
            taken.add(number)
            missing.append((number, Block(entry.title, BODY, entry.level, blocks[number].place)))
    for number, block in sorted(missing, key=lambda pair: pair[0], reverse=True):
        blocks.insert(number, block)


class _Places:
    """Finds the block that a link leads to."""

    def __init__(self, blocks: list[Block]) -> None:
        self._ids: dict[str, int] = {}
        self._firsts: dict[int, int] = {}
        for number, block in enumerate(blocks):
            self._firsts.setdefault(block.place, number)
            for name in block.ids:
                self._ids.setdefault(name, number)

    def find(self, entry: TocEntry) -> int | None:
        return self._ids.get(entry.target, self._firsts.get(entry.place))


def _heading_near(blocks: list[Block], number: int, title: str, taken: set[int]) -> int | None:
    """The heading at or just below a block, or the line there that says what a title says."""
    near = [n for n in range(number, min(number + 4, len(blocks))) if blocks[n].place == blocks[number].place]
    for n in near:
        if blocks[n].level and n not in taken and blocks[n].kind == BODY:
            return n
        if n in taken or (blocks[n].words > 40 and not blocks[n].level):
            break
    wanted = _letters(title)
    for n in near:
        said = _letters(blocks[n].text)
        if (
            n not in taken
            and blocks[n].kind == BODY
            and said
            and blocks[n].words < 25
            and (said in wanted or wanted in said)
        ):
            blocks[n].text = " ".join(blocks[n].text.split())
            return n
    return None


def _front_kind(title: str) -> str:
    return FRONT if _FRONT_TITLE.fullmatch(title.strip()) else title_kind(title)


def _mark(blocks: list[Block], number: int, kind: str) -> None:
    """Set the kind of all that stands in one document from a block on, up to a heading."""
    place = blocks[number].place
    for block in blocks[number:]:
        if block.place != place or (block.level and block is not blocks[number]):
            break
        block.kind = kind if block.kind == BODY else block.kind


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


# What does not belong to the text


def _join_headings(blocks: list[Block]) -> None:
    """Make one heading of "Chapter One" and the title below it."""
    number = 0
    while number + 1 < len(blocks):
        first, second = blocks[number], blocks[number + 1]
        if (
            first.level
            and second.level >= first.level
            and first.kind == second.kind == BODY
            and first.place == second.place
            and is_bare_number(first.text)
            and describe(second.text)[0] != "chapter"
        ):
            first.text = f"{first.text} {second.text}"
            first.ids |= second.ids
            del blocks[number + 1]
        number += 1


def is_bare_number(text: str) -> bool:
    """Whether a heading says its number and nothing else."""
    kind, number = describe(text)
    return kind == "chapter" and number is not None and len(re.findall(r"\w+", text)) <= 3


def _mark_listings(blocks: list[Block]) -> None:
    """Set the kind of runs of lines that are nothing but links into the book."""
    run: list[Block] = []
    for block in [*blocks, Block("")]:
        if block.linked and block.kind == BODY and not block.level and block.words < 40:
            run.append(block)
            continue
        if len(run) > 2:
            for listed in run:
                listed.kind = CONTENTS
        run = []


def _mark_repeated(blocks: list[Block]) -> None:
    """Set the kind of headings that only announce: nothing stands below them, and they come again later."""
    last = {_letters(block.text): n for n, block in enumerate(blocks) if block.level and block.kind == BODY}
    headings = [n for n, block in enumerate(blocks) if block.level and block.kind == BODY]
    for number, following in pairwise(headings):
        if following == number + 1 and last[_letters(blocks[number].text)] > number:
            blocks[number].kind = CONTENTS


def _mark_titled(blocks: list[Block], headings: list[_Heading], level: int) -> None:
    """Set the kind of sections whose headings say what they are: contents, index, notes."""
    for index, heading in enumerate(headings):
        kind = title_kind(heading.title)
        if not kind or blocks[heading.number].kind != BODY or (heading.level > level and kind != CONTENTS):
            continue
        rank = max(heading.level, level)
        # The headings inside an index are letters: what has more words is a list of its own.
        ends = (
            h.number
            for h in headings[index + 1 :]
            if h.level <= rank or (kind == INDEX and len(h.title.split()) > 2)
        )
        end = next(ends, len(blocks))
        for block in blocks[heading.number : end]:
            block.kind = kind if block.kind == BODY else block.kind


def _mark_front(blocks: list[Block], headings: list[_Heading], level: int) -> None:
    """Set the kind of the short lines before the first chapter, and of what speaks of rights there."""
    first = _first_chapter([h for h in headings if blocks[h.number].kind == BODY and h.level <= level])
    if first is None:
        return
    before = [block for block in blocks[: first.number] if block.kind == BODY]
    short = sum(block.words for block in before) <= _FRONT_WORDS
    for block in before:
        if (short and (block.level or block.words <= _FRONT_LINE)) or LEGAL.search(block.text):
            block.kind = FRONT


def _first_chapter(headings: list[_Heading]) -> _Heading | None:
    """The first of these headings with text below it: under its number or name, or much of it."""
    full = [heading for heading in headings if heading.words >= _ENOUGH]
    named = any(_is_named(heading.title) for heading in full)
    much = _FRONT_WORDS // 2 if named else _ENOUGH
    return next((h for h in full if _is_named(h.title) or (h.own >= much and h.longest > _FRONT_LINE)), None)


def _is_named(title: str) -> bool:
    """Whether a heading says that it is a chapter, a preface or the like."""
    return _is_numbered(title) or describe(title)[0] == "named"
