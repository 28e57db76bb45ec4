"""Measures what is usual in a book: type size, leading, how paragraphs begin, whether it is verse."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from mckennabot.extract.model import Line, Page
from mckennabot.extract.steps.edges import set_edges, usual_type
from mckennabot.extract.typography import (
    PARTED,
    PARTED_CLOSELY,
    SLACK,
    ends_sentence,
    ends_short,
    neighbours,
    same_size,
)

_LEADING = 1.2
"""Leading in units of the type size of a book with too little text to measure it: what most are set with."""
_LEADINGS = (0.8, 3.0)
"""Distances of baselines that may be leading: below are exponents, above are paragraphs and headings."""
_FEW_STEPS = 3
_FREQUENT = 0.3
"""A distance of baselines this often as frequent as the most frequent one is usual, too. Rounding parts one
distance in two, and the narrower is the one within paragraphs."""
_GRID = 0.1
"""Ems to which indents are rounded to be counted."""
_INDENTS = (0.6, 6.0)
"""Indents of a paragraph's first line, in ems: less is a crooked line, more a signature or a centred line."""
_INDENT_LINES, _INDENT_SHARE = 2, 0.004
"""Least number, and share of all pairs of lines, that make an indent the book's: an essay of long paragraphs
has one in hundreds of lines."""
_OUTDENT_LINES, _OUTDENT_SHARE = 4, 0.4
"""Least number, and share of the first lines, that end early by the same."""
_OUTDENT_OTHERS = 0.1
"""Share of the other lines that may end there by chance."""
_HANGING_LINES, _HANGING_SHARE = 3, 0.1
"""Least number, and share of all pairs of lines, that show hanging indents; prose with a list has fewer."""
_HANGING_AGREE = 0.8
"""Share of such moves of the left edge that follow full lines on the way in, short ones on the way out."""
_VERSE_LINES = 8
"""Lines that end no sentence, that show whether it is a book of verse; fewer show nothing."""
_VERSE_CAPITALS = 0.8
"""Share of the lines after such that begin with a capital in verse; in German prose it is a third."""
_VERSE_SHORT = 0.6
"""Share of such lines that end short, in verse without capitals; in prose there are hardly any."""


@dataclass(frozen=True, slots=True)
class Measure:
    """The usual, in points.

    Attributes:
        size: type size of most of the text.
        font: font of most of the text.
        leading: distance of baselines, by type size.
        indent: of a paragraph's first line; 0 where there is none.
        justified: whether lines end at the right edge.
        by_indent: whether most paragraphs begin with an indent.
        by_space: whether most paragraphs stand apart from each other.
        hanging: by how much all lines of a paragraph but its first are indented; 0 where they are not.
        outdent: by how much first lines end early, where their indents stand at the wrong end.
        verse: whether it is a book of verse.
    """

    size: float = 10.0
    font: str = ""
    leading: dict[float, float] = field(default_factory=dict)
    indent: float = 0.0
    justified: bool = False
    by_indent: bool = False
    by_space: bool = False
    hanging: float = 0.0
    outdent: float = 0.0
    verse: bool = False

    def line_distance(self, size: float) -> float:
        """Return the usual distance between baselines of lines of a size."""
        if size in self.leading:
            return self.leading[size]
        if not self.size:  # a matrix of zeros sets text of no size
            return _LEADING * size
        ratio = self.leading.get(self.size, _LEADING * self.size) / self.size
        return ratio * size


def take_measure(pages: list[Page]) -> Measure:
    """Say what is usual, and set ``left`` and ``right`` of every line to the edges of its column."""
    size, font = usual_type(pages)
    justified = set_edges(pages)
    if not font:
        return Measure()
    leading = _leading(pages)
    pairs = [
        (a, b)
        for page in pages
        for a, b in neighbours(page.lines)
        if same_size(a.size, size) and same_size(b.size, size)
    ]
    step = leading.get(size, _LEADING * size)
    indent = _indent(pairs, size)
    # What follows lines that end short, verse and all that is set off from the left edge aside.
    after = [(b.x0 - b.left, b.y - a.y) for a, b in pairs if ends_short(a, b)]
    after = [(offset, gap) for offset, gap in after if min(offset, abs(offset - indent)) < SLACK * size]
    by_space = 2 * sum(gap > PARTED_CLOSELY * step for _, gap in after) > len(after)
    by_indent = 2 * sum(offset >= SLACK * size for offset, _ in after) > len(after)
    verse = not justified and _is_verse(pages, size, step)
    if hanging := _hanging(pairs, size):
        return Measure(size, font, leading, 0.0, justified, by_space=by_space, hanging=hanging, verse=verse)
    outdent = _outdent(pairs, size) if justified and not indent else 0.0
    return Measure(size, font, leading, indent, justified, by_indent, by_space, outdent=outdent, verse=verse)


