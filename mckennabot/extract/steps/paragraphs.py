"""Lines joined to paragraphs, and lines of verse kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mckennabot.extract.books.characters import SOFT_HYPHEN
from mckennabot.extract.books.hyphens import Hyphens
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.typography import FLUSH, FULL, SLACK, ends_sentence, ends_short, same_size

_ITEM = re.compile(r"(?:[\u2022\u25e6\u25aa\u2023\u00b7\u2219*\u2013\u2014-]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s")
_SPEECH = "\"'\u201c\u2018\u201e\u00ab\u00bb\u2014\u2013-"
_ORNAMENTS = " *\u2217\u2042\u2022\u00b7~#+\u25c6\u25c7\u2766\u2767\u273b\u00a7\u2014\u2013-"

_FEW = 4
"""Lines whose ends may agree by chance."""
_NARROWED = 3.0
"""Ems by which a picture beside the text narrows it at least."""
_JUSTIFIED = 0.4
"""Share of lines whose ends agree in a justified quotation; the last of each paragraph is short."""


@dataclass(slots=True)
class Paragraph:
    """Lines that make one paragraph.

    Attributes:
        text: the words, with line breaks where they are verse.
        lines: what it is made of.
        kind: of its lines.
    """

    text: str
    lines: list[Line]
    kind: Kind


@dataclass(slots=True)
class _Run:
    """Consecutive lines of one page and column, one type size, with one left edge.

    Attributes:
        left, right: its own edges.
        inset: whether its left edge stands off its column's.
        verse: whether its lines are lines of verse.
        hanging: whether its paragraphs begin at the left edge and go on to the right of it.
        narrow: lines that are full, though short, since a picture stands beside them.
    """

    lines: list[Line]
    left: float = 0.0
    right: float = 0.0
    inset: bool = False
    verse: bool = False
    hanging: bool = False
    narrow: frozenset[Line] = frozenset()


def make_paragraphs(
    flow: Sequence[Line], starts: set[Line], measure: Measure, hyphens: Hyphens
) -> list[Paragraph]:
    """Paragraphs in order.

    Args:
        flow: lines in reading order, headings and kept notes among them.
        starts: lines with which a paragraph begins whatever they look like.
        measure: what is usual in the book.
        hyphens: joins words that lines cut.
    """
    return [
        Paragraph(_text(lines, verse, hyphens), lines, lines[0].kind)
        for lines, verse in _grouped(flow, starts, measure)
    ]


def _text(lines: list[Line], verse: bool, hyphens: Hyphens) -> str:
    text = ""
    for line in lines:
        words = hyphens.begin(line.initial, line.text)
        if not text:
            text = words
        elif verse:
            text = f"{text}\n{words}"
        else:
            text = hyphens.join(text, words)
    return text.replace(SOFT_HYPHEN, "")


def _grouped(flow: Sequence[Line], starts: set[Line], measure: Measure) -> Iterator[tuple[list[Line], bool]]:
    lines: list[Line] = []
    aside: list[list[Line]] = []
    verse = False
    run_before: _Run | None = None
    runs = list(_runs(flow, starts, measure))
    _mark_lone_verse(runs)
    for place, run in enumerate(runs):
        for number, line in enumerate(run.lines):
            if line.kind not in (
                "body",
                Kind.HEADING,
            ):  # a kept note waits until the paragraph around it ends
                if aside and aside[-1][-1].kind == line.kind and number:
                    aside[-1].append(line)
                else:
                    aside.append([line])
                continue
            before = lines[-1] if lines else None
            if before is None or line in starts or _is_ornament(before) or _is_ornament(line):
                new = True
            elif number:
                new = _begins_inside(lines, line, run, measure)
            else:
                new = _begins_run(lines, line, run_before, run, measure)
                if not new and run.verse and run_before is not None and run_before.verse:
                    new = _is_whole_stanza(runs, place)
            if new:
                if lines:
                    yield lines, verse
                yield from ((part, False) for part in aside)
                lines, aside, verse = [], [], run.verse
            lines.append(line)
        if run.lines[-1].kind in ("body", Kind.HEADING):
            run_before = run
    if lines:
        yield lines, verse
    yield from ((part, False) for part in aside)


def _is_ornament(line: Line) -> bool:
    """Whether a line is only asterisks or the like, such as part scenes."""
    return len(line.text) < 20 and not line.initial and not line.text.strip(_ORNAMENTS)


# Runs


def _runs(flow: Sequence[Line], starts: set[Line], measure: Measure) -> Iterator[_Run]:
    stretches: list[list[Line]] = []
    for line in flow:
        if not stretches or line in starts or _apart(stretches[-1][-1], line, measure):
            stretches.append([])
        stretches[-1].append(line)
    for before, stretch, after in zip([None, *stretches], stretches, [*stretches[1:], None], strict=False):
        yield from _split(stretch, _is_block(before, stretch, after, measure), measure)


def _is_block(
    before: list[Line] | None, stretch: list[Line], after: list[Line] | None, measure: Measure
) -> bool:
    """Whether space sets lines off from the text, all of them as far in as a paragraph's first stands."""
    slack = SLACK * stretch[0].size
    if not measure.by_indent or len(stretch) < 2 or min(line.x0 - line.left for line in stretch) <= slack:
        return False
    if measure.by_space:
        return True
    # Short paragraphs in turn look the same, but a page's end is all that parts them from the others.
    sides = [other for other in (before and before[-1], after and after[0]) if other]
    sides = [other for other in sides if (other.page, other.column) == (stretch[0].page, stretch[0].column)]
    spoken = sum(line.text[0] in _SPEECH for line in stretch)
    return any(other.kind == Kind.BODY for other in sides) and 2 * spoken <= len(stretch)


