"""Where a book's chapters begin: by its outline, where the text bears it out; else by its headings."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import accumulate, pairwise

from mckennabot.extract.lines.lines import Line, Page
from mckennabot.extract.page import OutlineEntry
from mckennabot.extract.steps.headings import Heading, Style
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.steps.openings import find_openings
from mckennabot.extract.steps.sections import Section, title_kind

_ENOUGH = 60
"""Words of text that make a chapter of what follows a heading."""


def find_sections(
    flow: list[Line],
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
        if heading.size > 1.08 * measure.size or heading.bold:
            by_place.setdefault(heading.place, _section(heading, 2))
    sections = sorted(by_place.values(), key=lambda section: section.place)
    _count_words(sections, flow)
    return sections


def _section(heading: Heading, level: int) -> Section:
    return Section(heading.place, heading.text, heading.lines, title_kind(heading.text), level)


def _count_words(sections: list[Section], flow: list[Line]) -> None:
    before = [0, *accumulate(len(line.text.split()) for line in flow)]
    stops: list[int] = []  # by level, where the section of that level or a higher one after this begins
    for section in reversed(sections):
        stops += [stops[-1] if stops else len(flow)] * (section.level + 1 - len(stops))
        start = min(section.place + len(section.heading), stops[section.level])
        section.words = before[stops[section.level]] - before[start]
        stops[section.level :] = [section.place] * max(1, len(stops) - section.level)


# The outline


def _from_outline(
    flow: list[Line], headings: list[Heading], outline: list[OutlineEntry]
) -> dict[int, Section]:
    found: list[tuple[OutlineEntry, Section]] = []
    confirmed = 0
    places: dict[int, list[int]] = defaultdict(list)
    for place, line in enumerate(flow):
        places[line.page].append(place)
    for entry in outline:
        section, sure = _resolve(entry, flow, headings, places.get(entry.page, []))
        if section is not None:
            found.append((entry, section))
            confirmed += sure
    if not found or confirmed < 0.3 * len(outline):
        return {}
    on_top = {heading.place for heading in headings if heading.on_top}
    on_top |= {place for place in range(len(flow)) if not place or flow[place - 1].page != flow[place].page}
    parts = [number for number in range(len(found)) if _is_part(number, found, flow, on_top)]
    chapter_level: dict[int, int] = {}
    for number, (_, section) in enumerate(found):
        above = max((chapter_level.get(p, 0) for p in _ancestors(number, found)), default=0)
        section.part = number in parts
        chapter_level[number] = above if section.part else above + 1
        section.level = max(1, above + 1)
        if not section.kind:
            section.kind = next((found[p][1].kind for p in _ancestors(number, found) if found[p][1].part), "")
    by_place: dict[int, Section] = {}
    for _, section in found:
        by_place.setdefault(section.place, section)
    return by_place


def _ancestors(number: int, found: list[tuple[OutlineEntry, Section]]) -> list[int]:
    level, above = found[number][0].level, []
    for other in range(number - 1, -1, -1):
        if found[other][0].level < level:
            level = found[other][0].level
            above.append(other)
    return above


def _is_part(
    number: int, found: list[tuple[OutlineEntry, Section]], flow: list[Line], on_top: set[int]
) -> bool:
    """Whether an entry has chapters under it: little text of its own, and each entry below on a new page."""
    entry, section = found[number]
    children = []
    for other, child in found[number + 1 :]:
        if other.level <= entry.level:
            break
        if other.level == entry.level + 1:
            children.append(child)
    if not children:
        return False
    own = flow[section.place + len(section.heading) : children[0].place]
    fresh = sum(child.place in on_top for child in children)
    return sum(len(line.text.split()) for line in own) < _ENOUGH and fresh >= 0.8 * len(children)


def _resolve(
    entry: OutlineEntry, flow: list[Line], headings: list[Heading], on_page: list[int]
) -> tuple[Section | None, bool]:
    """The section that an entry leads to, and whether the page's text says what the entry does.

    Args:
        entry: of the outline.
        flow: the text's lines.
        headings: all that were found.
        on_page: places in the flow of the lines of the entry's page.
    """
    title = _folded(entry.title)
    near = [heading for heading in headings if 0 <= heading.page - entry.page <= 1]
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
            lines = flow[place : place + count]
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
        abs(size - style[0]) <= 0.5
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
    if len(numbered) < 2 or turns < 0.6 * (len(numbered) - 1):
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
