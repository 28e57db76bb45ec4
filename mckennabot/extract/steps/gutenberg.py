"""Finds what Project Gutenberg puts before and behind its texts, which its own lines mark."""

from __future__ import annotations

from collections.abc import Sequence

from mckennabot.extract.books.legal import GUTENBERG_END, GUTENBERG_START
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, take_all_for

_SHARE, _LINES = 4, 40
"""The line that begins the text stands within one line in so many, and so many more: a short story's stands
behind as long a preamble as a novel's."""


def mark_gutenberg(flow: Sequence[Line]) -> None:
    """Set the kind of all lines up to the last START line, and from the first END line of the second half."""
    count = len(flow)
    starts = [
        n for n, line in enumerate(flow[: count // _SHARE + _LINES]) if GUTENBERG_START.search(line.text)
    ]
    ends = [n for n, line in enumerate(flow) if n > count // 2 and GUTENBERG_END.search(line.text)]
    if starts:
        take_all_for(flow[: starts[-1] + 1], Kind.BOILERPLATE, "gutenberg: before its START line")
    if ends:
        take_all_for(flow[ends[0] :], Kind.BOILERPLATE, "gutenberg: behind its END line")
