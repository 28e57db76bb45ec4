"""HTML and XHTML as blocks of text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urldefrag

from mckennabot.errors import InputError
from mckennabot.extract.blocks import BODY, Block
from mckennabot.extract.captions import CAPTION, TABLE
from mckennabot.extract.decode import decode, decode_file
from mckennabot.extract.furniture import FOLIO
from mckennabot.extract.notes import FOOTNOTE
from mckennabot.extract.sections import BACK, BOILERPLATE, CONTENTS, FRONT, INDEX
from mckennabot.extract.wraps import joined, margin

Element = Any
"""An lxml element; lxml comes without types."""

_PARAGRAPHS = frozenset([
    "p", "div", "li", "dt", "dd", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6",
    "section", "article", "aside", "header", "footer", "figure", "figcaption", "table", "caption",
    "thead", "tbody", "tfoot", "tr", "ul", "ol", "dl", "hr", "address", "nav", "body", "center",
    "main", "form", "fieldset", "details", "summary", "hgroup", "html", "legend",
])  # fmt: skip
_SKIPPED = frozenset([
    "head", "title", "script", "style", "template", "noscript", "svg", "object", "iframe", "audio",
    "video", "canvas", "button", "select", "textarea", "rt", "rp", "map",
])  # fmt: skip
_HEADING = re.compile(r"h([1-6])")

# epub:type and, with doc- before it, role.
_TYPES = {
    **dict.fromkeys(["footnote", "footnotes", "endnote", "endnotes", "rearnote", "rearnotes"], FOOTNOTE),
    **dict.fromkeys(["toc", "landmarks", "page-list", "loi", "lot", "loa", "lov"], CONTENTS),
    **dict.fromkeys(
        [
            "cover",
            "titlepage",
            "halftitlepage",
            "copyright-page",
            "imprint",
            "seriespage",
            "dedication",
            "other-credits",
        ],
        FRONT,
    ),
    **dict.fromkeys(
        ["bibliography", "glossary", "acknowledgments", "acknowledgements", "colophon", "backlink"], BACK
    ),
    "index": INDEX,
    "pagebreak": FOLIO,
}
_CLASSES = {
    **dict.fromkeys(["footnote", "footnotes", "endnote", "endnotes", "fnote"], FOOTNOTE),
    **dict.fromkeys(["pagenum", "pageno", "pagenumber", "page-number", "pagebreak"], FOLIO),
    **dict.fromkeys(["caption", "figcaption"], CAPTION),
    "pg-boilerplate": BOILERPLATE,
    "toc": CONTENTS,
}
_VERSE = re.compile(r"(?:z3998:)?(poem|poetry|verse|stanza|linegroup|line-group|lg|strophe)\w*")
_MARK = re.compile(r"[\[(]?\s*(?:\d{1,4}|[a-z]|[ivxl]{1,6}|[*∗†‡§¶‖#]{1,4})\s*[\])]?", re.IGNORECASE)
_REMOVED = "\ue000"
"""Stands for a note's mark until the paragraph around it is whole."""
_AROUND_REMOVED = re.compile(
    rf"\[\s*{_REMOVED}\s*\]|\(\s*{_REMOVED}\s*\)|\s*{_REMOVED}(?=[\s.,;:!?”’)\]]|$)|{_REMOVED}"
)


_PROLOG = re.compile(
    r"\s*(?:<\?xml[^>]{0,500}\?>\s*)?(?:<!DOCTYPE[^\[>]{0,500}(?:\[[^\]]*\])?\s*>)?", re.IGNORECASE
)


def without_prolog(text: str) -> str:
    """Markup without its XML declaration and document type: no encoding but ours, no entity of its own."""
    return text[match.end() :] if (match := _PROLOG.match(text)) else text


def parse(data: bytes | str) -> Element | None:
    """The tree of an HTML document, whatever is wrong with it; None where there is nothing in it."""
    from lxml import etree

    text = without_prolog(data if isinstance(data, str) else decode(data))
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def read_html(
    data: bytes | str, *, file: str = "", place: int = 1, resolve: Callable[[str], str] | None = None
) -> tuple[list[Block], set[str]]:
    """The blocks of a document, and where the marks of its notes lead, as ``file#id``.

    Args:
        data: the document.
        file: its name, for the links that lead to it.
        place: its number among the documents of its source.
        resolve: makes the target of a link, relative to this document, a ``file#id``.
    """
    tree = parse(data)
    if tree is None:
        return [], set()
    walker = _Walker(file, place, resolve or (lambda href: f"{file}#{unquote(urldefrag(href)[1])}"))
    walker.walk(tree)
    return walker.blocks, walker.notes


