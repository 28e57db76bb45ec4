"""Where a book's chapters begin: by its outline, where the text bears it out; else by its headings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from mckennabot.extract.books.titles import title_kind
from mckennabot.extract.model import Line, Page
from mckennabot.extract.page import OutlineEntry
from mckennabot.extract.steps.headings import Heading, Style
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.steps.openings import find_openings
from mckennabot.extract.steps.sections import Section
from mckennabot.extract.typography import LARGER

_ENOUGH = 60
"""Words of text that make a chapter of what follows a heading."""
_INTRODUCTION = 0.15
"""Share of a part that its introduction takes at most; a chapter's text above its first section is more."""
_SHORTER = 0.5
"""Share of its chapters' usual length that it takes at most, in a part of few chapters."""
_CONFIRMED = 0.3
"""Share of the outline's entries that the text must bear out; the outline of another edition fits nowhere."""
_SAME_SIZE = 0.5
"""Points by which chapters' headings may differ in size."""
_IN_TURN = 0.6
"""Share of numbered headings that count on from the last, or begin anew; numbers of a list rarely do."""
_ON_NEW_PAGES = 0.8
"""Share of a part's chapters that begin pages: one may stand under the part's own title."""


def find_sections(
    flow: Sequence[Line],
    headings: list[Heading],
    outline: list[OutlineEntry],
    pages: dict[int, Page],
    measure: Measure,
) -> list[Section]:
    """The chapters, prefaces, parts and lists of a book, and the sections of its chapters, in order."""
    by_place = _from_outline(flow, headings, outline)
    chapters = {section.place for section in by_place.values() if section.level == 1 and not section.part}
    for heading in _chapter_headings(headings, chapters):
        by_place.setdefault(heading.place, _section(heading, 1))
    for place, title in find_openings(flow, by_place, pages):
        by_place[place] = Section(place, title, [], title_kind(title))
    for heading in headings:
        if heading.size > LARGER * measure.size or heading.bold:
            by_place.setdefault(heading.place, _section(heading, 2))
    sections = sorted(by_place.values(), key=lambda section: section.place)
    _count_words(sections, flow)
    return sections


def _section(heading: Heading, level: int) -> Section:
    return Section(heading.place, heading.text, heading.lines, title_kind(heading.text), level)


def _count_words(sections: list[Section], flow: Sequence[Line]) -> None:
    before = [0, *accumulate(len(line.text.split()) for line in flow)]
    stops: list[int] = []  # by level, where the section of that level or a higher one after this begins
    for section in reversed(sections):
        stops += [stops[-1] if stops else len(flow)] * (section.level + 1 - len(stops))
        start = min(section.place + len(section.heading), stops[section.level])
        section.words = before[stops[section.level]] - before[start]
        stops[section.level :] = [section.place] * max(1, len(stops) - section.level)


# The outline


def _from_outline(
    flow: Sequence[Line], headings: list[Heading], outline: list[OutlineEntry]
) -> dict[int, Section]:
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
    """Whether an entry has chapters under it: each on a new page, and no more than an introduction above."""
    if not entry.children:
        return False
    start = entry.section.place + len(entry.section.heading)
    own = before[entry.children[0].place] - before[start]
    fresh = sum(child.place in on_top for child in entry.children)
    chapters = before[entry.stop] - before[entry.children[0].place]
    most = max(_ENOUGH, _INTRODUCTION * (own + chapters), _SHORTER * chapters / len(entry.children))
    return own < most and fresh >= _ON_NEW_PAGES * len(entry.children)


def _resolve(
    entry: OutlineEntry, flow: Sequence[Line], near: list[Heading], on_page: list[int]
) -> tuple[Section | None, bool]:
    """The section that an entry leads to, and whether the page's text says what the entry does.

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
            text == title or (len(title) > 3 and title in text) or (len(text) > 5 and text in title)
        ):
            section = _section(heading, 1)
            section.kind = title_kind(entry.title) or section.kind
            return section, True
    for place in on_page:
        for count in range(1, 5):
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


# Headings


def _chapter_headings(headings: list[Heading], known: set[int]) -> list[Heading]:
    """Headings of chapters: set like those that the outline names, numbered in turn, or the largest."""
    style = (
        _style_of_known(headings, known)
        or _style_of_numbered([heading for heading in headings if heading.kind == "chapter"])
        or _style_of_largest(headings, 0.5)
        or _style_of_numbered([heading for heading in headings if not heading.kind])
        or _style_of_largest(headings, 0.0)
    )
    if style is None:
        return [heading for heading in headings if heading.kind == "named" and heading.on_top]
    alike = [heading for heading in headings if _like(heading, style)]
    mostly_on_top = sum(heading.on_top for heading in alike) > 0.5 * len(alike)
    numbered = [
        heading.place for heading in alike if heading.kind == "chapter" and heading.counted is not None
    ]
    others = [heading for heading in alike if heading.place not in numbered]
    # Where the numbered ones share their style with headings inside chapters, only numbers count.
    shared = len(numbered) > 2 and not all(heading.on_top for heading in others)
    return [
        heading
        for heading in headings
        if _is_chapter(heading, style, mostly_on_top and not shared)
        and not (shared and heading in others and heading.place > numbered[0] and not _has_name(heading))
    ]


def _is_chapter(heading: Heading, style: Style, on_top: bool) -> bool:
    if heading.on_top and heading.kind == "part" and heading.style[0] >= style[0]:
        return True
    if on_top and not heading.on_top:
        return False
    return _like(heading, style) or (heading.on_top and _has_name(heading))


def _has_name(heading: Heading) -> bool:
    return heading.kind == "named" or bool(title_kind(heading.text))


def _like(heading: Heading, style: Style) -> bool:
    size, font, centred = heading.style
    return (
        abs(size - style[0]) <= _SAME_SIZE
        and font == style[1]
        and (None in (centred, style[2]) or centred == style[2])
    )


def _style_of_known(headings: list[Heading], known: set[int]) -> Style | None:
    styles = Counter(heading.style for heading in headings if heading.place in known)
    if not styles:
        return None
    style, count = styles.most_common(1)[0]
    return style if count >= 2 or len(known) == 1 else None


def _style_of_numbered(headings: list[Heading]) -> Style | None:
    numbered = [heading for heading in headings if heading.counted is not None]
    turns = sum(b.counted == (a.counted or 0) + 1 or b.counted == 1 for a, b in pairwise(numbered))
    if len(numbered) < 2 or turns < _IN_TURN * (len(numbered) - 1):
        return None
    return Counter(heading.style for heading in numbered).most_common(1)[0][0]


def _style_of_largest(headings: list[Heading], wanted: float) -> Style | None:
    """The largest style with two headings of much text, of which the wanted share begins pages."""
    over_text = [h for h in headings if h.words >= _ENOUGH and not title_kind(h.text)]
    styles = sorted({heading.style: None for heading in over_text}, key=lambda style: -style[0])
    for style in styles:
        members = [heading for heading in over_text if _like(heading, style)]
        if len(members) > 1 and sum(heading.on_top for heading in members) >= wanted * len(members):
            return style
    return None
