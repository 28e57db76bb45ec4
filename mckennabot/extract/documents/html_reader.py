"""Read HTML and XHTML as blocks of text, for web pages, EPUB, Markdown and Word documents alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote, urldefrag

from mckennabot.errors import InputError
from mckennabot.extract.books.word_count import count_words
from mckennabot.extract.documents.blocks import MAX_BLOCKS, Block
from mckennabot.extract.documents.decode import decode, decode_file
from mckennabot.extract.documents.hard_wraps import is_prose, joined, margin
from mckennabot.extract.documents.html_elements import (
    PARAGRAPHS,
    SKIPPED,
    Element,
    find_numbers,
    is_backlink,
    is_hidden,
    is_inner_link,
    is_note_mark,
    is_verse,
    kind_of,
    leads_on,
    local,
    text_of,
)
from mckennabot.extract.documents.superscripts import FIGURES, power
from mckennabot.extract.kinds import Kind

_HEADING = re.compile(r"h([1-6])")
_CONTAINERS = 4
"""Elements around a paragraph whose ids lead to it: a note's link may go to the list item around it."""
_ITALIC = ("i", "em", "var", "cite")
_NEAR, _NEAR_LETTERS = 8, 80
"""Pieces of a paragraph, and letters, to look at before raised figures; a bound for long paragraphs."""
STEP_WORDS = 15
"""Words of a paragraph that only leads to the page before or the next."""
_MARK = "\ue000"
"""Placeholder of a note's mark until the paragraph is whole and the blanks around it are known."""
_FULL, _WRAP_WIDTH, _WRAP_LINES = 0.7, 50, 3
"""Text that was wrapped before it came into <br> or <pre>: the share of the margin that all lines but the
last fill, the columns that the margin exceeds, and the number that its lines exceed."""
_MARKS = re.compile(rf"\[\s*{_MARK}\s*\]|\(\s*{_MARK}\s*\)|\s*{_MARK}(?=[\s.,;:!?”’)\]]|$)|{_MARK}")
_WIDE = "[\u2e80-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef]"
_CJK_BREAK = re.compile(rf"(?<={_WIDE})[ \t]*\n\s*(?={_WIDE})")
_PROLOG = re.compile(
    r"\s*(?:<\?xml[^>]{0,500}\?>\s*)?(?:<!DOCTYPE[^\[>]{0,500}(?:\[[^\]]*\])?\s*>)?", re.IGNORECASE
)


def without_prolog(text: str) -> str:
    """Drop the XML declaration and document type: the text is decoded, and entities stay undefined."""
    return text[match.end() :] if (match := _PROLOG.match(text)) else text


def parse(data: bytes | str) -> Element | None:
    """Return the tree of an HTML document, whatever is wrong with it; None if there is nothing in it."""
    text = without_prolog(data if isinstance(data, str) else decode(data))
    tree, too_deep = _parsed(text)
    if too_deep:  # the parser drops all that follows; nesting of that depth is not a layout that matters
        tree, _ = _parsed(_INLINE.sub("", _NESTING.sub("<p>", text)))
    return tree


_NESTING = re.compile(
    r"</?(?:div|section|article|center|blockquote|ul|ol|li|dl|dd|table|tbody|tr|td)\b[^<>]*>", re.IGNORECASE
)
_INLINE = re.compile(r"</?(?:span|font|b|i|em|strong|u|small|big|a)\b[^<>]*>", re.IGNORECASE)


def _parsed(text: str) -> tuple[Element | None, bool]:
    """Return the tree of a document, and whether it is nested deeper than the parser goes."""
    from lxml import etree

    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=True
    )
    try:
        tree = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        tree = None
    kinds = {error.type for error in parser.error_log}
    # Out of memory the parser returns the part of the tree that it has, without an error.
    if etree.ErrorTypes.ERR_NO_MEMORY in kinds:
        raise MemoryError  # rather than a part of the tree
    return tree, etree.ErrorTypes.ERR_RESOURCE_LIMIT in kinds


class Document(NamedTuple):
    """The content of an HTML document.

    Attributes:
        blocks: in reading order.
        notes: where the marks of its notes lead, as ``file#id``.
        marks: number of note marks that were left out.
    """

    blocks: list[Block]
    notes: set[str]
    marks: int


def read_html(
    data: bytes | str, *, file: str = "", place: int = 1, resolve: Callable[[str], str] | None = None
) -> Document:
    """Return the blocks of a document, and where its notes are.

    Args:
        data: the document.
        file: its name, which begins the targets of links.
        place: its number among the documents of its source.
        resolve: makes the target of a link, relative to this document, a ``file#id``.

    Raises:
        InputError: it has more paragraphs than any book.
    """
    tree = parse(data)
    if tree is None:
        return Document([], set(), 0)
    walker = _Walker(
        find_numbers(tree), file, place, resolve or (lambda href: f"{file}#{unquote(urldefrag(href)[1])}")
    )
    walker.walk(tree)
    return Document(walker.blocks, walker.notes, walker.marks)