def read_html_file(data: bytes) -> tuple[list[Block], set[str]]:
    """As `read_html`, of a file of its own.

    Raises:
        InputError: it is no text, or there is none in it.
    """
    blocks, notes = read_html(decode_file(data))
    if not blocks:
        raise InputError("no text in the document")
    return blocks, notes


class _Walker:
    """Goes through a tree once and collects blocks."""

    def __init__(self, file: str, place: int, resolve: Callable[[str], str]) -> None:
        self.blocks: list[Block] = []
        self.notes: set[str] = set()
        self._file, self._place, self._resolve = file, place, resolve
        self._text: list[str] = []
        self._linked = 0
        self._letters = 0
        self._kinds = [BODY]
        self._level = 0
        self._links = 0
        self._pre = 0
        self._pending: set[str] = set()
        self._containers: list[str] = []
        self._verse: list[int] = []

    def walk(self, tree: Element) -> None:
        from lxml import etree

        events = etree.iterwalk(tree, events=("start", "end"))
        closing: list[Callable[[], None]] = []
        for event, element in events:
            if event == "start":
                close = self._start(element)
                if close is None:
                    events.skip_subtree()
                    closing.append(lambda: None)
                else:
                    closing.append(close)
                    self._add(element.text)
            else:
                closing.pop()()
                self._add(element.tail)
        self._flush()

    def _start(self, element: Element) -> Callable[[], None] | None:
        """Begin an element; what ends it, or None where nothing in it is text."""
        tag = _local(element.tag)
        name = element.get("id") or element.get("name" if tag == "a" else "xml:id")
        if tag in _SKIPPED or _hidden(element):
            return None
        if tag == "br":
            self._text.append("\n")
            return None
        if tag == "img":
            self._picture(element)
            return None
        if tag == "a" and self._is_note_mark(element):
            if any(c.strip() for c in self._text):
                self.notes.add(self._resolve(element.get("href")))
                self._note_id(name)
                self._text.append(_REMOVED)
                return None
            if element.get("href") and _is_backlink(element):
                return None
        kind = _kind(element, tag)
        paragraph = tag in _PARAGRAPHS
        if kind in (FOLIO, FOOTNOTE, CAPTION) and self._kinds[-1] == BODY and not self._at_start(paragraph):
            self._beside(element, kind, name)
            return None
        if kind == FOLIO:
            self._note_id(name)
            self._beside(element, kind, None)
            return None
        return self._open(element, tag, name, kind, paragraph)

    def _open(
        self, element: Element, tag: str, name: str | None, kind: str, paragraph: bool
    ) -> Callable[[], None]:
        if tag == "table" and kind == BODY and _is_table(element):
            kind = TABLE
        verse = paragraph and any(map(_VERSE.fullmatch, _names(element)))
        heading = _HEADING.fullmatch(tag)
        if paragraph:
            self._flush()
        elif tag in ("td", "th"):
            self._text.append(" ")
        self._note_id(name)
        contained = bool(name) and tag in ("li", "aside", "dd", "div", "section")
        if contained:
            self._containers.append(f"{self._file}#{name}")
        self._kinds.append(self._kinds[-1] if self._kinds[-1] != BODY else kind)
        level = self._level
        if heading:
            self._level = int(heading[1])
        elif tag == "hgroup":
            inside = (_HEADING.fullmatch(_local(e.tag)) for e in element.iter())
            self._level = next((int(match[1]) for match in inside if match), level)
        self._pre += tag == "pre"
        self._links += tag == "a" and bool(element.get("href")) and "://" not in element.get("href")
        if verse:
            self._verse.append(len(self.blocks))

        def close() -> None:
            if paragraph:
                self._flush()
            if verse:
                self._join_lines(self._verse.pop())
            self._links -= tag == "a" and bool(element.get("href")) and "://" not in element.get("href")
            self._pre -= tag == "pre"
            self._level = level
            self._kinds.pop()
            if contained:
                self._containers.pop()

        return close

    def _at_start(self, paragraph: bool) -> bool:
        """Whether an element does not stand in the middle of a paragraph."""
        return paragraph and not any(piece.strip() for piece in self._text)

    def _note_id(self, name: str | None) -> None:
        if name:
            self._pending.add(f"{self._file}#{name}")

    def _picture(self, element: Element) -> None:
        """A letter drawn as a picture is a letter; so are the words of a heading."""
        alt = " ".join((element.get("alt") or "").split())
        if (len(alt) == 1 and alt.isalpha()) or (self._level and alt):
            self._add(alt)

    def _is_note_mark(self, element: Element) -> bool:
        href = element.get("href") or ""
        if (
            "#" not in href
            or "://" in href
            or not _MARK.fullmatch(text := "".join(element.itertext()).strip())
        ):
            return False
        names = _names(element)
        if names & {"noteref", "doc-noteref"} or any(
            "note" in name or name.startswith("fn") for name in names
        ):
            return True
        raised = _local(element.getparent().tag) == "sup" or any(
            _local(e.tag) == "sup" for e in element.iter()
        )
        return raised or text[0] in "[(*∗†‡§¶‖"

    def _beside(self, element: Element, kind: str, name: str | None) -> None:
        """An element's words as a block of their own, without a break in the paragraph around it."""
        text = " ".join("".join(element.itertext()).split())
        ids = frozenset({f"{self._file}#{name}"} if name else ())
        if text:
            self.blocks.append(Block(text, kind, 0, self._place, ids))

    def _add(self, text: str | None) -> None:
        if not text:
            return
        letters = sum(map(str.isalnum, text))
        self._letters += letters
        self._linked += letters if self._links else 0
        if not self._pre:
            text = re.sub(r"\s+", " ", text)
        self._text.append(text)

    def _flush(self) -> None:
        """End a paragraph: what was collected becomes a block, or several where empty lines part it."""
        text = "".join(self._text)
        self._text.clear()
        linked, self._linked, self._letters = self._letters and self._linked == self._letters, 0, 0
        if not text.strip():
            return
        text = _AROUND_REMOVED.sub("", text)
        ids = frozenset(self._pending | set(self._containers))
        self._pending.clear()
        for chunk in re.split(r"\n[^\S\n]*\n\s*", text):
            lines = [" ".join(line.split()) for line in chunk.split("\n")]
            lines = [line for line in lines if line]
            if not lines:
                continue
            words = " ".join(lines) if self._level else _lines(lines)
            self.blocks.append(Block(words, self._kinds[-1], self._level, self._place, ids, bool(linked)))

    def _join_lines(self, start: int) -> None:
        """Make one stanza of lines that each stood in an element of its own."""
        inside = self.blocks[start:]
        if len(inside) > 1 and all(
            "\n" not in b.text and not b.level and b.kind == inside[0].kind for b in inside
        ):
            ids = frozenset().union(*(block.ids for block in inside))
            text = "\n".join(block.text for block in inside)
            self.blocks[start:] = [Block(text, inside[0].kind, 0, self._place, ids)]


