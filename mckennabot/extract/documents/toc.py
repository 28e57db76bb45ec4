"""Rank the headings of a document as its table of contents does."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mckennabot.extract.books.titles import title_kind
from mckennabot.extract.documents.blocks import Block, TocEntry
from mckennabot.extract.kinds import Kind

_NEAR = 4
"""Blocks from where an entry leads among which its heading is: a picture or a part's title may come first."""
_TITLE_LENGTH = 200
"""Characters of a block that may be a heading."""
_FRONT_TITLE = re.compile(
    r"(front |book )?cover|(half[- ]?)?title([- ]page)?|dedication|copyright( page| information| notice)?",
    re.IGNORECASE,
)


def follow_toc(blocks: list[Block], toc: Sequence[TocEntry]) -> list[Block]:
    """Rank headings as the table of contents does, and make headings of what it leads to.

    Headings that it does not list rank below those that it does.

    Returns:
        The blocks, with a heading made of the entry if the text has none.
    """
    where = _Places(blocks)
    found = [(entry, number) for entry in toc if (number := where.find(entry)) is not None]
    # If all entries lead to one place, they say nothing about chapters.
    if len({number for _, number in found}) < 2:
        return blocks
    # Below all entries, so that the headings that the table leaves out become sections.
    lowest = max(entry.level for entry in toc)
    for block in blocks:
        block.level += lowest if block.level else 0
    missing: dict[int, list[Block]] = {}
    taken: set[int] = set()
    for entry, number in found:
        heading = _heading_near(blocks, number, entry.title, taken)
        if heading is not None:
            taken.add(heading)
            blocks[heading].level = entry.level
        elif _FRONT_TITLE.fullmatch(entry.title):
            _mark(blocks, number, Kind.FRONT)
        elif kind := title_kind(entry.title):
            _mark(blocks, number, kind)
        # Books whose chapter titles are pictures have them in the table of contents only.
        elif number not in taken and number not in missing and blocks[number].kind == Kind.BODY:
            missing[number] = [Block(entry.title, Kind.BODY, entry.level, blocks[number].place)]
    return [new for number, block in enumerate(blocks) for new in (*missing.get(number, ()), block)]


class _Places:
    """Finds the block that a link leads to."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._ids: dict[str, int] = {}
        self._firsts: dict[int, int] = {}
        for number, block in enumerate(blocks):
            self._firsts.setdefault(block.place, number)
            for name in block.ids:
                self._ids.setdefault(name, number)

    def find(self, entry: TocEntry) -> int | None:
        return self._ids.get(entry.target, self._firsts.get(entry.place))


def _heading_near(blocks: Sequence[Block], number: int, title: str, taken: set[int]) -> int | None:
    """Return the index of the heading at or just below a block, or of the line there that is the title."""
    near: list[int] = []
    for n in range(number, min(number + _NEAR, len(blocks))):
        block = blocks[n]
        if block.place != blocks[number].place or (n in taken and near):
            break
        if block.kind == Kind.BODY and n not in taken and len(block.text) < _TITLE_LENGTH:
            if block.level:
                return n
            near.append(n)
    # By letters alone: the table often has other punctuation, or a number less.
    wanted = _letters(title)
    for n in near:
        said = _letters(blocks[n].text)
        if said and (said in wanted or wanted in said):
            blocks[n].text = " ".join(blocks[n].text.split())
            return n
    return None


def _mark(blocks: Sequence[Block], number: int, kind: Kind) -> None:
    """Set the kind of what follows in one file from a block on, up to the next heading."""
    for n in range(number, len(blocks)):
        block = blocks[n]
        if block.place != blocks[number].place or (block.level and n > number):
            break
        block.kind = kind if block.kind == Kind.BODY else block.kind


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
