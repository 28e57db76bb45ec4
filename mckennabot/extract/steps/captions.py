"""Finds the captions of pictures and tables.

A caption with a number says what it is. The others are known by all captions of the book together: a style
that is mostly found next to pictures is theirs.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page, take_all_for
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.steps.tables import is_numbered
from mckennabot.extract.typography import (
    PARTED,
    SHORT_DOCUMENT,
    SMALL_PRINT,
    ends_short,
    is_centred_below,
    same_size,
)

_CAPTION_LINES = 6
"""Lines that a caption in the type of the text has at most; a longer one may be the text."""
_PICTURE = 3
"""Type sizes that a picture with a caption is wide and high, at least; less is an ornament or an initial."""
_BELOW, _ABOVE = 3, 1.5
"""Leadings within which a caption stands below its picture, and above it."""
_INTO_PICTURE = 0.5
"""Type sizes by which it may reach into the picture's box, which is often larger than what it shows."""
_SMALL_LINES, _CENTRED_LINES = 8, 4
"""Lines of a caption without a number, at most, and fewer than which are one for being centred."""
_NO_LARGER = 1.02
"""Times the text's size that a caption is set in at most."""
_LAST_LINE = 1.1
"""Leadings to a caption's last line, which may be set in another font: the photographer's name."""


_Style = tuple[float, str, bool, bool]


def mark_captions(pages: list[Page], measure: Measure) -> None:
    """Set the kind of captions."""
    candidates: list[list[Line]] = []
    near: Counter[_Style] = Counter()
    everywhere: Counter[_Style] = Counter()
    for page in pages:
        for block in _blocks(page.body(), measure):
            everywhere[_style(block)] += 1
            if is_numbered(block[0]):
                take_all_for(
                    _numbered_caption(block, measure), Kind.CAPTION, "captions: begins with its number"
                )
            elif len(pages) > SHORT_DOCUMENT and _could_be_caption(block, page, measure):
                near[_style(block)] += 1
                candidates.append(block)
    for block in candidates:
        # Quotations and notes stand next to pictures, too, but most of theirs stand elsewhere.
        if 2 * near[_style(block)] > everywhere[_style(block)]:
            take_all_for(block, Kind.CAPTION, "captions: next to a picture, set like other captions")
    for page in pages:
        lines = [line for line in page.lines if line.kind in (Kind.BODY, Kind.CAPTION) and not line.angle]
        for above, block in pairwise(_blocks(lines, measure)):
            if _ends_caption(above, block, measure):
                take_all_for(block, Kind.CAPTION, "captions: last line of the caption above")


def _could_be_caption(block: list[Line], page: Page, measure: Measure) -> bool:
    return _is_next_to_picture(block, page, measure) and _is_set_as_caption(block, measure)


def _style(block: list[Line]) -> _Style:
    """Return what captions of one book share: size, font, whether centred, whether in capitals."""
    first = block[0]
    return round(first.size, 1), first.font, is_centred_below(first), first.text.isupper()


def _blocks(lines: list[Line], measure: Measure) -> list[list[Line]]:
    """Part lines where type, column or distance changes."""
    blocks: list[list[Line]] = []
    for line in lines:
        last = blocks[-1][-1] if blocks else None
        if (
            last is not None
            and (last.column, last.kind) == (line.column, line.kind)
            and same_size(last.size, line.size)
            and (last.font == line.font or last.size != measure.size)
            and 0 <= line.y - last.y < PARTED * measure.line_distance(line.size)
        ):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return blocks


def _ends_caption(above: list[Line], block: list[Line], measure: Measure) -> bool:
    """Return whether a block is the last line of the caption above it."""
    if above[-1].kind != Kind.CAPTION or block[0].kind == Kind.CAPTION or len(block) > 1:
        return False
    last, line = above[-1], block[0]
    if same_size(line.size, measure.size) and not is_centred_below(line):
        return False
    return last.column == line.column and 0 < line.y - last.y < _LAST_LINE * measure.line_distance(
        measure.size
    )


def _numbered_caption(block: list[Line], measure: Measure) -> list[Line]:
    """Return the lines of a block that belong to the caption with whose number it begins."""
    first = block[0]
    if not same_size(first.size, measure.size) or first.font != measure.font:
        return block
    if is_centred_below(first):
        end = next((n for n, line in enumerate(block) if not is_centred_below(line)), len(block))
    else:
        ends = (n for n, (a, b) in enumerate(pairwise(block), 1) if ends_short(a, b) or a.text[-1] in ".!?")
        end = next(ends, len(block))
    return block[:end] if end <= _CAPTION_LINES else []


def _is_next_to_picture(block: list[Line], page: Page, measure: Measure) -> bool:
    """Return whether a block stands close below a picture, or closer above one."""
    top, bottom = block[0].y - block[0].size, block[-1].y
    left, right = min(line.x0 for line in block), max(line.x1 for line in block)
    leading, into = measure.line_distance(measure.size), -_INTO_PICTURE * measure.size
    least = _PICTURE * measure.size
    return any(
        x0 < right
        and x1 > left
        and (into < top - y1 < _BELOW * leading or into < y0 - bottom < _ABOVE * leading)
        for x0, y0, x1, y1 in page.images
        if x1 - x0 > least and y1 - y0 > least
    )


def _is_set_as_caption(block: list[Line], measure: Measure) -> bool:
    """Return whether a block is no larger than the text, and set otherwise."""
    size = max(line.size for line in block)
    if size > _NO_LARGER * measure.size or len(block) > _SMALL_LINES:
        return False
    text = " ".join(line.text for line in block)
    centred = all(map(is_centred_below, block))
    return (
        size < SMALL_PRINT * measure.size
        or block[0].font != measure.font
        or text.isupper()
        or (centred and len(block) < _CENTRED_LINES)
    )
