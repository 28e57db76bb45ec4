"""Drop text that lies twice on a page: a scan that was recognised again has two layers of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from mckennabot.extract.page import Glyph

_NEAR = 1.0
"""Type sizes by which the same word may lie apart in two layers: they do not fit exactly."""
_SAME = 0.5
"""Share of a layer's words that an earlier one has too if it repeats that one: both have their errors."""
_LEAST = 3
"""Words of a layer that can be compared; fewer agree by chance."""
_RETURN, _RETURN_SIZES = 0.5, 4
"""Share of the layer's height, and type sizes, by which a new layer starts above the end of the last one."""
_NEW_LINE, _GAP = 0.5, 0.2
"""Type sizes between baselines that part lines, and between glyphs that part words."""


def without_repeats(shown: list[Glyph], hidden: list[Glyph]) -> list[Glyph]:
    """Return the page's glyphs without layers that repeat an earlier one.

    Args:
        shown: glyphs drawn to be seen.
        hidden: glyphs drawn invisibly, as the recognised text of a scan is.
    """
    if not hidden:
        return shown
    kept: list[Glyph] = []
    words: dict[str, list[Glyph]] = defaultdict(list)
    for layer in (shown, *_passes(hidden)):
        found = list(_words(layer))
        # By words and not by glyphs: two recognitions cut a word into other pieces, and err differently.
        twice = sum(any(_is_near(first, other) for other in words[text]) for text, first in found)
        if len(found) >= _LEAST and twice >= _SAME * len(found):
            continue
        kept += layer
        for text, first in found:
            words[text].append(first)
    return kept


def _passes(glyphs: list[Glyph]) -> Iterator[list[Glyph]]:
    """Yield the layers: each begins where drawing returns to the head of the page."""
    layer: list[Glyph] = []
    lowest = highest = 0.0
    for glyph in glyphs:
        if layer and lowest - glyph.baseline > _RETURN * (lowest - highest) > _RETURN_SIZES * glyph.size:
            yield layer
            layer = []
        highest = min(highest, glyph.baseline) if layer else glyph.baseline
        lowest = max(lowest, glyph.baseline) if layer else glyph.baseline
        layer.append(glyph)
    if layer:
        yield layer


def _words(glyphs: list[Glyph]) -> Iterator[tuple[str, Glyph]]:
    """Yield each word in the order of drawing, with its first glyph."""
    text, first, last = "", None, None
    for glyph in glyphs:
        apart = last is not None and (
            abs(glyph.baseline - last.baseline) > _NEW_LINE * glyph.size
            or glyph.x0 - last.x1 > _GAP * glyph.size
        )
        if first is not None and (apart or glyph.text.isspace()):
            yield text, first
            text, first = "", None
        if not glyph.text.isspace():
            first = first or glyph
            text += glyph.text.casefold()
        last = glyph
    if first is not None:
        yield text, first


def _is_near(first: Glyph, second: Glyph) -> bool:
    reach = _NEAR * max(first.size, second.size)
    return abs(first.x0 - second.x0) < reach and abs(first.baseline - second.baseline) < reach
