"""Judge HTML elements by their tag and by what they say of themselves: epub:type, role and class."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice, pairwise
from typing import Any

from mckennabot.extract.books.word_count import count_words
from mckennabot.extract.kinds import Kind

Element = Any
"""An lxml element; lxml comes without types."""


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


PARAGRAPHS = _set(
    "p div li dt dd blockquote pre h1 h2 h3 h4 h5 h6 hr hgroup section article aside header footer figure "
    "figcaption address nav main table caption thead tbody tfoot tr ul ol dl body html center form fieldset "
    "legend details summary"
)
"""Tags that begin and end a paragraph."""
SKIPPED = _set(
    "head title script style template noscript svg object iframe audio video canvas button select textarea "
    "rt rp map"
)
"""Tags without text to read."""


def _by_name(kinds: dict[Kind, str]) -> dict[str, Kind]:
    return {name: kind for kind, names in kinds.items() for name in names.split()}


_TYPES = _by_name(
    {
        Kind.FOOTNOTE: "footnote footnotes endnote endnotes rearnote rearnotes",
        Kind.CONTENTS: "toc landmarks page-list loi lot loa lov navigation",
        Kind.FRONT: "cover titlepage halftitlepage copyright-page imprint seriespage dedication "
        "other-credits",
        Kind.BACK: "bibliography glossary acknowledgments acknowledgements colophon",
        Kind.BOILERPLATE: "contentinfo",
        Kind.INDEX: "index",
        Kind.FOLIO: "pagebreak",
    }
)
_CLASSES = _by_name(
    {
        Kind.FOOTNOTE: "footnote footnotes endnote endnotes fnote",
        Kind.FOLIO: "pagenum pageno pagenumber page-number pagebreak",
        Kind.CAPTION: "caption figcaption",
        Kind.BOILERPLATE: "pg-boilerplate",
        Kind.CONTENTS: "toc",
        Kind.HEAD: "navheader navfooter breadcrumbs breadcrumb pagination pager prevnext prev-next",
    }
)
# Classes of links to the page before or the next, as generators of web books name them.
_STEP = re.compile(
    r"(?:nav[-_]?)?(?:prev(?:ious)?|next)[-_]?(?:link|topic|page|chapter|section|post|article|btn)?s?"
)
# Classes of the numbers of lines and verses.
_NUMBERS = frozenset((
    "lnum", "linenum", "linenumber", "line-number", "line-num", "lineno", "ln", "num", "vn", "vnum",
    "v-num", "versenum", "verse-number", "verse-num", "verse", "poemline",
))  # fmt: skip
_SERIES = 3
"""Figures of one class that count up from which on they are numbers of lines or verses."""
_EVERY = 5
"""Lines of verse that are numbered in print: every fifth, or every tenth."""
_DIGITS = 4
"""Digits of the number of a line or verse."""
_VERSE = re.compile(r"(?:z3998:)?(poem|poetry|verse|stanza|linegroup|line-group|lg|strophe)\w*")
_NOTE_MARK = re.compile(r"[\[(]?\s*(?:\d{1,4}|[a-z]|[ivxl]{1,6}|[*∗†‡§¶‖#]{1,4})\s*[\])]?", re.IGNORECASE)
_MARK_PARTS = 9
"""Elements inside a link from which on it cannot be a note's mark."""
_CELL_WORDS = 12
"""Words of the average cell of a table; more are text laid out in cells."""
_ROWS_OF_CELLS = 0.7
"""Share of the rows of a table that have more than one cell."""
_SPOKEN_ROWS = 0.6
"""Share of the rows with a whole sentence in them from which on a table is a play or a page."""


def local(tag: object) -> str:
    """Return a tag's name without its namespace; "" for comments and the like."""
    return tag.rpartition("}")[2].rpartition(":")[2] if isinstance(tag, str) else ""


def text_of(element: Element) -> str:
    """Return all words in an element, on one line."""
    return " ".join("".join(element.itertext()).split())


def kind_of(element: Element, tag: str) -> Kind:
    """Return the kind of an element: body, or what is not part of the running text."""
    if kind := _first(_TYPES, _types(element)):
        return kind
    if tag == "nav":
        return Kind.CONTENTS
    if tag in ("figcaption", "caption"):
        return Kind.CAPTION
    # A page's footer, not an article's: publishers and wikis sign there.
    if tag == "footer" and local(element.getparent().tag) == "body":
        return Kind.BOILERPLATE
    if tag == "table" and _is_table(element):
        return Kind.TABLE
    return _first(_CLASSES, (element.get("class") or "").lower().split()) or Kind.BODY


def is_verse(element: Element) -> bool:
    """Return whether an element says that it holds verse."""
    return any(map(_VERSE.fullmatch, _names(element)))


def is_hidden(element: Element) -> bool:
    """Return whether readers do not see an element."""
    style = (element.get("style") or "").replace(" ", "").lower()
    return element.get("hidden") is not None or "display:none" in style