def _leading(pages: list[Page]) -> dict[float, float]:
    """Return the usual distance of baselines within paragraphs, by type size, if there are lines enough."""
    least, most = _LEADINGS
    steps: dict[float, Counter[float]] = defaultdict(Counter)
    for page in pages:
        for a, b in neighbours(page.lines):
            if a.size == b.size and least * a.size < b.y - a.y < most * a.size:
                steps[a.size][round(b.y - a.y, 1)] += 1
    return {
        size: min(step for step, count in counts.items() if count >= _FREQUENT * max(counts.values()))
        for size, counts in steps.items()
        if sum(counts.values()) >= _FEW_STEPS
    }


def _indent(pairs: list[tuple[Line, Line]], size: float) -> float:
    """Return the usual distance by which a line stands to the right of the lines around it."""
    least, most = _INDENTS
    offsets: Counter[int] = Counter()
    for (_, b), (c, d) in pairwise(pairs):
        back = b is c and d.x0 - d.left < SLACK * size
        if back and least * size < b.x0 - b.left < most * size and not b.initial:
            offsets[round((b.x0 - b.left) / (_GRID * size))] += 1
    if not offsets:
        return 0.0
    best, count = offsets.most_common(1)[0]
    return best * _GRID * size if count >= max(_INDENT_LINES, _INDENT_SHARE * len(pairs)) else 0.0


def _outdent(pairs: list[tuple[Line, Line]], size: float) -> float:
    """Return by how much lines that begin paragraphs end before the edge where others end."""
    firsts: Counter[int] = Counter()
    others: Counter[int] = Counter()
    for a, b in pairs:
        room = round((b.right - b.x1) / (_GRID * size))
        (firsts if ends_short(a, b) else others)[room] += 1
    wide = Counter({room: count for room, count in firsts.items() if room > round(_INDENTS[0] / _GRID)})
    if not wide:
        return 0.0
    room, count = wide.most_common(1)[0]
    rare = others[room] < _OUTDENT_OTHERS * max(1, sum(others.values()))
    enough = count >= max(_OUTDENT_LINES, _OUTDENT_SHARE * sum(firsts.values()))
    return room * _GRID * size if enough and rare else 0.0


def _hanging(pairs: list[tuple[Line, Line]], size: float) -> float:
    """Return by how much a paragraph's lines are indented if its first is not; mostly 0."""
    offsets: Counter[int] = Counter()
    out = back = turns = 0
    for a, b in pairs:
        offset, before = b.x0 - b.left, a.x0 - a.left
        if offset - before > _INDENTS[0] * size and before < SLACK * size:
            offsets[round(offset / (_GRID * size))] += 1
            turns += 1
            out += not ends_short(a, b)
        elif before - offset > _INDENTS[0] * size and offset < SLACK * size:
            turns += 1
            back += ends_short(a, b)
    if out + back < _HANGING_AGREE * turns or min(out, back) < max(
        _HANGING_LINES, _HANGING_SHARE * len(pairs)
    ):
        return 0.0
    return offsets.most_common(1)[0][0] * _GRID * size


def _is_verse(pages: list[Page], size: float, step: float) -> bool:
    """Return whether a book's lines are verse: they end where sentences do not, and the next word had room.

    In prose a line that ends no sentence is continued in small letters most times, and is full.
    """
    running = capitals = cased = short = 0
    for page in pages:
        for a, b in neighbours(page.lines):
            close = b.y - a.y < PARTED * step and same_size(a.size, size) and same_size(b.size, size)
            if not close or not a.text or ends_sentence(a.text) or a.text.endswith("-"):
                continue
            running += 1
            short += ends_short(a, b)
            letter = next((c for c in b.text if c.isalpha()), "")
            cased += letter.isupper() or letter.islower()
            capitals += letter.isupper()
    if running < _VERSE_LINES:
        return False
    return capitals >= _VERSE_CAPITALS * max(cased, 0.5 * running) or short >= _VERSE_SHORT * running
