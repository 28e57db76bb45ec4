"""Define what every reader of documents returns: a `Source`, made of blocks in reading order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from mckennabot.extract.books.word_count import count_words
from mckennabot.extract.kinds import Kind

MAX_BLOCKS = 1_000_000
"""Blocks of a book; more are refused. The Bible has thirty thousand verses."""


@dataclass(slots=True)
class Block:
    """A paragraph, a stanza or a heading.

    Attributes:
        text: its words; line breaks are verse's.
        kind: body, or what it was taken for (see `mckennabot.extract.kinds`).
        level: of a heading, 1 for the outermost; 0 for text.
        place: number of the document of an EPUB that it stands in, from 1; 1 in other sources.
        ids: names by which links lead here, as ``file#id``.
        linked: whether all of it is links to other places in the book.
        opens: whether a text of its own begins here, such as a row of a table.
        targets: where its links lead, as ``file#id`` or ``file``.
    """

    text: str
    kind: Kind = Kind.BODY
    level: int = 0
    place: int = 1
    ids: frozenset[str] = frozenset()
    linked: bool = False
    targets: frozenset[str] = frozenset()
    opens: bool = False

    @property
    def words(self) -> int:
        """Number of words, as `count_words` counts them."""
        return count_words(self.text)


class TocEntry(NamedTuple):
    """An entry of the table of contents that reading software shows.

    Attributes:
        level: depth, 1 for the outermost.
        title: its words.
        place: number of the document it leads to.
        target: ``file#id`` in it, or ``file``.
    """

    level: int
    title: str
    place: int
    target: str


class Source(NamedTuple):
    """A source as a reader returns it, before anything is left out.

    Attributes:
        blocks: in reading order.
        toc: its table of contents; empty where it has none.
        notes: where the marks of notes lead, as ``file#id``.
        marks: how many marks of notes were left out.
        places: how many documents it is made of.
        failed: documents that could not be read, with the reason.
        said: what the reader chose or could not keep, for the user.
        names: of these documents in the file, where they have names.
    """

    blocks: list[Block]
    toc: Sequence[TocEntry] = ()
    notes: frozenset[str] = frozenset()
    marks: int = 0
    places: int = 1
    failed: Mapping[int, str] = MappingProxyType({})
    said: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
