"""Finds chapters that open without a heading of type: on a page that begins low, under a picture or space.

That alone proves little. A drop cap like the other chapters', or a running head that changes there, does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page
from mckennabot.extract.steps.sections import Section
from mckennabot.extract.typography import ends_short

_LOW = 0.1
"""Share of the page's height by which such a page begins lower than most."""
_NEAR = 4
"""Pages before and after an opening on which running heads are compared."""
_HEADING_LINES = 8
"""Lines within which a heading that was found above such a place is its own."""
_PICTURE = 0.15
"""Share of the page's height that a picture has over a chapter; less is an ornament."""
_FEW_PAGES = 4
"""Pages from which on one can see where pages usually begin: a quarter of them begin higher."""
_CHANGES = 0.4
"""Share of the pages that a running head stands on at most, if it changes with the chapters."""


def find_openings(
    flow: Sequence[Line], sections: dict[int, Section], pages: dict[int, Page]
) -> Iterator[tuple[int, str]]:
    """Yield places where a chapter opens without a heading, with the running head that goes with it, or "".

    Args:
        flow: the text's lines in order.
        sections: those found already, by place.
        pages: by number.
    """
    chapters = [section for section in sections.values() if section.level == 1 and not section.part]
    capped = sum(bool(flow[min(s.place + len(s.heading), len(flow) - 1)].initial) for s in chapters)
    heads = _heads(pages)
    low = _low(flow, pages)
    depths = Counter(round(flow[place].y) for place in low)
    for place in low:
        if any(place - _HEADING_LINES <= other <= place for other in sections):
            continue
        line = flow[place]
        title = _new_head(heads, line.page, [flow[other].page for other in sections])
        if title or (line.initial and 2 * capped > len(chapters)):
            yield place, title
        elif (
            len(chapters) < 2
            and depths[round(line.y)] > 1  # chapters of one book all begin at one depth
            and not _stands_under_picture(pages[line.page], line)
        ):
            yield place, ""


def _low(flow: Sequence[Line], pages: dict[int, Page]) -> list[int]:
    """Return lines that begin a page well below where pages begin, after a page that ends a paragraph."""
    firsts = [n for n in range(len(flow)) if not n or flow[n - 1].page != flow[n].page]
    if len(firsts) < _FEW_PAGES:
        return []
    usual = sorted(flow[n].y for n in firsts)[len(firsts) // 4]
    return [
        n
        for n in firsts
        if flow[n].y - usual > _LOW * pages[flow[n].page].height
        and (not n or ends_short(flow[n - 1], flow[n]) or flow[n - 1].text[-1:] in '.!?"\u201d\u2019')
    ]


def _stands_under_picture(page: Page, line: Line) -> bool:
    return any(y1 < line.y and y1 - y0 > _PICTURE * page.height for _, y0, _, y1 in page.images) or any(
        other.kind == Kind.CAPTION and other.y < line.y for other in page.lines
    )


def _heads(pages: dict[int, Page]) -> dict[int, str]:
    """Return the running heads that change in the course of the book, by page."""
    heads = {
        number: [
            line.text.strip("0123456789 |[]()-\u2013\u2014") for line in page.lines if line.kind == Kind.HEAD
        ]
        for number, page in pages.items()
    }
    common = Counter(head for on_page in heads.values() for head in set(on_page))
    changing = {
        number: " ".join(head for head in on_page if head and common[head] < _CHANGES * len(pages))
        for number, on_page in heads.items()
    }
    return {number: head for number, head in changing.items() if head}


def _new_head(heads: dict[int, str], page: int, begun: list[int]) -> str:
    """Return the running head of the pages from this one on, if those before have another.

    Args:
        heads: running heads by page.
        page: where something may begin.
        begun: pages on which something is known to begin; from there on a new head says nothing of this page.
    """
    stop = min((other for other in begun if other > page), default=page + _NEAR)
    before = [n for n in range(page - _NEAR, page) if n in heads]
    after = [heads[n] for n in range(page, min(page + _NEAR, stop)) if n in heads]
    if not before or not after or any(before[-1] < other <= page for other in begun):
        return ""
    return after[0] if after[0] not in {heads[n] for n in before} else ""