def is_note_mark(element: Element) -> bool:
    """Return whether a link is the mark of a note, or the one that leads back from it."""
    href = element.get("href") or ""
    if "#" not in href or "://" in href:
        return False
    if sum(1 for _ in islice(element.iter(), _MARK_PARTS)) == _MARK_PARTS:
        return False
    mark = text_of(element)
    if not _NOTE_MARK.fullmatch(mark):
        return False
    names = _names(element)
    if any("note" in name or name.startswith("fn") for name in names):
        return True
    # Without a class that says note, a number must be raised; a star is a mark anywhere.
    raised = local(element.getparent().tag) == "sup" or any(local(e.tag) == "sup" for e in element.iter())
    return raised or not mark[0].isalnum()


def is_backlink(element: Element) -> bool:
    """Return whether a link is an arrow that leads from a note back to the text."""
    # Arrows as pandoc and WordPress put them behind notes.
    arrow = (element.text or "").strip() in ("↩", "↩︎", "↑", "⏎")
    return arrow or any("backlink" in name for name in _names(element))


def is_inner_link(element: Element, tag: str) -> bool:
    """Return whether an element is a link to another place in the book."""
    href = (element.get("href") or "") if tag == "a" else ""
    return bool(href) and not re.match(r"[a-z][a-z0-9+.-]*:|//", href, re.IGNORECASE)


def _types(element: Element) -> list[str]:
    said = f"{element.get('epub:type') or ''} {element.get('role') or ''}"
    return said.lower().replace("doc-", "").split()


def _names(element: Element) -> list[str]:
    return [*_types(element), *(element.get("class") or "").lower().split()]


def _first(kinds: dict[str, Kind], names: Iterable[str]) -> Kind | None:
    return next((kinds[name] for name in names if name in kinds), None)


def leads_on(element: Element) -> bool:
    """Return whether an element says that it leads to the page before or the next one."""
    rel = (element.get("rel") or "").lower().split()
    return bool({"prev", "previous", "next"} & set(rel)) or any(map(_STEP.fullmatch, _names(element)))


def find_numbers(tree: Element) -> frozenset[Element]:
    """Return the elements that hold only numbers of lines or verses: by class, or since they count up."""
    alike: dict[tuple[str, str], list[tuple[Element, int]]] = {}
    for element in tree.iter("span", "a", "b", "i", "small", "sup", "em", "strong"):
        figures = text_of(element) if len(element) < 2 else ""
        if not figures.isdecimal() or len(figures) > _DIGITS or not _stands_in_text(element):
            continue
        # It may be a note's mark.
        if element.get("href") and "#" in element.get("href"):
            continue  # a note's mark, perhaps
        key = local(element.tag), (element.get("class") or "").lower()
        alike.setdefault(key, []).append((element, int(figures)))
    found: set[Element] = set()
    for (tag, names), numbered in alike.items():
        values = [value for _, value in numbered]
        steps = {b - a for a, b in pairwise(values)}
        # One by one, as verses are numbered, or every fifth line, as poems are.
        counts = len(values) >= _SERIES and (
            steps == {1} or (min(steps) > 0 and not any(v % _EVERY for v in values))
        )
        if _NUMBERS.intersection(names.split()) or (counts and tag != "sup"):
            found.update(element for element, _ in numbered)
    return frozenset(found)


def _stands_in_text(element: Element) -> bool:
    """Return whether an element is only a part of its paragraph, and that not a heading or a cell."""
    alone = True
    above = element
    while above is not None and (above is element or local(above.tag) not in PARAGRAPHS):
        below, above = above, above.getparent()
        beside = below.getprevious() is not None or below.getnext() is not None
        said = (below.tail or "").strip() or (above is not None and (above.text or "").strip())
        alone = alone and not beside and not said
    return above is not None and not alone and not _NO_PLACE.fullmatch(local(above.tag))


_NO_PLACE = re.compile(r"h[1-6]|hgroup|td|th|tr|nav|dt")


def _is_table(table: Element) -> bool:
    """Return whether a table holds small facts side by side, and not a page or a play laid out in cells."""
    rows = [[text_of(cell) for cell in row if local(cell.tag) in ("td", "th")] for row in table.iter("tr")]
    cells = [cell for row in rows for cell in row]
    if len(rows) < 2 or sum(len(row) > 1 for row in rows) < _ROWS_OF_CELLS * len(rows):
        return False
    # Cells with whole sentences are speeches of a play, or prose laid out in columns.
    spoken = sum(any(count_words(cell) > 1 and _SENTENCE.search(cell) for cell in row) for row in rows)
    return spoken < _SPOKEN_ROWS * len(rows) and sum(map(count_words, cells)) <= _CELL_WORDS * len(cells)


_SENTENCE = re.compile(r"[.!?…。！？][\"”’»)\]」』]*$")
