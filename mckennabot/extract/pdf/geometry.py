"""Convert a page's own coordinates to page space: points, y downwards from the top left as it is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mckennabot.extract.page import Box

Matrix = tuple[float, float, float, float, float, float]

LETTER: Box = (0, 0, 612, 792)
"""Taken for a page without a usable /MediaBox, as other readers do."""
MAX_SIDE = 200_000.0
"""Points beyond which a box is taken for damage; PDF's own limit is 14,400 units."""


def visible_box(media: Sequence[Any], crop: Sequence[Any]) -> Box:
    """Return the part of a page that is shown, in its own coordinates: its crop box inside its media box."""
    whole = _box(media) or LETTER
    cut = _box(crop) or whole
    x0, y0 = max(whole[0], cut[0]), max(whole[1], cut[1])
    x1, y1 = min(whole[2], cut[2]), min(whole[3], cut[3])
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else whole


def page_matrix(box: Box, rotation: int) -> Matrix:
    """Return the matrix from a page's own coordinates to page space.

    Args:
        box: what of it is shown, as `visible_box` returns it.
        rotation: /Rotate, in degrees; anything but a quarter turn counts as none.
    """
    x0, y0, x1, y1 = box
    return {
        90: (0, 1, 1, 0, -y0, -x0),
        180: (-1, 0, 0, 1, x1, -y0),
        270: (0, -1, -1, 0, y1, x1),
    }.get(rotation % 360, (1, 0, 0, -1, -x0, y1))


def _box(numbers: Sequence[Any]) -> Box | None:
    if len(numbers) != 4 or not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
        return None
    x0, x1 = sorted((float(numbers[0]), float(numbers[2])))
    y0, y1 = sorted((float(numbers[1]), float(numbers[3])))
    return (x0, y0, x1, y1) if 0 < x1 - x0 <= MAX_SIDE and 0 < y1 - y0 <= MAX_SIDE else None
