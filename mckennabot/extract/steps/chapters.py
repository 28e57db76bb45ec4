"""Finds where chapters begin: by the outline, by headings, and by pages that open low."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, pairwise

from mckennabot.extract.books.titles import title_kind
from mckennabot.extract.model import Line, Page
from mckennabot.extract.page import OutlineEntry
from mckennabot.extract.steps.headings import Heading, Style
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.steps.openings import find_openings
from mckennabot.extract.steps.outline import sections_of_outline
from mckennabot.extract.steps.sections import Section, section_under
from mckennabot.extract.typography import CHAPTER_WORDS, LARGER

_SAME_SIZE = 0.5
"""Points by which chapters' headings may differ in size."""
_IN_TURN = 0.6
"""Share of numbered headings that count on from the last, or begin anew; numbers of a list rarely do."""
_ON_TOP = 0.5
"""Share of the headings of a style that begin pages, if chapters do in this book."""


def find_sections(
    flow: Sequence[Line],
    headings: list[Heading],
    outline: list[OutlineEntry],
    pages: dict[int, Page],
    measure: Measure,
) -> list[Section]:
    """Return the chapters, prefaces, parts and lists of a book, and what chapters are divided into."""
    by_place = sections_of_outline(flow, headings, outline)
    chapters = {section.place for section in by_place.values() if section.level == 1 and not section.part}
    for heading in _chapter_headings(headings, chapters):
        by_place.setdefault(heading.place, section_under(heading))
    for place, title in find_openings(flow, by_place, pages):
        by_place[place] = Section(place, title, [], title_kind(title))
    for heading in headings:
        if heading.size > LARGER * measure.size or heading.bold:
            by_place.setdefault(heading.place, section_under(heading, 2))
    sections = sorted(by_place.values(), key=lambda section: section.place)
    _count_words(sections, flow)
    return sections


def _count_words(sections: list[Section], flow: Sequence[Line]) -> None:
    """Set the words of each section, up to the next one of its level or a higher one."""
    before = [0, *accumulate(len(line.text.split()) for line in flow)]
    stops: list[int] = []  # by level, where the section of that level or a higher one after this begins
    for section in reversed(sections):
        stops += [stops[-1] if stops else len(flow)] * (section.level + 1 - len(stops))
        start = min(section.place + len(section.heading), stops[section.level])
        section.words = before[stops[section.level]] - before[start]
        stops[section.level :] = [section.place] * max(1, len(stops) - section.level)


def _chapter_headings(headings: list[Heading], known: set[int]) -> list[Heading]:
    """Return the headings of chapters: set like those in the outline, numbered in turn, or the largest."""
    style = (
        _style_of_known(headings, known)
        # "Chapter 3" says what it is; next best is large type on new pages, and then a bare "3".
        or _style_of_numbered([heading for heading in headings if heading.kind == "chapter"])
        or _style_of_largest(headings, _ON_TOP)
        or _style_of_numbered([heading for heading in headings if not heading.kind])
        # An essay or an article has no new pages.
        or _style_of_largest(headings, 0.0)
    )
    if style is None:
        return [heading for heading in headings if heading.kind == "named" and heading.on_top]
    alike = [heading for heading in headings if _like(heading, style)]
    mostly_on_top = sum(heading.on_top for heading in alike) > _ON_TOP * len(alike)
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
    """Return whether a heading begins a chapter in a book whose chapters have this style."""
    if heading.on_top and heading.kind == "part" and heading.style[0] >= style[0]:
        return True
    if on_top and not heading.on_top:
        return False
    return _like(heading, style) or (heading.on_top and _has_name(heading))


def _has_name(heading: Heading) -> bool:
    """Return whether its words say what it heads: a preface, notes, an index."""
    return heading.kind == "named" or bool(title_kind(heading.text))


def _like(heading: Heading, style: Style) -> bool:
    """Return whether a heading is of a style; of a wide one nobody can tell whether it is centred."""
    size, font, centred = heading.style
    return (
        abs(size - style[0]) <= _SAME_SIZE
        and font == style[1]
        and (None in (centred, style[2]) or centred == style[2])
    )


def _style_of_known(headings: list[Heading], known: set[int]) -> Style | None:
    """Return the style of the headings at places known to begin chapters, if it is not chance."""
    styles = Counter(heading.style for heading in headings if heading.place in known)
    if not styles:
        return None
    style, count = styles.most_common(1)[0]
    return style if count >= 2 or len(known) == 1 else None


def _style_of_numbered(headings: list[Heading]) -> Style | None:
    """Return the style of headings whose numbers count on, as chapters' do."""
    numbered = [heading for heading in headings if heading.counted is not None]
    turns = sum(b.counted == (a.counted or 0) + 1 or b.counted == 1 for a, b in pairwise(numbered))
    if len(numbered) < 2 or turns < _IN_TURN * (len(numbered) - 1):
        return None
    return Counter(heading.style for heading in numbered).most_common(1)[0][0]


def _style_of_largest(headings: list[Heading], wanted: float) -> Style | None:
    """Return the largest style with two headings of much text, of which the wanted share begins pages."""
    over_text = [h for h in headings if h.words >= CHAPTER_WORDS and not title_kind(h.text)]
    styles = sorted({heading.style: None for heading in over_text}, key=lambda style: -style[0])
    for style in styles:
        members = [heading for heading in over_text if _like(heading, style)]
        if len(members) > 1 and sum(heading.on_top for heading in members) >= wanted * len(members):
            return style
    return None