def _apart(a: Line, b: Line, measure: Measure) -> bool:
    """Whether a gap, a change of type, or a page's or column's end parts two lines."""
    if a.kind != b.kind or a.page != b.page or a.column != b.column or a.angle != b.angle:
        return True
    if not same_size(a.size, b.size) or bool(b.initial) or _is_ornament(a) or _is_ornament(b):
        return True
    # Where the left edge changes too, less space is enough: verse and quotations may be set off by a little.
    moved = (a.x0 - a.left > SLACK * a.size) != (b.x0 - b.left > SLACK * b.size)
    most = 1.12 if moved else _most_leading(measure)
    return not 0 < b.y - a.y < most * measure.line_distance(max(a.size, b.size))


def _most_leading(measure: Measure) -> float:
    return 1.35 if measure.by_indent and not measure.by_space else 1.2


def _split(lines: list[Line], block: bool, measure: Measure) -> Iterator[_Run]:
    """A stretch, parted where lines set off from the left edge begin and end; none of a block's is at it."""
    if measure.verse and not block:
        yield _run(lines, False, measure)  # a poem's indents are its own
        return
    run: list[Line] = []
    inset = False
    for number, line in enumerate(lines):
        now = block or _is_inset(lines, number, measure)
        if run and now != inset:
            yield _run(run, inset, measure)
            run = []
        inset = now
        run.append(line)
    yield _run(run, inset, measure)


def _is_inset(lines: list[Line], number: int, measure: Measure) -> bool:
    """Whether a line stands off its column's edge, and not only as a paragraph's first does."""
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


def _run(lines: list[Line], inset: bool, measure: Measure) -> _Run:
    first = lines[0]
    left = min(line.x0 for line in lines) if inset else first.left
    run = _Run(lines, left, first.right, inset)
    if inset:
        widest = max(line.x1 for line in lines)
        margin = first.right - (left - first.left)
        run.right = min(first.right, max(widest, min(margin, first.right)))
    if measure.justified:
        run.narrow = _narrow(lines, run)
    pairs = list(pairwise(lines))
    short = [_short(a, b, run) for a, b in pairs]
    run.verse = first.kind == Kind.BODY and _is_verse(lines, short, run, measure)
    if not run.verse and pairs:
        run.hanging = (
            (bool(measure.hanging) and not inset)
            or _is_hanging(pairs, short)
            or ((inset or not measure.by_indent) and _is_item(lines, short))
        )
    if inset and not run.verse:
        run.right = min(first.right, _end_edge(lines))
    return run


def _narrow(lines: list[Line], run: _Run) -> frozenset[Line]:
    """Lines of justified text that end early where the line above or below ends, too."""
    found: set[Line] = set()
    for a, b in pairwise(lines):
        if abs(a.x1 - b.x1) < 0.5 * FLUSH * a.size and run.right - a.x1 > _NARROWED * a.size:
            found |= {a, b}
    return frozenset(found)


