"""Turns a page's glyphs into lines of text.

This runs in the worker process for each page alone; what needs the whole book (columns, running
heads, notes, paragraphs) comes after it, and sees only what stands in a `Line`.
"""

from __future__ import annotations

from collections import Counter

from mckennabot.extract.books.characters import runs_right_to_left
from mckennabot.extract.lines.directions import as_placed
from mckennabot.extract.lines.rows import Ink, is_beside, rows_of, upright
from mckennabot.extract.lines.words import Fragment, fragments
from mckennabot.extract.model import Line, Page
from mckennabot.extract.page import Box, Glyph, RawPage
from mckennabot.extract.typography import is_mathematical


def page_lines(raw: RawPage) -> Page:
    """Return the lines of a page."""
    page = _page(raw, raw.glyphs)
    if raw.outside:
        page.uncropped = _page(raw, raw.outside).lines
    return page


def _page(raw: RawPage, glyphs: list[Glyph]) -> Page:
    by_angle: dict[int, list[Glyph]] = {}
    text = "".join([glyph.text for glyph in glyphs])
    for glyph in glyphs if text.isascii() else as_placed(glyphs, text):
        by_angle.setdefault(glyph.angle, []).append(glyph)
    angles = sorted(by_angle, key=lambda angle: -sum(not g.text.isspace() for g in by_angle[angle]))
    main = angles[0] if angles else 0
    turned = main in (90, 270)
    page = Page(
        raw.number,
        raw.label,
        raw.height if turned else raw.width,
        raw.width if turned else raw.height,
        main,
        images=[_turn(box, main, raw) for box in raw.images],
        drawings=[_turn(box, main, raw) for box in raw.drawings],
        rules=[_turn(box, main, raw) for box in raw.rules] if main in (0, 180) else [],
    )
    page.mirrored = runs_right_to_left(text)
    row = 0
    for angle in angles:
        inks = upright(by_angle[angle], angle, raw.width, raw.height)
        rows, initials = rows_of(inks)
        for number, members in enumerate(rows):
            for fragment in fragments(members, page.mirrored):
                page.unknown += fragment.unknown
                page.repaired += fragment.repaired
                if fragment.text:
                    page.lines.append(_line(fragment, row + number, page.number, (angle - main) % 360))
        _give_initials(page.lines, initials)
        row += len(rows)
    if page.mirrored:
        _mirror(page)
    return page


def _mirror(page: Page) -> None:
    """Turn a page that is read from right to left round, so that its lines begin on the left."""
    page.images = [(page.width - x1, y0, page.width - x0, y1) for x0, y0, x1, y1 in page.images]
    page.drawings = [(page.width - x1, y0, page.width - x0, y1) for x0, y0, x1, y1 in page.drawings]
    page.rules = [(page.width - x1, y0, page.width - x0, y1) for x0, y0, x1, y1 in page.rules]
    for line in page.lines:
        if not line.angle:
            line.x0, line.x1 = page.width - line.x1, page.width - line.x0
    page.lines.sort(key=lambda line: (line.row, line.x0))


def _line(fragment: Fragment, row: int, page: int, angle: int) -> Line:
    size, font = _face(fragment.faces)
    maths = sum(count for (_, name), count in fragment.faces.items() if is_mathematical(name))
    return Line(
        fragment.text,
        fragment.x0,
        fragment.x1,
        fragment.baseline,
        size,
        font,
        row,
        page,
        fragment.head,
        fragment.space,
        fragment.marks,
        angle=angle,
        maths=maths / sum(fragment.faces.values()) if maths else 0.0,
    )


def _face(faces: Counter[tuple[float, str]]) -> tuple[float, str]:
    """Return the largest size of a quarter of the line, lest small capitals make it small, and its font."""
    if len(faces) == 1:
        return next(iter(faces))
    sizes: Counter[float] = Counter()
    fonts: Counter[str] = Counter()
    for (size, font), count in faces.items():
        sizes[size] += count
        fonts[font] += count
    quarter = sum(faces.values()) / 4
    large = [size for size, count in sizes.items() if count >= quarter]
    return max(large) if large else sizes.most_common(1)[0][0], fonts.most_common(1)[0][0]


def _give_initials(lines: list[Line], initials: list[Ink]) -> None:
    """Put each drop cap before the topmost line beside it; all beside it begin where it does."""
    for cap in initials:
        beside = [line for line in lines if is_beside(cap, line.x0, line.y, line.size)]
        for number, line in enumerate(sorted(beside, key=lambda line: line.y)):
            line.x0 = min(line.x0, cap.x0)
            if number == 0:
                line.initial = cap.text + line.initial


def _turn(box: Box, angle: int, raw: RawPage) -> Box:
    x0, y0, x1, y1 = box
    if angle == 90:
        return y0, raw.width - x1, y1, raw.width - x0
    if angle == 270:
        return raw.height - y1, x0, raw.height - y0, x1
    if angle == 180:
        return raw.width - x1, raw.height - y1, raw.width - x0, raw.height - y0
    return box