def read_html_file(data: bytes) -> Document:
    """Return the content of a file, as `read_html` does, once its encoding is known.

    Raises:
        InputError: it is not text, or there is none in it.
    """
    document = read_html(decode_file(data))
    if not document.blocks:
        raise InputError("no text in the document")
    return document


class _Walker:
    """Walks a tree once and collects blocks.

    Without recursion, since hostile documents are nested deeper than Python's stack: `_start` begins an
    element and returns the function that ends it.
    """

    def __init__(
        self, numbers: frozenset[Element], file: str, place: int, resolve: Callable[[str], str]
    ) -> None:
        self.blocks: list[Block] = []
        self.notes: set[str] = set()
        self.marks = 0
        self._numbers = numbers
        self._file, self._place, self._resolve = file, place, resolve
        # The paragraph so far: text, letters in all and in links, ids that lead to it, targets of its links.
        self._text: list[str] = []
        self._letters = self._linked = 0
        self._ids: set[str] = set()
        self._targets: set[str] = set()
        self._steps = False  # whether a link in it leads to the page before or the next
        # The elements around it.
        self._kinds = [Kind.BODY]
        self._containers: list[str] = []
        self._level = self._links = self._preformatted = 0
        self._italic_from = -1  # the piece of text that stands in italics
        self._stanzas = 0  # blocks up to the end of the last stanza

    def walk(self, tree: Element) -> None:
        from lxml import etree

        events = etree.iterwalk(tree, events=("start", "end"))
        closing: list[Callable[[], None] | None] = []
        for event, element in events:
            if event == "start":
                closing.append(self._start(element, local(element.tag)))
                if closing[-1] is None:
                    events.skip_subtree()
                else:
                    self._add(element.text)
            else:
                if close := closing.pop():
                    close()
                self._add(element.tail)
        self._flush()

    def _start(self, element: Element, tag: str) -> Callable[[], None] | None:
        """Begin an element; return what ends it, or None if there is nothing left to read in it."""
        if tag in SKIPPED or is_hidden(element):
            return None
        if tag == "br":
            self._text.append("\n")
            return None
        if tag == "img":
            self._add_picture(element)
            return None
        name = element.get("id") or element.get("name" if tag == "a" else "xml:id")
        if tag == "a" and self._take_note_mark(element, name):
            return None
        if element in self._numbers:
            self._set_beside(element, Kind.FOLIO, name)
            return None
        if tag == "sup" and self._take_figures(element):
            return None
        if tag in _ITALIC:
            self._italic_from = len(self._text)
        kind = kind_of(element, tag)
        paragraph = tag in PARAGRAPHS
        # A note or a caption in the middle of a sentence, such as a page number, must not cut it in two.
        inside = not paragraph or any(piece.strip() for piece in self._text)
        if kind == Kind.FOLIO or (
            kind in (Kind.FOOTNOTE, Kind.CAPTION) and self._kinds[-1] == Kind.BODY and inside
        ):
            self._set_beside(element, kind, name)
            return None
        return self._open(element, tag, name, kind, paragraph)

    def _open(
        self, element: Element, tag: str, name: str | None, kind: Kind, paragraph: bool
    ) -> Callable[[], None]:
        if paragraph:
            self._flush()
        elif tag in ("td", "th"):
            self._text.append(" ")
        self._lead_here(name)
        level, first = self._level, len(self.blocks)
        # A link to a note leads to the element around all its paragraphs.
        contained = bool(name) and tag in ("li", "aside", "dd", "div", "section")
        link, verse = is_inner_link(element, tag), paragraph and is_verse(element)
        if link:
            self._targets.add(self._resolve(element.get("href")))
        self._steps = self._steps or leads_on(element)
        if contained:
            self._containers.append(f"{self._file}#{name}")
        self._kinds.append(kind if self._kinds[-1] == Kind.BODY else self._kinds[-1])
        self._level = _heading_level(element, tag) or level
        self._links += link
        self._preformatted += tag == "pre"

        def close() -> None:
            if paragraph:
                self._flush()
            if verse:
                self._join_lines(first)
            if contained:
                self._containers.pop()
            self._kinds.pop()
            self._level = level
            self._links -= link
            self._preformatted -= tag == "pre"

        return close

    def _take_note_mark(self, element: Element, name: str | None) -> bool:
        """Take a link out of the text if it is a note's mark, or leads back from one."""
        if is_backlink(element):
            return True
        # At the beginning of a paragraph it is the number of the note itself.
        if not any(piece.strip() for piece in self._text) or not is_note_mark(element):
            return False
        self.notes.add(self._resolve(element.get("href")))
        self.marks += 1
        self._lead_here(name)
        self._text.append(_MARK)
        return True

    def _take_figures(self, element: Element) -> bool:
        """Take raised figures without a link: a power becomes part of the word, a note's mark is dropped."""
        figures = text_of(element)
        before = "".join(piece[-_NEAR_LETTERS:] for piece in self._text[-_NEAR:])[-_NEAR_LETTERS:]
        if not FIGURES.fullmatch(figures) or not before.strip() or len(element) or self._level:
            return False
        italic = self._italic_from == len(self._text) - 1
        if raised := power(before.replace(_MARK, ""), figures, italic, element.tail or ""):
            self._text.append(raised)
        else:
            self.marks += 1
            self._text.append(_MARK)
        return True

    def _lead_here(self, name: str | None) -> None:
        if name:
            self._ids.add(f"{self._file}#{name}")

    def _add_picture(self, element: Element) -> None:
        """Read the alternative text of a picture of one letter (a drop cap), and of any in a heading."""
        alt = " ".join((element.get("alt") or "").split())
        if (len(alt) == 1 and alt.isalpha()) or self._level:
            self._add(alt)

    def _set_beside(self, element: Element, kind: Kind, name: str | None) -> None:
        """Make an element's words a block of their own, without ending the paragraph around it."""
        # Links lead to page numbers too: their id goes to the text behind them.
        if kind == Kind.FOLIO:
            self._lead_here(name)
        if text := text_of(element):
            ids = frozenset({f"{self._file}#{name}"} if name else ())
            self.blocks.append(Block(text, kind, 0, self._place, ids))

    def _add(self, text: str | None) -> None:
        if text:
            # Counted to know whether all of a paragraph is links: then it is a table of contents.
            letters = sum(map(str.isalnum, text))
            self._letters += letters
            self._linked += letters if self._links else 0
            if not self._preformatted:
                text = re.sub(r"\s+", " ", _CJK_BREAK.sub("", text))
            self._text.append(text)

    def _flush(self) -> None:
        """End a paragraph: what was collected becomes a block, or several if empty lines separate them."""
        text = "".join(self._text)
        linked = 0 < self._letters == self._linked
        self._text.clear()
        self._letters = self._linked = 0
        self._italic_from = -1
        if not text.strip():
            return
        ids = frozenset(self._ids.union(self._containers[-_CONTAINERS:]))
        kind, targets = self._kinds[-1], frozenset(self._targets)
        if self._steps and kind == Kind.BODY and targets and count_words(text) <= STEP_WORDS:
            kind = Kind.HEAD
        self._ids.clear()
        self._targets.clear()
        self._steps = False
        for part in re.split(r"\n[^\S\n]*\n\s*", _MARKS.sub("", text)):
            lines = [line for line in (" ".join(line.split()) for line in part.split("\n")) if line]
            if lines:
                for words in [" ".join(lines)] if self._level else _lines(lines):
                    block = Block(words, kind, self._level, self._place, ids, linked, targets)
                    self.blocks.append(block)
        if len(self.blocks) > MAX_BLOCKS:
            raise InputError(f"more than {MAX_BLOCKS:,} paragraphs: too large for a book")

    def _join_lines(self, first: int) -> None:
        """Join lines that each stood in an element of its own into one stanza."""
        # Stanzas nest: the inner ones are whole already.
        inside = self.blocks[first:] if first >= self._stanzas else []
        beside = [block for block in inside if block.kind == Kind.FOLIO]
        lines = [block for block in inside if block.kind != Kind.FOLIO]
        if len(lines) > 1 and not any("\n" in b.text or b.level or b.kind != lines[0].kind for b in lines):
            ids = frozenset().union(*(block.ids for block in lines))
            text = "\n".join(block.text for block in lines)
            self.blocks[first:] = [Block(text, lines[0].kind, 0, self._place, ids), *beside]
        self._stanzas = len(self.blocks)


def _heading_level(element: Element, tag: str) -> int:
    if match := _HEADING.fullmatch(tag):
        return int(match[1])
    if tag == "hgroup":  # its paragraphs are titles too
        inside = (_HEADING.fullmatch(local(e.tag)) for e in element.iter())
        return next((int(match[1]) for match in inside if match), 0)
    return 0


def _lines(lines: list[str]) -> list[str]:
    """Return lines that <br> or <pre> separates as paragraphs: prose, a stanza, or what was hard-wrapped."""
    if is_prose(lines):
        return lines
    width = margin([lines])
    full = all(len(line) > _FULL * width for line in lines[:-1])
    capital = sum(line[0].isupper() for line in lines[1:])
    wrapped = len(lines) > _WRAP_LINES and width > _WRAP_WIDTH and full and 2 * capital < len(lines)
    return [joined(lines, width) if wrapped else "\n".join(lines)]