def _end_edge(lines: list[Line]) -> float:
    """Where lines end that are set to a measure of their own: most of them, or the longest.

    TeX lets a line stick out that it cannot break; the others do not end short because of it.
    """
    ends = sorted(line.x1 for line in lines)
    at, count = max(
        ((end, sum(end - FLUSH * lines[0].size <= other <= end for other in ends)) for end in ends),
        key=lambda found: found[1],
    )
    return at if count > 1 and count >= _JUSTIFIED * len(ends) else ends[-1]


def _short(a: Line, b: Line, run: _Run) -> bool:
    return a not in run.narrow and a.x1 + a.space + b.head < run.right - FULL * a.size


def _is_verse(lines: list[Line], short: list[bool], run: _Run, measure: Measure) -> bool:
    if len(lines) > 1 and all(line.gaps for line in lines):
        return True  # rows of a table
    if measure.verse and len(lines) > 1:
        return not _is_prose(lines, short)
    if len(lines) < 2 or any(_ITEM.match(line.text) for line in lines):
        return False
    if run.inset:
        edge = _end_edge(lines) if len(lines) > _FEW else max(line.x1 for line in lines)
        if sum(abs(edge - line.x1) < FLUSH * line.size for line in lines) >= max(2, 0.6 * len(lines)):
            return False  # justified
        room = sum(ends_short(a, b) for a, b in pairwise(lines)) / len(short)
        capitals = sum(_begins_with_capital(line) for line in lines)
        if len(lines) > 2 and capitals == len(lines):
            return room >= (0.5 if len(lines) == 3 else 0.25)
        if len(lines) > 3 and capitals >= 0.75 * len(lines) and room >= 0.5:
            return True
    elif measure.by_indent:
        flush = [line.x0 - run.left < SLACK * line.size for line in lines]
        return len(lines) > 2 and all(flush) and all(short)
    elif len(lines) < 3 and lines[0].x1 > run.left + 0.6 * (run.right - run.left):
        return False
    return sum(short) >= 0.8 * len(short)


def _is_prose(lines: list[Line], short: list[bool]) -> bool:
    """Whether lines in a book of verse are a preface or the like: full, and most begin in small letters."""
    small = sum(not _begins_with_capital(line) for line in lines[1:])
    return len(lines) > 3 and sum(short) < 0.3 * len(short) and small > 0.5 * len(lines)


def _mark_lone_verse(runs: list[_Run]) -> None:
    """Take a single line for verse where verse set like it stands right before or after."""
    for before, run, after in zip([None, *runs], runs, [*runs[1:], None], strict=False):
        if len(run.lines) == 1 and run.inset and not run.verse:
            run.verse = any(
                other is not None and other.verse and _is_set_like(other.lines[0], run.lines[0])
                for other in (before, after)
            )


def _is_set_like(a: Line, b: Line) -> bool:
    return a.font == b.font and abs((a.x0 - a.left) - (b.x0 - b.left)) < 2.5 * a.size


def _begins_with_capital(line: Line) -> bool:
    return next((c.isupper() for c in line.initial + line.text if c.isalpha()), False)


def _is_item(lines: list[Line], short: list[bool]) -> bool:
    """Whether a stretch is one paragraph whose first line alone begins at its left edge."""
    rest = [line.x0 - lines[0].x0 for line in lines[1:]]
    return (
        not short[0] and min(rest) > SLACK * lines[0].size and max(rest) - min(rest) < SLACK * lines[0].size
    )


def _is_hanging(pairs: list[tuple[Line, Line]], short: list[bool]) -> bool:
    out, back = [], []
    for (a, b), was_short in zip(pairs, short, strict=True):
        if b.x0 - a.x0 > SLACK * a.size and not _ITEM.match(a.text):
            out.append(was_short)
        elif a.x0 - b.x0 > SLACK * a.size and not _ITEM.match(b.text):
            back.append(was_short)
    return bool(out) and bool(back) and sum(out) < 0.5 * len(out) and sum(back) >= 0.5 * len(back)


# Where paragraphs begin