def _lines(lines: list[str]) -> str:
    width = margin(lines)
    wrapped = len(lines) > 2 and width > 50 and all(len(line) > 0.7 * width for line in lines[:-1])
    return joined(lines, width) if wrapped else "\n".join(lines)


def _local(tag: object) -> str:
    return tag.rpartition("}")[2].rpartition(":")[2].lower() if isinstance(tag, str) else ""


def _names(element: Element) -> set[str]:
    """What an element says that it is: epub:type, role and class, in lower case."""
    said = (element.get("epub:type"), element.get("role"), element.get("class"))
    return set(" ".join(value for value in said if value).lower().split())


def _kind(element: Element, tag: str) -> str:
    types = (
        f"{element.get('epub:type') or ''} {(element.get('role') or '').replace('doc-', '')}".lower().split()
    )
    for name in types:
        if name in _TYPES:
            return _TYPES[name]
    if tag == "nav":
        return CONTENTS
    if tag == "figcaption" or (tag == "caption"):
        return CAPTION
    for name in (element.get("class") or "").lower().split():
        if name in _CLASSES:
            return _CLASSES[name]
    return BODY


def _hidden(element: Element) -> bool:
    style = (element.get("style") or "").replace(" ", "").lower()
    return element.get("hidden") is not None or "display:none" in style


def _is_backlink(element: Element) -> bool:
    names = _names(element)
    text = "".join(element.itertext()).strip()
    return "doc-backlink" in names or "backlink" in " ".join(names) or text in "↩︎↑^⏎"


def _is_table(element: Element) -> bool:
    """Whether a table holds small facts side by side, not a page laid out in cells."""
    rows = [[c for c in row if _local(c.tag) in ("td", "th")] for row in element.iter("tr")]
    cells = [cell for row in rows for cell in row]
    if len(rows) < 2 or sum(len(row) > 1 for row in rows) < 0.7 * len(rows):
        return False
    return sum(len(" ".join(cell.itertext()).split()) for cell in cells) <= 12 * len(cells)
