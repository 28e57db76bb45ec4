"""Finds the sections that a document's bookmarks lead to, if the text bears them out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from mckennabot.extract.books.titles import title_kind
from mckennabot.extract.model import Line
from mckennabot.extract.page import OutlineEntry
from mckennabot.extract.steps.headings import Heading
from mckennabot.extract.steps.sections import Section, section_under
from mckennabot.extract.typography import CHAPTER_WORDS

_CONFIRMED = 0.3
"""Share of the outline's entries that the text must bear out; the outline of another edition fits nowhere."""
_TITLE_INSIDE, _HEADING_INSIDE = 3, 5
"""Letters that an entry's title has more than if it is looked for inside a heading ("The Lamp" in "1. The
Lamp"), and a heading if inside a title; shorter ones are in many words."""
_TITLE_LINES = 4
"""Lines of text that a title takes at most if it is set as the text is."""
_INTRODUCTION = 0.15
"""Share of a part that its introduction takes at most; a chapter's text above its first section is more."""
_SHORTER = 0.5
"""Share of its chapters' usual length that it takes at most, in a part of few chapters."""
_ON_NEW_PAGES = 0.8
"""Share of a part's chapters that begin pages: one may stand under the part's own title."""


def sections_of_outline(
    flow: Sequence[Line], headings: list[Heading], outline: list[OutlineEntry]
) -> dict[int, Section]:
    """Return the sections that bookmarks lead to, by place; none if the text bears too few of them out.

    Args:
        flow: the text's lines in order.
        headings: those found in it.
        outline: the document's bookmarks.
    """
    found: list[tuple[OutlineEntry, Section]] = []
    confirmed = 0
    places: dict[int, list[int]] = defaultdict(list)
    for place, line in enumerate(flow):
        places[line.page].append(place)
    near: dict[int, list[Heading]] = defaultdict(list)  # on a page or on the one after it
    for heading in headings:
        near[heading.page].append(heading)
        near[heading.page - 1].append(heading)
    for entry in outline:
        section, sure = _resolve(entry, flow, near.get(entry.page, []), places.get(entry.page, []))
        if section is not None:
            found.append((entry, section))
            confirmed += sure
    if not found or confirmed < _CONFIRMED * len(outline):
        return {}
    _set_levels(found, flow, headings)
    by_place: dict[int, Section] = {}
    for _, section in found:
        by_place.setdefault(section.place, section)
    return by_place


@dataclass(slots=True)
class _Entry:
    """An entry of the outline among the others.

    Attributes:
        section: what it leads to.
        stop: place at which the next entry begins that does not stand under it.
        parent: the entry that it stands under.
        children: sections of the entries one level below it.
        chapters: how many of the entries above it, and itself, are no parts.
    """

    section: Section
    stop: int
    parent: _Entry | None
    children: list[Section] = field(default_factory=list)
    chapters: int = 0


def _set_levels(
    found: list[tuple[OutlineEntry, Section]], flow: Sequence[Line], headings: list[Heading]
) -> None:
    """Say of the outline's sections which are parts, and on which level the others are."""
    entries: list[_Entry] = []
    above: list[tuple[int, _Entry]] = []  # the entries that the next one may stand under, with their levels
    for entry, section in found:
        while above and above[-1][0] >= entry.level:
            above.pop()[1].stop = max(section.place, entries[-1].section.place)
        made = _Entry(section, len(flow), above[-1][1] if above else None)
        if above and above[-1][0] == entry.level - 1:
            above[-1][1].children.append(section)
        above.append((entry.level, made))
        entries.append(made)
    on_top = {heading.place for heading in headings if heading.on_top}
    on_top |= {place for place in range(len(flow)) if not place or flow[place - 1].page != flow[place].page}
    before = [0, *accumulate(len(line.text.split()) for line in flow)]
    for made in entries:
        section, parent = made.section, made.parent
        section.part = _is_part(made, before, on_top)
        over = parent.chapters if parent else 0
        made.chapters = over if section.part else over + 1
        section.level = over + 1
        if not section.kind and parent and parent.section.part:
            section.kind = parent.section.kind


def _is_part(entry: _Entry, before: Sequence[int], on_top: set[int]) -> bool:
    """Return whether an entry has chapters under it: on new pages, under no more than an introduction."""
    if not entry.children:
        return False
    start = entry.section.place + len(entry.section.heading)
    own = before[entry.children[0].place] - before[start]
    fresh = sum(child.place in on_top for child in entry.children)
    chapters = before[entry.stop] - before[entry.children[0].place]
    most = max(CHAPTER_WORDS, _INTRODUCTION * (own + chapters), _SHORTER * chapters / len(entry.children))
    return own < most and fresh >= _ON_NEW_PAGES * len(entry.children)


def _resolve(
    entry: OutlineEntry, flow: Sequence[Line], near: list[Heading], on_page: list[int]
) -> tuple[Section | None, bool]:
    """Return the section that an entry leads to, and whether the page's text says what the entry does.

    Args:
        entry: of the outline.
        flow: the text's lines.
        near: the headings on its page, and on the next.
        on_page: places in the flow of the lines of the entry's page.
    """
    title = _folded(entry.title)
    for heading in near:
        text = _folded(heading.text)
        if title and (
            text == title
            or (len(title) > _TITLE_INSIDE and title in text)
            or (len(text) > _HEADING_INSIDE and text in title)
        ):
            section = section_under(heading)
            section.kind = title_kind(entry.title) or section.kind
            return section, True
    for place in on_page:
        for count in range(1, _TITLE_LINES + 1):
            lines = list(flow[place : place + count])
            if title and _folded(" ".join(line.initial + line.text for line in lines)) == title:
                return Section(place, entry.title, lines, title_kind(entry.title)), True
    if entry.y is not None:
        below = [place for place in on_page if flow[place].y > entry.y]
        on_page = below or on_page[-1:]
    if not on_page or (on_page[0] and flow[on_page[0] - 1].page == entry.page):
        return None, False
    return Section(on_page[0], entry.title, [], title_kind(entry.title)), False


def _folded(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
