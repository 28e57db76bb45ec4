"""Tells exponents from the marks of notes: both are raised figures in physics and mathematics."""

from __future__ import annotations

import re

from mckennabot.extract.books.characters import raised_figures
from mckennabot.extract.model import Line

# What can have a power, at the end of a text: a single letter other than "a" and "I", a differential (dx), or
# a term in brackets that holds one letter or a sign of calculation.
_VARIABLE = re.compile(r"(?:^|[^\w\u2019\u2019'-]|\d)d?[^\W\d_aI]$|(?:^|[^\w'\u2019])d[^\W\d_]$")
_TERM = re.compile(r"[(\[](?:[^\W\d_]|[^()\[\]]*[+\u2212=*/\u2032\u2013-][^()\[\]]*)[)\]]$")


def raise_powers(lines: list[Line], found: set[str]) -> None:
    """Put raised figures that are powers back into their lines, as superscript figures.

    A figure behind a variable is a power, unless the page has a note of that number, and no other mark that
    could lead to it.

    Args:
        lines: the text of a page.
        found: the marks with which its notes begin.
    """
    if not any(line.marks for line in lines):
        return
    elsewhere = {mark for line in lines for at, mark in line.marks if not _follows_variable(line.text[:at])}
    for line in lines:
        kept: list[tuple[int, str]] = []
        shift = 0
        for at, mark in line.marks:
            before = line.text[: at + shift]
            if mark.isdecimal() and _follows_variable(before) and (mark not in found or mark in elsewhere):
                line.text = before + raised_figures(mark) + line.text[at + shift :]
                shift += len(mark)
            else:
                kept.append((at + shift, mark))
        line.marks = tuple(kept)


def _follows_variable(before: str) -> bool:
    """Return whether what a raised figure follows can have a power: ds, E/C, 2x, (a + b)."""
    if before.endswith((")", "]")):
        return bool(_TERM.search(before))
    return bool(_VARIABLE.search(before))
