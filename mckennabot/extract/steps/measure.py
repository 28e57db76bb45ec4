"""What is usual in a book: its type size, its leading, the edges of its columns, how paragraphs begin."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page
from mckennabot.extract.typography import (
    FLUSH,
    PARTED,
    PARTED_CLOSELY,
    SLACK,
    ends_sentence,
    ends_short,
    neighbours,
    same_size,
)

_VERSE_LINES = 8
"""Lines that end no sentence, from which on one can tell a book of verse."""
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
        """The usual distance between baselines of lines of a size."""
        if size in self.leading:
            return self.leading[size]
        if not self.size:  # a matrix of zeros sets text of no size
            return 1.2 * size
        ratio = self.leading.get(self.size, 1.2 * self.size) / self.size
        return ratio * size


def set_edges(pages: list[Page]) -> None:
    """Set ``left`` and ``right`` of every line to the edges of its column."""
    _set_edges(pages, _usual_type(pages)[0])


def take_measure(pages: list[Page]) -> Measure:
    """Say what is usual, and set ``left`` and ``right`` of every line to the edges of its column."""
    size, font = _usual_type(pages)
    if not font:
        _set_edges(pages, size)
        return Measure()
    leading = _leading(pages)
    justified = _set_edges(pages, size)
    pairs = [
        (a, b)
        for page in pages
        for a, b in neighbours(page.lines)
        if same_size(a.size, size) and same_size(b.size, size)
    ]
    step = leading.get(size, 1.2 * size)
    indent = _indent(pairs, size)
    # What follows lines that end short, verse and all that is set off from the left edge aside.
    after = [(b.x0 - b.left, b.y - a.y) for a, b in pairs if ends_short(a, b)]
    after = [(offset, gap) for offset, gap in after if min(offset, abs(offset - indent)) < SLACK * size]
    apart = sum(gap > PARTED_CLOSELY * step for _, gap in after)
    indented = sum(offset >= SLACK * size for offset, _ in after)
    verse = not justified and _is_verse(pages, size, step)
    if hanging := _hanging(pairs, size):
        by_space = apart > 0.5 * len(after)
        return Measure(size, font, leading, 0.0, justified, by_space=by_space, hanging=hanging, verse=verse)
    return Measure(
        size,
        font,
        leading,
        indent,
        justified,
        by_indent=indented > 0.5 * len(after),
        by_space=apart > 0.5 * len(after),
        outdent=_outdent(pairs, size) if justified and not indent else 0.0,
        verse=verse,
    )


def _usual_type(pages: list[Page]) -> tuple[float, str]:
    """Type size and font of most of the text; 10 and "" where there is none."""
    weight: Counter[tuple[float, str]] = Counter()
    by_size: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            if line.kind == Kind.BODY and not line.angle:
                weight[line.size, line.font] += len(line.text)
                by_size[line.size] += len(line.text)
    if not weight:
        return 10.0, ""
    size = by_size.most_common(1)[0][0]
    return size, max((letters, name) for (s, name), letters in weight.items() if s == size)[1]


def _leading(pages: list[Page]) -> dict[float, float]:
    steps: dict[float, Counter[float]] = defaultdict(Counter)
    for page in pages:
        for a, b in neighbours(page.lines):
            if a.size == b.size and 0.8 * a.size < b.y - a.y < 3 * a.size:
                steps[a.size][round(b.y - a.y, 1)] += 1
    usual: dict[float, float] = {}
    for size, counts in steps.items():
        if sum(counts.values()) >= 3:
            # Rounding parts a distance in two; the narrower of two frequent ones is within paragraphs.
            most = max(counts.values())
            usual[size] = min(step for step, count in counts.items() if count >= 0.3 * most)
    return usual


def _set_edges(pages: list[Page], size: float) -> bool:
    groups: dict[tuple[int, int, int], list[Line]] = defaultdict(list)
    for page in pages:
        for line in page.lines:
            if line.kind == Kind.BODY and not line.angle:
                groups[page.number % 2, round(page.width), line.column].append(line)
    edges: dict[tuple[int, int, int], tuple[float, float]] = {}
    flush = near = total = 0
    for key, lines in groups.items():
        text = [line for line in lines if same_size(line.size, size)] or lines
        if len(text) < 10:  # too few on this side of the sheet: both sides tell
            side, width, column = key
            text = text + [
                line for line in groups.get((1 - side, width, column), ()) if same_size(line.size, size)
            ]
        left, right = _left_edge(text, size), _right_edge(text, size)
        edges[key] = left, right
        ends = [line.x1 - right for line in text if line.x1 < right + 0.5 * size]
        flush += sum(end > -FLUSH * size for end in ends)
        near += sum(end > -2 * size for end in ends)
        total += len(text)
    for page in pages:
        shift = _shift(page, edges, size)
        for line in page.lines:
            left, right = edges.get((page.number % 2, round(page.width), line.column), (line.x0, line.x1))
            line.left, line.right = left + shift, right + shift
    # Much verse or talk leaves few full lines: of justified ones, hardly any ends just before the edge.
    return flush > 0.35 * total or flush > max(0.15 * total, 0.75 * near)


def _left_edge(lines: list[Line], size: float) -> float:
    starts = sorted(line.x0 for line in lines)
    return _first_cluster(starts, 0.2 * size, max(2.0, 0.08 * len(starts)))


def _right_edge(lines: list[Line], size: float) -> float:
    """Where most lines end, whatever hangs out of it; in ragged text, where hardly any ends later."""
    ends = sorted(line.x1 for line in lines)
    most, edge, start = 0, 0.0, 0
    for at, end in enumerate(ends):
        while end - ends[start] > FLUSH * size:
            start += 1
        if at - start + 1 >= most:
            most, edge = at - start + 1, ends[(at + start) // 2]
    near = sum(edge - 2 * size < end < edge + 0.5 * size for end in ends)
    if most > 0.3 * len(ends) or most > max(0.15 * len(ends), 0.75 * near):
        return edge
    return ends[-1 - int(0.03 * len(ends))]


def _first_cluster(values: list[float], width: float, count: float) -> float:
    """The least value from which a stretch of the given width holds enough others."""
    end = 0
    for at, value in enumerate(values):
        while end < len(values) and values[end] <= value + width:
            end += 1
        if end - at >= count:
            return values[(at + end) // 2]
    return values[0]


def _shift(page: Page, edges: dict[tuple[int, int, int], tuple[float, float]], size: float) -> float:
    """By how much this page's text stands to the right of where such pages have it, as on a crooked scan."""
    lines = [line for line in page.lines if line.kind == Kind.BODY and same_size(line.size, size)]
    lines = [line for line in lines if line.column <= 1 and not line.angle]
    if len(lines) < 8:
        return 0.0
    left, right = edges[page.number % 2, round(page.width), lines[0].column]
    moved = _left_edge(lines, size) - left
    if abs(moved) > 0.25 * size and abs(_right_edge(lines, size) - right - moved) < 0.25 * size:
        return moved
    return 0.0


