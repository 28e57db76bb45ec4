"""Read page labels: the numbers that a document says are printed on its pages (PDF 32000-1, 12.4.2)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import pikepdf
from pdfminer import utils

MAX_NUMBER = 4_000
"""Where Roman numerals end; a letter label would be 150 letters long."""
_STYLES: dict[str, Callable[[int], str]] = {
    "/D": str,
    "/R": lambda number: str(utils.format_int_roman(number)).upper(),
    "/r": lambda number: str(utils.format_int_roman(number)),
    "/A": lambda number: utils.format_int_alpha(number).upper(),
    "/a": lambda number: utils.format_int_alpha(number),
}


def read_labels(pdf: pikepdf.Pdf, count: int) -> list[str | None]:
    """Return one label for each of `count` pages; None for a page without one, or with a broken one."""
    labels: list[str | None] = [None] * count
    tree = pdf.Root.get("/PageLabels")
    if not isinstance(tree, pikepdf.Dictionary):
        return labels
    try:
        ranges = sorted(((int(n), style) for n, style in pikepdf.NumberTree(tree).items()), key=itemgetter(0))
    except Exception:  # a broken tree raises whatever it likes, and costs only the labels
        return labels
    for (first, style), (end, _) in itertools.pairwise([*ranges, (count, None)]):
        for page in range(max(0, first), min(end, count)):
            labels[page] = _label(style, page - first)
    return labels


def _label(style: Any, offset: int) -> str | None:
    """Return the label of the page `offset` pages into a range of one style."""
    try:
        prefix = str(style.get("/P", ""))
        number = int(style.get("/St", 1)) + offset
        kind = str(style.get("/S", ""))
        if not 0 < number < MAX_NUMBER or kind not in _STYLES:
            return prefix or None
        return prefix + _STYLES[kind](number) or None
    except Exception:
        return None
