"""Read Markdown: CommonMark with tables, strike-through, footnotes and a YAML header, by way of HTML."""

from __future__ import annotations

import re

from mckennabot.extract.books.word_count import is_wide
from mckennabot.extract.documents.blocks import Block
from mckennabot.extract.documents.decode import decode_file
from mckennabot.extract.documents.html_reader import read_html
from mckennabot.extract.kinds import Kind

# Pandoc's lines of verse begin with "| "; the rows of a table end in | as well.
_LINE_BLOCK = re.compile(r"(?:^\| [^\n]*[^|\s][ \t]*(?:\n|\Z)){2,}", re.MULTILINE)
_NOTE_DEFINITION = re.compile(r"^( {0,3})\[\^(\w{1,40})\]:", re.MULTILINE)
_MARKDOWN_NOTE = re.compile(r"\[\^(\w{1,40})\]:\s*")


_NESTING = 100
"""Levels of lists and quotations that the parser goes down to, two for each list."""
# Quotations and lists nested deeper than anybody writes: the parser would drop them, words and all.
_TOO_DEEP = re.compile(
    r"^(?:[ \t]*(?:>|[-*+](?=\s)|\d{1,9}[.)](?=\s))){12,}[ \t]*|^[ \t]{48,}(?=(?:[-*+]|\d{1,9}[.)])[ \t])",
    re.MULTILINE,
)
# "**Name: ** speech", as transcripts come out of editors: to CommonMark these stars are just stars.
_INNER_BLANK = re.compile(
    r"(?P<code>`[^`\n]*`)|(?:(?<=\n)|(?<![\s\S]))\*(?P<label>[^\s*][^*\n`]{0,40}:)[ \t]+\*(?![*\w])|"
    r"(?<![*_\\\w])(?P<mark>\*\*|__)(?=\S)(?P<words>(?:(?!(?P=mark))[^\n`])*?\S)[ \t]+(?P=mark)(?![*_])|"
    r"(?<![*_\\\w])(?P<open>\*\*|__)[ \t]+(?P<inner>\S(?:(?:(?!(?P=open))[^\n`])*?\S)?)(?P=open)(?![*_\w])"
)


def _blank_outside(match: re.Match[str]) -> str:
    """Move the blank inside emphasis behind it."""
    if match["code"]:
        return match[0]
    if match["label"]:
        return f"*{match['label']}* "
    mark, words = match["mark"] or match["open"], match["words"] or match["inner"]
    return f"{mark}{words}{mark} "


# "**Name:**speech": between a punctuation mark and a letter, stars are just stars to CommonMark as well.
_FLANKED = re.compile(r"(?<![*\\`\w])(\*\*)([^\s*][^*\n`]*?[^\w\s*`\\])\1(?=[^\W_])")


def _without_stars(match: re.Match[str]) -> str:
    """Drop the stars, and put a blank in their place if the script has blanks."""
    return match[2] if is_wide(match[2][-1]) else f"{match[2]} "


def _hard_breaks(match: re.Match[str]) -> str:
    """Make CommonMark's hard line breaks of Pandoc's lines of verse."""
    return "\\\n".join(line[2:].strip() for line in match[0].splitlines()) + "\n"


def read_markdown(data: bytes) -> list[Block]:
    """Return the blocks of Markdown, without its markup.

    Raises:
        InputError: it is not text.
    """
    from markdown_it import MarkdownIt

    text = decode_file(data)
    front = re.match(r"---\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", text, re.DOTALL)
    if front:
        text = text[front.end() :]
    # Mended before parsing, since CommonMark would leave the stars in the text.
    text = _FLANKED.sub(_without_stars, _INNER_BLANK.sub(_blank_outside, text))
    text = _TOO_DEEP.sub("", text)
    text = _LINE_BLOCK.sub(_hard_breaks, text)
    text = _NOTE_DEFINITION.sub(r"\1\\[^\2\\]:", text)
    html = MarkdownIt("commonmark", {"maxNesting": _NESTING}).enable(["table", "strikethrough"]).render(text)
    blocks = read_html(html).blocks
    # Like CommonMark's own extensions: a mark without a note stays text.
    notes = {match[1] for block in blocks if (match := _MARKDOWN_NOTE.match(block.text))}
    for block in blocks:
        if match := _MARKDOWN_NOTE.match(block.text):
            block.kind, block.text = Kind.FOOTNOTE, block.text[match.end() :]
        elif "[^" in block.text:
            block.text = re.sub(r"\s?\[\^(\w{1,40})\]", lambda m: "" if m[1] in notes else m[0], block.text)
    return [Block(front[1], Kind.FRONT), *blocks] if front else blocks