def _indent(pairs: list[tuple[Line, Line]], size: float) -> float:
    """The usual distance by which a line stands to the right of the lines around it."""
    offsets: Counter[int] = Counter()
    for (_, b), (c, d) in pairwise(pairs):
        if (
            b is c
            and d.x0 - d.left < SLACK * size
            and 0.6 * size < b.x0 - b.left < 6 * size
            and not b.initial
        ):
            offsets[round((b.x0 - b.left) / (0.1 * size))] += 1
    if not offsets:
        return 0.0
    best, count = offsets.most_common(1)[0]
    return best * 0.1 * size if count >= max(2, 0.004 * len(pairs)) else 0.0


def _outdent(pairs: list[tuple[Line, Line]], size: float) -> float:
    """By how much lines that begin paragraphs end before the edge where others end."""
    firsts: Counter[int] = Counter()
    others: Counter[int] = Counter()
    for a, b in pairs:
        room = round((b.right - b.x1) / (0.1 * size))
        (firsts if ends_short(a, b) else others)[room] += 1
    wide = Counter({room: count for room, count in firsts.items() if room > 6})
    if not wide:
        return 0.0
    room, count = wide.most_common(1)[0]
    rare = others[room] < 0.1 * max(1, sum(others.values()))
    return room * 0.1 * size if count >= max(4, 0.4 * sum(firsts.values())) and rare else 0.0


def _is_verse(pages: list[Page], size: float, step: float) -> bool:
    """Whether a book's lines are verse: they end where sentences do not, and the next word had room.

    In prose a line that ends no sentence goes on in small letters most times, and is full.
    """
    going_on = capitals = cased = short = 0
    for page in pages:
        for a, b in neighbours(page.lines):
            close = b.y - a.y < PARTED * step and same_size(a.size, size) and same_size(b.size, size)
            if not close or not a.text or ends_sentence(a.text) or a.text.endswith("-"):
                continue
            going_on += 1
            short += ends_short(a, b)
            letter = next((c for c in b.text if c.isalpha()), "")
            cased += letter.isupper() or letter.islower()
            capitals += letter.isupper()
    if going_on < _VERSE_LINES:
        return False
    return capitals >= _VERSE_CAPITALS * max(cased, 0.5 * going_on) or short >= _VERSE_SHORT * going_on


def _hanging(pairs: list[tuple[Line, Line]], size: float) -> float:
    """By how much lines stand in that go on with the text, where those that begin it do not; mostly 0."""
    offsets: Counter[int] = Counter()
    out = back = turns = 0
    for a, b in pairs:
        offset, before = b.x0 - b.left, a.x0 - a.left
        if offset - before > 0.6 * size and before < SLACK * size:
            offsets[round(offset / (0.1 * size))] += 1
            turns += 1
            out += not ends_short(a, b)
        elif before - offset > 0.6 * size and offset < SLACK * size:
            turns += 1
            back += ends_short(a, b)
    if out + back < 0.8 * turns or min(out, back) < max(3, 0.1 * len(pairs)):
        return 0.0
    return offsets.most_common(1)[0][0] * 0.1 * size
