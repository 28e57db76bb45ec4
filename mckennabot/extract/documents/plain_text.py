"""Plain text and Markdown as blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby, islice, pairwise

from mckennabot.errors import InputError
from mckennabot.extract.books.numerals import number
from mckennabot.extract.books.titles import describe, title_kind
from mckennabot.extract.books.word_count import count_words, is_wide
from mckennabot.extract.documents.blocks import MAX_BLOCKS, Block
from mckennabot.extract.documents.decode import decode_file
from mckennabot.extract.documents.hard_wraps import had_room, joined, margin, texts
from mckennabot.extract.documents.headings import is_bare_number
from mckennabot.extract.documents.html_reader import read_html
from mckennabot.extract.kinds import Kind
from mckennabot.extract.speakers import label_lines, label_of

_HEADING_WORDS = 30
_SHORT = 15
"""Characters of a short heading in a script without blanks."""
# Italics and bold as Project Gutenberg's volunteers type them.
_EMPHASIS = re.compile(r"(?<![\w_=])([_=])(?=[^\s_=])([^_=]{1,2000}?)(?<=[^\s_=])\1(?![_=])")
_NOTE = re.compile(r"[\[{](?:footnote\s*)?(\w{1,4}|[*†‡§]+)[:\]}]\s", re.IGNORECASE)
_NOTE_MARK = re.compile(r"\s?(?:\[(\w{1,4}|[*†‡§]+)\]|\{(\w{1,4})\})")
_BRACKETED = {"[footnote": Kind.FOOTNOTE, "[illustration": Kind.CAPTION, "[transcriber": Kind.BOILERPLATE}
_DENSE = 15
"""Lines without an empty one, on average, in text that parts its paragraphs by indents alone."""


def read_text(data: bytes) -> list[Block]:
    """The blocks of plain text: hard wraps joined, verse kept, headings found by words and space.

    Raises:
        InputError: it is no text.
    """
    text = decode_file(data)
    lines = [line.expandtabs(4).rstrip() for line in text.split("\n")]
    width = margin(_between_empty(lines))
    spoken = label_lines([line.strip() for line in lines])
    chunks = list(islice(_chunks(lines, width, spoken), MAX_BLOCKS + 1))
    if len(chunks) > MAX_BLOCKS:
        raise InputError(f"more than {MAX_BLOCKS:,} paragraphs: that is no book")
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
    """Runs of lines without an empty one between them, stripped."""
    for full, run in groupby(lines, bool):
        if full:
            yield [line.strip() for line in run]


def _numbered_series(chunks: list[list[str]]) -> set[int]:
    """Places of short lone lines that begin or end in one word of any language, beside numbers that count.

    Without knowing the language: ``Pennod 1``, ``Pennod 2``, ``Pennod 3`` with text between them.
    """
    found: dict[tuple[str, bool], list[tuple[int, int]]] = {}
    for place, chunk in enumerate(chunks):
        words = chunk[0].split()
        if len(chunk) > 1 or not 2 <= len(words) <= 6:
            continue
        for word, beside, first in ((words[0], words[1], True), (words[1], words[0], False)):
            value = number(beside.strip(".:,)]-–—"))
            if value is not None and word[0].isalpha() and number(word) is None:
                found.setdefault((word.casefold().strip(".:,"), first), []).append((place, value))
    series: set[int] = set()
    for entries in found.values():
        counting = [b for a, b in pairwise(entries) if b[1] == a[1] + 1 and b[0] > a[0] + 1]
        if len(entries) > 2 and entries[0][1] == 1 and len(counting) == len(entries) - 1:
            series.update(place for place, _ in entries)
    return series


def read_markdown(data: bytes) -> list[Block]:
    """The blocks of Markdown, without its marks.

    Raises:
        InputError: it is no text.
    """
    from markdown_it import MarkdownIt

    text = decode_file(data)
    front = re.match(r"---\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", text, re.DOTALL)
    if front:
        text = text[front.end() :]
    text = _FLANKED.sub(_apart, _INNER_BLANK.sub(_outside, text))
    text = _TOO_DEEP.sub("", text)
    text = _LINE_BLOCK.sub(_hard_breaks, text)
    text = _NOTE_DEFINITION.sub(r"\1\\[^\2\\]:", text)
    html = MarkdownIt("commonmark", {"maxNesting": _NESTING}).enable(["table", "strikethrough"]).render(text)
    blocks = read_html(html).blocks
    notes = {match[1] for block in blocks if (match := _MARKDOWN_NOTE.match(block.text))}
    for block in blocks:
        if match := _MARKDOWN_NOTE.match(block.text):
            block.kind, block.text = Kind.FOOTNOTE, block.text[match.end() :]
        elif "[^" in block.text:
            block.text = re.sub(r"\s?\[\^(\w{1,40})\]", lambda m: "" if m[1] in notes else m[0], block.text)
    return [Block(front[1], Kind.FRONT), *blocks] if front else blocks


# Pandoc's lines of verse, "| " before each; a table's rows end in | as well.
_LINE_BLOCK = re.compile(r"(?:^\| [^\n]*[^|\s][ \t]*(?:\n|\Z)){2,}", re.MULTILINE)
_NOTE_DEFINITION = re.compile(r"^( {0,3})\[\^(\w{1,40})\]:", re.MULTILINE)
_MARKDOWN_NOTE = re.compile(r"\[\^(\w{1,40})\]:\s*")


_NESTING = 100
"""Levels of lists and quotations that Markdown is read to, two for each list."""
# Quotations and lists in each other, deeper than people write: they would be dropped, words and all.
_TOO_DEEP = re.compile(
    r"^(?:[ \t]*(?:>|[-*+](?=\s)|\d{1,9}[.)](?=\s))){12,}[ \t]*|^[ \t]{48,}(?=(?:[-*+]|\d{1,9}[.)])[ \t])",
    re.MULTILINE,
)
# "**Name: ** speech", as editors export it: CommonMark does not take such stars for marks.
_INNER_BLANK = re.compile(
    r"(?P<code>`[^`\n]*`)|(?:(?<=\n)|(?<![\s\S]))\*(?P<label>[^\s*][^*\n`]{0,40}:)[ \t]+\*(?![*\w])|"
    r"(?<![*_\\\w])(?P<mark>\*\*|__)(?=\S)(?P<words>(?:(?!(?P=mark))[^\n`])*?\S)[ \t]+(?P=mark)(?![*_])|"
    r"(?<![*_\\\w])(?P<open>\*\*|__)[ \t]+(?P<inner>\S(?:(?:(?!(?P=open))[^\n`])*?\S)?)(?P=open)(?![*_\w])"
)


def _outside(match: re.Match[str]) -> str:
    """Emphasis with the blank that stood inside it behind it."""
    if match["code"]:
        return match[0]
    if match["label"]:
        return f"*{match['label']}* "
    mark, words = match["mark"] or match["open"], match["words"] or match["inner"]
    return f"{mark}{words}{mark} "


# "**Name:**speech": stars between a sign and a letter are no marks to CommonMark either.
_FLANKED = re.compile(r"(?<![*\\`\w])(\*\*)([^\s*][^*\n`]*?[^\w\s*`\\])\1(?=[^\W_])")


def _apart(match: re.Match[str]) -> str:
    """The words without stars, and a blank behind them where the script has blanks."""
    return match[2] if is_wide(match[2][-1]) else f"{match[2]} "


def _hard_breaks(match: re.Match[str]) -> str:
    return "\\\n".join(line[2:].strip() for line in match[0].splitlines()) + "\n"


def _chunks(lines: list[str], width: int, spoken: frozenset[int]) -> Iterator[tuple[int, list[str]]]:
    """Paragraphs as lines, each with the number of empty lines above it."""
    breaks = sum(bool(a) and not b for a, b in pairwise(lines))
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
    """Lines without an empty one between them as paragraphs.

    Args:
        chunk: the lines.
        width: the margin that the text is wrapped at; 0 where its lines are paragraphs.
        dense: whether the text has hardly any empty lines.
    """
    stripped = [line.strip() for line in chunk]
    if not width:
        label = label_of(stripped[0])
        if label and label.speech and not label.time:
            return [[line] for line in chunk]  # a speech's paragraphs, a line each
        if dense and len(chunk) > _DENSE:
            return texts(stripped) or [[line] for line in chunk]
        return (texts(stripped) if len(chunk) > 1 else None) or [chunk]
    if not dense:
        return [chunk]
    indents = [len(line) - len(line.lstrip()) for line in chunk]
    least = min(indents)
    firsts = [n for n, indent in enumerate(indents) if indent > least or not n]
    return [chunk[a:b] for a, b in pairwise([*firsts, len(chunk)])]


def _level(chunk: list[str], above: int, before: str) -> int:
    """The level of a heading; 0 for text.

    Args:
        chunk: lines without an empty one between them.
        above: empty lines before them.
        before: the heading just above, "" where there is text.
    """
    text = " ".join(" ".join(chunk).split()).strip("_ ")
    words = count_words(text)
    if len(chunk) > 4 or words > _HEADING_WORDS or not any(c.isalnum() for c in text):
        return 0
    if text.endswith((",", ";")) or text[0] in "[\"“'‘(" or text[0].islower():
        return 0
    kind, count = describe(text)
    free = above > 1 or words < 4 or (words > len(text.split()) and len(text) < _SHORT)
    if kind == "part" and count is not None and free and not re.search(r"[,;]", text):
        return 1
    if (kind == "chapter" and count is not None) or kind == "named":
        return 2 if free and (words < 12 or text.isupper()) else 0
    if title_kind(text) and words < 6:
        return 2
    if words > 12 or len(chunk) > 3:
        return 0
    sentence = text.endswith((".", ":", "?", "!", "”", '"')) and not text.isupper()
    if before and is_bare_number(before) and not sentence:
        return 2
    return 3 if not sentence and (above > 2 or (text.isupper() and above > 1 and len(text) > 3)) else 0


def _kind(text: str, notes: set[str]) -> Kind:
    if text[0] == "[" and text.endswith("]"):
        for beginning, kind in _BRACKETED.items():
            if text.lower().startswith(beginning):
                return kind
    return Kind.FOOTNOTE if (match := _NOTE.match(text)) and match[1] in notes else Kind.BODY


def _without_marks(text: str, notes: set[str]) -> str:
    return _NOTE_MARK.sub(lambda match: "" if (match[1] or match[2]) in notes else match[0], text)
