"""Text that lies twice on a page: a scan that was recognised again has two layers of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from mckennabot.extract.page import Glyph

_NEAR = 1.0
"""Type sizes by which the same word may lie elsewhere in another layer: scanning shifts a page a little."""
_SAME = 0.5
"""Share of a layer's words that lie in another, too, from which on it repeats it: both have their errors."""
_LEAST = 3
"""Words of a layer."""


def one_layer(shown: list[Glyph], hidden: list[Glyph]) -> list[Glyph]:
    """The page's glyphs, each text once.

    Args:
        shown: what is drawn to be seen.
        hidden: what is drawn invisibly, as the recognised text of a scan is.
    """
    if not hidden:
        return shown
    kept: list[Glyph] = []
    words: dict[str, list[Glyph]] = defaultdict(list)
    for layer in (shown, *_passes(hidden)):
        found = list(_words(layer))
        twice = sum(any(_is_near(first, other) for other in words[text]) for text, first in found)
        if len(found) >= _LEAST and twice >= _SAME * len(found):
            continue
        kept += layer
        for text, first in found:
            words[text].append(first)
    return kept


def _passes(glyphs: list[Glyph]) -> Iterator[list[Glyph]]:
    """The glyphs parted where writing begins again at the head of the page."""
    layer: list[Glyph] = []
    lowest = highest = 0.0
    for glyph in glyphs:
        if layer and lowest - glyph.baseline > 0.5 * (lowest - highest) > 4 * glyph.size:
            yield layer
            layer = []
        highest = min(highest, glyph.baseline) if layer else glyph.baseline
        lowest = max(lowest, glyph.baseline) if layer else glyph.baseline
        layer.append(glyph)
    if layer:
        yield layer


def _words(glyphs: list[Glyph]) -> Iterator[tuple[str, Glyph]]:
    """Each word in the order of drawing, with its first glyph."""
    text, first, last = "", None, None
    for glyph in glyphs:
        apart = last is not None and (
            abs(glyph.baseline - last.baseline) > 0.5 * glyph.size or glyph.x0 - last.x1 > 0.2 * glyph.size
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
