"""Finds which way Chinese and Japanese run: as their glyphs are placed, whatever the font says.

Some programs place each glyph of a vertical line by itself, in a font that runs horizontally; others use
a font for vertical text, and set it in rows.
"""

from __future__ import annotations

import re
from itertools import pairwise

from mckennabot.extract.page import Glyph

_WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_MOST = 0.7
"""Share of the steps from glyph to glyph that must go one way."""
_LEAST = 4
"""Glyphs from which on one can tell."""
_ASIDE = 0.3
"""Type sizes by which a glyph may stand beside the line that it follows in."""
_STEPS = (0.5, 2.0)
"""Type sizes from one glyph to the next: punctuation is set closer, letter-spaced lines wider."""
_FOOT = 0.12
"""Share of a character's square that lies below the baseline of a row, as fonts for Chinese have it."""


def as_placed(glyphs: list[Glyph], text: str) -> list[Glyph]:
    """Glyphs, those of Chinese and Japanese with the direction in which they follow each other.

    Args:
        glyphs: in the order of drawing.
        text: theirs.
    """
    if not _WIDE.search(text):
        return glyphs
    for wrong, right in ((0, 90), (90, 0)):
        members = [glyph for glyph in glyphs if glyph.angle == wrong and not glyph.text.isspace()]
        wide = [glyph for glyph in members if _WIDE.match(glyph.text)]
        if len(wide) >= _LEAST and 2 * len(wide) > len(members) and _runs(wide, right):
            glyphs = [_turned(glyph, right) if glyph.angle == wrong else glyph for glyph in glyphs]
    return glyphs


def _runs(glyphs: list[Glyph], angle: int) -> bool:
    """Return whether most of the steps from one glyph to the next close by go down (90) or right (0)."""
    least, most = _STEPS
    down = right = 0
    for a, b in pairwise(glyphs):
        across, along = b.x0 - a.x0, b.y0 - a.y0
        if abs(across) < _ASIDE * a.size and least * a.size < along < most * a.size:
            down += 1
        elif abs(along) < _ASIDE * a.size and least * a.size < across < most * a.size:
            right += 1
    ways = (down, right) if angle == 90 else (right, down)
    return ways[0] >= _LEAST - 1 and ways[0] >= _MOST * sum(ways)


def _turned(glyph: Glyph, angle: int) -> Glyph:
    """Return a glyph to be read at another angle, on a baseline through its middle, or near its foot."""
    if angle == 90:
        return glyph._replace(angle=90, baseline=0.5 * (glyph.x0 + glyph.x1))
    return glyph._replace(angle=0, baseline=glyph.y1 - _FOOT * (glyph.y1 - glyph.y0))
