"""Finds stretches of lines that are set alike: quotations, verse, lists with hanging lines, ordinary text.

Whether a line begins a paragraph depends on how the lines around it are set, so runs are found first:
`find_runs` parts the text wherever space, type or the left edge changes, and says of each run where its
edges are and whether its lines are verse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line
from mckennabot.extract.steps.edges import end_edge
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.steps.verse import is_verse
from mckennabot.extract.typography import (
    FLUSH,
    FULL,
    PARTED,
    PARTED_CLOSELY,
    SLACK,
    is_item,
    is_ornament,
    same_size,
)

_SPEECH = "\"'\u201c\u2018\u201e\u00ab\u00bb\u2014\u2013-"
"""Signs with which a speech begins."""
_PARTED_INSET = 1.12
"""Leadings that part two lines if the left edge changes between them: verse and quotations are often set
off by hardly more space than their own lines have."""
_SAME_END = 0.5 * FLUSH
"""Ems by which the ends of lines at a picture differ at most: less than at the column's edge, lest two short
lines one below the other be taken for such."""
_NARROWED = 3.0
"""Ems by which a picture beside the text narrows it at least."""
_SAME_INDENT = 2.5
"""Ems by which the indents of a poem's lines differ at most."""


@dataclass(slots=True)
class Run:
    """Consecutive lines of one page and column, one type size, with one left edge.

    Attributes:
        lines: in order.
        left, right: its own edges.
        inset: whether its left edge stands off its column's.
        verse: whether its lines are lines of verse.
        hanging: whether its paragraphs begin at the left edge and continue to the right of it.
        narrow: lines that are full, though short, since a picture stands beside them.
    """

    lines: list[Line]
    left: float = 0.0
    right: float = 0.0
    inset: bool = False
    verse: bool = False
    hanging: bool = False
    narrow: frozenset[Line] = frozenset()

    def ends_short(self, line: Line, following: Line) -> bool:
        """Return whether the next line's first word would have had room at the end of this one."""
        full = self.right - FULL * line.size
        return line not in self.narrow and line.x1 + line.space + following.head < full


def find_runs(flow: Sequence[Line], starts: set[Line], measure: Measure) -> list[Run]:
    """Part the text into runs.

    Args:
        flow: lines in reading order.
        starts: lines with which a run begins in any case.
        measure: what is usual in the book.
    """
    stretches: list[list[Line]] = []
    for line in flow:
        if not stretches or line in starts or _are_parted(stretches[-1][-1], line, measure):
            stretches.append([])
        stretches[-1].append(line)
    runs: list[Run] = []
    for before, stretch, after in zip([None, *stretches], stretches, [*stretches[1:], None], strict=False):
        runs += _split(stretch, _is_block(before, stretch, after, measure), measure)
    _mark_lone_verse(runs)
    return runs


def is_set_like(a: Line, b: Line) -> bool:
    """Return whether two lines may be of one poem: the same font, about the same indent."""
    return a.font == b.font and abs((a.x0 - a.left) - (b.x0 - b.left)) < _SAME_INDENT * a.size


def most_leading(measure: Measure) -> float:
    """Leadings between two baselines from which on the lines are parted in this book."""
    return PARTED if measure.by_indent and not measure.by_space else PARTED_CLOSELY


# Where a run ends


def _are_parted(a: Line, b: Line, measure: Measure) -> bool:
    """Return whether a gap, a change of type, or a page's or column's end parts two lines."""
    if a.kind != b.kind or a.page != b.page or a.column != b.column or a.angle != b.angle:
        return True
    if not same_size(a.size, b.size) or bool(b.initial) or is_ornament(a) or is_ornament(b):
        return True
    moved = (a.x0 - a.left > SLACK * a.size) != (b.x0 - b.left > SLACK * b.size)
    most = _PARTED_INSET if moved else most_leading(measure)
    return not 0 < b.y - a.y < most * measure.line_distance(max(a.size, b.size))


def _is_block(
    before: list[Line] | None, stretch: list[Line], after: list[Line] | None, measure: Measure
) -> bool:
    """Return whether space sets lines off from the text, all as far in as a paragraph's first line."""
    slack = SLACK * stretch[0].size
    if not measure.by_indent or len(stretch) < 2 or min(line.x0 - line.left for line in stretch) <= slack:
        return False
    if measure.by_space:
        return True
    # Paragraphs of one line each look the same, but only the page's end parts them from the others.
    sides = [other for other in (before and before[-1], after and after[0]) if other]
    sides = [other for other in sides if (other.page, other.column) == (stretch[0].page, stretch[0].column)]
    spoken = sum(line.text[0] in _SPEECH for line in stretch)
    return any(other.kind == Kind.BODY for other in sides) and 2 * spoken <= len(stretch)


