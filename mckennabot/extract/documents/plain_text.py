"""Read plain text: join hard wraps, keep verse, find headings by their words and the space around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby, islice, pairwise

from mckennabot.errors import InputError
from mckennabot.extract.books.numerals import number
from mckennabot.extract.books.titles import describe, title_kind
from mckennabot.extract.books.word_count import count_words
from mckennabot.extract.documents.blocks import MAX_BLOCKS, Block
from mckennabot.extract.documents.decode import decode_file
from mckennabot.extract.documents.hard_wraps import as_texts, had_room, joined, margin
from mckennabot.extract.documents.headings import is_bare_number
from mckennabot.extract.kinds import Kind
from mckennabot.extract.speakers import label_lines, label_of

_HEADING_WORDS, _HEADING_LINES = 30, 4
"""Words and lines of the longest heading: old chapters have a summary for a title."""
_TITLE_WORDS, _TITLE_LINES = 12, 3
"""Words and lines from which on a text needs the word for a chapter and a number to be a heading."""
_LIST_WORDS = 6
"""Words of a title such as "Contents" or "List of Illustrations"; more are a sentence that begins so."""
_FEW_WORDS = 4
"""Fewer words than this may be a heading without more than one empty line above them."""
_SHORT = 15
"""Characters of a short heading in a script without blanks."""
_SPACED, _WIDELY_SPACED = 1, 2
"""Empty lines that are exceeded above a heading in capitals, and above one that nothing else shows."""
_SERIES_WORDS = 6
"""Words of a lone line that may be one of a numbered series, ``Pennod 3`` with a title behind it."""
_TAB = 4
# Italics and bold as Project Gutenberg's volunteers type them.
_EMPHASIS = re.compile(r"(?<![\w_=])([_=])(?=[^\s_=])([^_=]{1,2000}?)(?<=[^\s_=])\1(?![_=])")
_NOTE = re.compile(r"[\[{](?:footnote\s*)?(\w{1,4}|[*†‡§]+)[:\]}]\s", re.IGNORECASE)
_NOTE_MARK = re.compile(r"\s?(?:\[(\w{1,4}|[*†‡§]+)\]|\{(\w{1,4})\})")
_BRACKETED = {"[footnote": Kind.FOOTNOTE, "[illustration": Kind.CAPTION, "[transcriber": Kind.BOILERPLATE}
_DENSE = 15
"""Lines between two empty ones, on average, in a text that separates paragraphs by indents alone."""


def read_text(data: bytes) -> list[Block]:
    """Return the blocks of plain text.

    Raises:
        InputError: it is not text.
    """
    text = decode_file(data)
    lines = [line.expandtabs(_TAB).rstrip() for line in text.split("\n")]
    width = margin(_between_empty(lines))
    spoken = label_lines([line.strip() for line in lines])
    chunks = list(islice(_chunks(lines, width, spoken), MAX_BLOCKS + 1))
    if len(chunks) > MAX_BLOCKS:
        raise InputError(f"more than {MAX_BLOCKS:,} paragraphs: too large for a book")
    # A bracketed number is a note's mark only if a note with it exists: [1] may be anything else.
    notes = {match[1] for _, chunk in chunks if (match := _NOTE.match(chunk[0].strip()))}
    series = _numbered_series([chunk for _, chunk in chunks])
    blocks: list[Block] = []
    for place, (above, chunk) in enumerate(chunks):
        text = joined(chunk, width) if width else "\n".join(line.strip() for line in chunk)
        level = (
            2
            if place in series
            else _level(chunk, above, blocks[-1].text if blocks and blocks[-1].level else "")
        )
        text = _EMPHASIS.sub(r"\2", " ".join(text.split()) if level else text)
        kind = _kind(text, notes)
        if kind != Kind.FOOTNOTE:
            text = _without_marks(text, notes)
        blocks.append(Block(text, kind, level if kind == Kind.BODY else 0))
    return blocks


def _between_empty(lines: list[str]) -> Iterator[list[str]]:
    """Yield runs of lines without an empty one between them, stripped."""
    for full, run in groupby(lines, bool):
        if full:
            yield [line.strip() for line in run]


def _numbered_series(chunks: list[list[str]]) -> set[int]:
    """Find chapter headings in languages whose words are not known, by their numbers.

    ``Pennod 1``, ``Pennod 2``, ``Pennod 3``: short lone lines, text between them, that begin with the same
    word and a number, or the number and the word, and count from one.

    Returns:
        Their places among the chunks.
    """
    found: dict[tuple[str, bool], list[tuple[int, int]]] = {}
    for place, chunk in enumerate(chunks):
        words = chunk[0].split()
        if len(chunk) > 1 or not 2 <= len(words) <= _SERIES_WORDS:
            continue
        for word, beside, first in ((words[0], words[1], True), (words[1], words[0], False)):
            value = number(beside.strip(".:,)]-–—"))
            if value is not None and word[0].isalpha() and number(word) is None:
                found.setdefault((word.casefold().strip(".:,"), first), []).append((place, value))
    series: set[int] = set()
    for entries in found.values():
        # With text between them, so that a numbered list is not taken for chapters.
        counting = [b for a, b in pairwise(entries) if b[1] == a[1] + 1 and b[0] > a[0] + 1]
        if len(entries) > 2 and entries[0][1] == 1 and len(counting) == len(entries) - 1:
            series.update(place for place, _ in entries)
    return series


def _chunks(lines: list[str], width: int, spoken: frozenset[int]) -> Iterator[tuple[int, list[str]]]:
    """Yield paragraphs as lists of lines, each with the number of empty lines above it.

    A line of `spoken` begins a speech: it starts a paragraph unless a wrap may have brought it there.
    """
    breaks = sum(bool(a) and not b for a, b in pairwise(lines))
    # Some texts have no empty lines at all, but for a few around chapters.
    dense = sum(map(bool, lines)) > _DENSE * (breaks + 1)
    above, chunk = 0, list[str]()
    for place, line in enumerate([*lines, ""]):
        begins = place in spoken and (not width or had_room(lines[place - 1].strip(), line.strip(), width))
        if chunk and (not line or begins):
            for part in _parts(chunk, width, dense):
                yield above, part
                above = 0
            chunk = []
        if line:
            chunk.append(line)
        else:
            above += 1


def _parts(chunk: list[str], width: int, dense: bool) -> list[list[str]]:
    """Split lines without an empty one between them into paragraphs.

    Args:
        chunk: the lines.
        width: the margin that the text is wrapped at; 0 where its lines are paragraphs.
        dense: whether the text has hardly any empty lines.
    """
    stripped = [line.strip() for line in chunk]
    if not width:
        # A transcript has its speaker in front of the first paragraph of a speech only.
        label = label_of(stripped[0])
        if label and label.speech and not label.time:
            return [[line] for line in chunk]  # a speech's paragraphs, a line each
        if dense and len(chunk) > _DENSE:
            return as_texts(stripped) or [[line] for line in chunk]
        return (as_texts(stripped) if len(chunk) > 1 else None) or [chunk]
    if not dense:
        return [chunk]
    # Typed books without empty lines begin paragraphs with an indent.
    indents = [len(line) - len(line.lstrip()) for line in chunk]
    least = min(indents)
    firsts = [n for n, indent in enumerate(indents) if indent > least or not n]
    return [chunk[a:b] for a, b in pairwise([*firsts, len(chunk)])]


def _level(chunk: list[str], above: int, before: str) -> int:
    """Return the level of a heading, 0 for text: 1 for parts, 2 for chapters, 3 for others.

    Args:
        chunk: lines without an empty one between them.
        above: empty lines before them.
        before: the heading just above, "" where there is text.
    """
    text = " ".join(" ".join(chunk).split()).strip("_ ")
    words = count_words(text)
    if len(chunk) > _HEADING_LINES or words > _HEADING_WORDS or not any(c.isalnum() for c in text):
        return 0
    # Headings do not end in the middle of a sentence, nor begin with speech or in lower case: that is
    # verse.
    if text.endswith((",", ";")) or text[0] in "[\"“'‘(" or text[0].islower():
        return 0
    kind, count = describe(text)
    # Of a script without blanks, words are characters, and a short heading has many.
    free = above > _SPACED or words < _FEW_WORDS or (words > len(text.split()) and len(text) < _SHORT)
    # "Part two of the plan, however, ..." begins a sentence: hence no commas.
    if kind == "part" and count is not None and free and not re.search(r"[,;]", text):
        return 1
    if (kind == "chapter" and count is not None) or kind == "named":
        return 2 if free and (words < _TITLE_WORDS or text.isupper()) else 0
    if title_kind(text) and words < _LIST_WORDS:
        return 2
    if words > _TITLE_WORDS or len(chunk) > _TITLE_LINES:
        return 0
    sentence = text.endswith((".", ":", "?", "!", "”", '"')) and not text.isupper()
    # The title below "Chapter One", whatever its form.
    if before and is_bare_number(before) and not sentence:
        return 2
    # Up to three capitals may be initials, or a roman number in a list.
    shouted = text.isupper() and above > _SPACED and len(text) > 3
    return 3 if not sentence and (above > _WIDELY_SPACED or shouted) else 0


def _kind(text: str, notes: set[str]) -> Kind:
    """Return the kind of a paragraph by its bracketed beginning, such as ``[Illustration: ...]``."""
    if text[0] == "[" and text.endswith("]"):
        for beginning, kind in _BRACKETED.items():
            if text.lower().startswith(beginning):
                return kind
    return Kind.FOOTNOTE if (match := _NOTE.match(text)) and match[1] in notes else Kind.BODY


def _without_marks(text: str, notes: set[str]) -> str:
    return _NOTE_MARK.sub(lambda match: "" if (match[1] or match[2]) in notes else match[0], text)