def _begins_inside(lines: list[Line], b: Line, run: _Run, measure: Measure) -> bool:
    """Whether a line begins a paragraph after lines that end in the same run."""
    a = lines[-1]
    if run.verse or b.kind == Kind.HEADING:
        return False
    if _is_cut(a, b):
        return False
    slack = SLACK * b.size
    if _ends_like_first(b, run, measure):
        return True
    if _is_flush_right(b, run) and not _is_flush_right(a, run):
        return True  # whose words they are, under a quotation or a letter
    indented, was_indented = b.x0 - run.left > slack, a.x0 - run.left > slack
    short = _short(a, b, run)
    if run.hanging:
        return not indented and (was_indented or short or measure.hanging > 0)
    if _ITEM.match(lines[0].text) and not lines[0].x0 - run.left > slack:
        return short if not was_indented else not indented
    if indented and not was_indented:
        return True
    if indented:
        return short or ends_sentence(a.text) or not measure.justified
    if _ITEM.match(b.text) and short:
        return True
    if was_indented:
        return measure.justified and short
    if measure.justified or not measure.by_indent:
        return short and (measure.justified or not measure.by_space)
    return False


def _ends_like_first(line: Line, run: _Run, measure: Measure) -> bool:
    """Whether a line ends where only first lines of paragraphs do."""
    return measure.outdent > 0 and abs(run.right - line.x1 - measure.outdent) < 0.1 * line.size


def _is_flush_right(line: Line, run: _Run) -> bool:
    room = min(run.right, line.right) - line.x1
    return line.x0 - line.left > 0.3 * (line.right - line.left) and room < 0.1 * line.size


def _begins_run(lines: list[Line], b: Line, before: _Run | None, run: _Run, measure: Measure) -> bool:
    """Whether a run's first line begins a paragraph, or goes on with the one before."""
    a = lines[-1]
    if (
        a.kind != b.kind
        or a.kind == Kind.HEADING
        or b.initial
        or before is None
        or not same_size(a.size, b.size)
    ):
        return True
    if all(_is_flush_right(line, before) for line in lines) and not _is_flush_right(b, run):
        return True  # where and when a letter was written
    short = _short(a, b, before)
    if a.page == b.page and a.column == b.column and b.y > a.y and not b.after_float:
        return short or not _goes_on_at_another_edge(lines, b, before, run, measure)
    if before.verse or run.verse:
        return not _verse_goes_on(before, run)
    if _is_cut(a, b):
        return False
    if before.inset != run.inset:
        return short or not _ITEM.match(lines[0].text)
    indented = b.x0 - run.left > SLACK * b.size
    if _ITEM.match(lines[0].text) and _ITEM.match(b.text):
        return True
    if before.hanging or run.hanging:
        return not indented and (short or measure.hanging > 0)
    if indented or _ends_like_first(b, run, measure):
        return True
    if measure.justified:
        return short
    if measure.by_indent:
        return False
    return (short and ends_sentence(a.text)) or (
        a.text[-1] in '"\u201d\u2019\u00bb' and b.text[0] in '"\u201c\u2018\u00ab'
    )


def _goes_on_at_another_edge(lines: list[Line], b: Line, before: _Run, run: _Run, measure: Measure) -> bool:
    """Whether a line close below, but set off from the edge differently, is of the same paragraph.

    An unusual indent of the first line, or an item of a list whose other lines hang from it.
    """
    if (
        b.y - lines[-1].y > _most_leading(measure) * measure.line_distance(b.size)
        or before.verse
        or run.verse
    ):
        return False
    if before.inset and not run.inset:
        return len(before.lines) == 1
    return run.inset and not before.inset and bool(_ITEM.match(lines[0].text))


def _verse_goes_on(before: _Run, run: _Run) -> bool:
    """Whether a stanza goes on over the end of a page."""
    a = before.lines[-1]
    ended = a.text[-1] in '.\u201d"' and len(before.lines) > 3 and len(run.lines) > 1
    return before.inset and run.inset and _is_set_like(a, run.lines[0]) and not ended


def _is_whole_stanza(runs: list[_Run], place: int) -> bool:
    """Whether the stanza before a run is as long as the others of its poem: then it ends with its page."""
    before, run = runs[place - 1], runs[place]
    beside = (runs[number] for number in (place - 2, place + 1) if 0 <= number < len(runs))
    lengths = {
        len(other.lines) for other in beside if other.verse and _is_set_like(other.lines[0], run.lines[0])
    }
    return len(before.lines) in lengths and len(before.lines) + len(run.lines) not in lengths


def _is_cut(a: Line, b: Line) -> bool:
    """Whether the end of a line cuts a word."""
    return a.text.endswith(("-", SOFT_HYPHEN)) and a.text[-2:-1].isalpha() and b.text[:1].islower()