def _split(lines: list[Line], block: bool, measure: Measure) -> Iterator[Run]:
    """Part a stretch where its lines leave the column's left edge and come back; a block's never do."""
    if measure.verse and not block:
        yield _make_run(lines, False, measure)  # a poem's indents are its own
        return
    run: list[Line] = []
    inset = False
    for number, line in enumerate(lines):
        now = block or _is_inset(lines, number, measure)
        if run and now != inset:
            yield _make_run(run, inset, measure)
            run = []
        inset = now
        run.append(line)
    yield _make_run(run, inset, measure)


def _is_inset(lines: list[Line], number: int, measure: Measure) -> bool:
    """Return whether a line stands off its column's edge, and not only as a paragraph's first line does."""
    line = lines[number]
    offset = line.x0 - line.left
    slack = SLACK * line.size
    if offset <= slack:
        return False
    if (measure.by_indent or measure.hanging) and abs(offset - (measure.hanging or measure.indent)) < slack:
        return False
    beside = [lines[n] for n in (number - 1, number + 1) if 0 <= n < len(lines)]
    # In a book without indents, one line alone may have one all the same.
    return measure.by_indent or not beside or any(other.x0 - other.left > slack for other in beside)


# What a run is


def _make_run(lines: list[Line], inset: bool, measure: Measure) -> Run:
    first = lines[0]
    left = min(line.x0 for line in lines) if inset else first.left
    run = Run(lines, left, first.right, inset)
    if inset:
        # A quotation is set in from both edges by the same, unless its lines show otherwise.
        widest = max(line.x1 for line in lines)
        run.right = min(first.right, max(widest, first.right - (left - first.left)))
    if measure.justified:
        run.narrow = _narrow(lines, run)
    pairs = list(pairwise(lines))
    short = [run.ends_short(a, b) for a, b in pairs]
    run.verse = first.kind == Kind.BODY and is_verse(lines, short, inset, measure)
    if not run.verse and pairs:
        run.hanging = (
            (bool(measure.hanging) and not inset)
            or _is_hanging(pairs, short)
            or ((inset or not measure.by_indent) and _hangs_from_first(lines, short))
        )
    if inset and not run.verse:
        run.right = min(first.right, end_edge(lines))
    return run


def _narrow(lines: list[Line], run: Run) -> frozenset[Line]:
    """Return lines of justified text that end early where the line above or below ends, too."""
    found: set[Line] = set()
    for a, b in pairwise(lines):
        if abs(a.x1 - b.x1) < _SAME_END * a.size and run.right - a.x1 > _NARROWED * a.size:
            found |= {a, b}
    return frozenset(found)


def _is_hanging(pairs: list[tuple[Line, Line]], short: list[bool]) -> bool:
    """Return whether lines move in after full ones, and back to the edge after short ones."""
    out, back = [], []
    for (a, b), was_short in zip(pairs, short, strict=True):
        if b.x0 - a.x0 > SLACK * a.size and not is_item(a):
            out.append(was_short)
        elif a.x0 - b.x0 > SLACK * a.size and not is_item(b):
            back.append(was_short)
    return bool(out) and bool(back) and sum(out) < 0.5 * len(out) and sum(back) >= 0.5 * len(back)


def _hangs_from_first(lines: list[Line], short: list[bool]) -> bool:
    """Return whether the lines are one paragraph whose first line alone begins at the left edge."""
    rest = [line.x0 - lines[0].x0 for line in lines[1:]]
    slack = SLACK * lines[0].size
    return not short[0] and min(rest) > slack and max(rest) - min(rest) < slack


def _mark_lone_verse(runs: list[Run]) -> None:
    """Take a single line for verse where verse set like it stands right before or after."""
    for before, run, after in zip([None, *runs], runs, [*runs[1:], None], strict=False):
        if len(run.lines) == 1 and run.inset and not run.verse:
            run.verse = any(
                other is not None and other.verse and is_set_like(other.lines[0], run.lines[0])
                for other in (before, after)
            )
