"""Find drawings made of lines and curves, such as diagrams and graphs: lettering in them is not prose."""

from __future__ import annotations

from mckennabot.extract.page import Box

MAX_STROKES = 400
"""Paths of a page to look at, evenly chosen from more: clustering takes quadratic time."""
_NEAR = 8.0
"""Points that may lie between the strokes of one drawing."""
_LEAST = 3
"""Strokes that make a drawing; a frame around text is one."""
_SMALLEST = 25.0
"""Points of a drawing's shorter side; ornaments, underlines and tall brackets are smaller."""


def drawings(strokes: list[Box]) -> list[Box]:
    """Return the boxes around strokes that stand together.

    Args:
        strokes: the box of each path that is more than a horizontal rule.
    """
    if len(strokes) > MAX_STROKES:
        # Every nth, so that all parts of the page are seen.
        strokes = strokes[:: 1 + len(strokes) // MAX_STROKES]
    clusters: list[tuple[Box, int]] = []
    for stroke in strokes:
        box, count = stroke, 1
        touching = True
        while touching:  # a box that has grown may touch others
            touching = False
            for other in clusters:
                if _touch(box, other[0]):
                    clusters.remove(other)
                    box, count = _around(box, other[0]), count + other[1]
                    touching = True
                    break
        clusters.append((box, count))
    return [box for box, count in clusters if count >= _LEAST and _side(box) >= _SMALLEST]


def _touch(a: Box, b: Box) -> bool:
    return a[0] - _NEAR < b[2] and b[0] - _NEAR < a[2] and a[1] - _NEAR < b[3] and b[1] - _NEAR < a[3]


def _around(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _side(box: Box) -> float:
    return min(box[2] - box[0], box[3] - box[1])
