"""Lines joined to paragraphs, and lines of verse kept.

`mckennabot.extract.steps.runs` says how lines are set. Where a paragraph begins among them is decided by
`_begins_inside` and `_begins_run`, each a list of rules of which the first that applies counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mckennabot.extract.books.characters import SOFT_HYPHEN
from mckennabot.extract.books.hyphens import Hyphens
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.steps.runs import (
    Run,
    find_runs,
    is_item,
    is_ornament,
    is_set_like,
    most_leading,
)
from mckennabot.extract.typography import SLACK, ends_sentence, same_size

_AT_EDGE = 0.1
"""Ems by which a line set to the right edge, or one with the usual outdent, may miss it."""
_FAR_RIGHT = 0.3
"""Share of the column from which on a line that ends at the right edge is set there: a signature, a date."""
_OPENS, _CLOSES = '"\u201c\u2018\u00ab', '"\u201d\u2019\u00bb'
_STANZA_ENDS = '.\u201d"'


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


def make_paragraphs(
    flow: Sequence[Line], starts: set[Line], measure: Measure, hyphens: Hyphens
) -> list[Paragraph]:
    """Join lines to paragraphs, in order.

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
    """The lines of each paragraph, and whether they are verse."""
    lines: list[Line] = []
    aside: list[list[Line]] = []  # kept notes wait until the paragraph around them ends
    verse = False
    run_before: Run | None = None
    runs = find_runs(flow, starts, measure)
    for place, run in enumerate(runs):
        for number, line in enumerate(run.lines):
            if line.kind not in (Kind.BODY, Kind.HEADING):
                if aside and aside[-1][-1].kind == line.kind and number:
                    aside[-1].append(line)
                else:
                    aside.append([line])
                continue
            before = lines[-1] if lines else None
            if before is None or line in starts or is_ornament(before) or is_ornament(line):
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
        if run.lines[-1].kind in (Kind.BODY, Kind.HEADING):
            run_before = run
    if lines:
        yield lines, verse
    yield from ((part, False) for part in aside)


# Where a paragraph begins


def _begins_inside(lines: list[Line], b: Line, run: Run, measure: Measure) -> bool:
    """Whether a line begins a paragraph after lines that end in the same run."""
    a = lines[-1]
    if run.verse or b.kind == Kind.HEADING:
        return False
    if _is_cut(a, b):
        return False
    if _ends_like_first(b, run, measure):
        return True
    if _is_flush_right(b, run) and not _is_flush_right(a, run):
        return True  # the name under a quotation or a letter
    slack = SLACK * b.size
    indented, was_indented = b.x0 - run.left > slack, a.x0 - run.left > slack
    short = run.ends_short(a, b)
    if run.hanging:
        return not indented and (was_indented or short or measure.hanging > 0)
    if is_item(lines[0]) and not lines[0].x0 - run.left > slack:
        return short if not was_indented else not indented
    if indented and not was_indented:
        return True
    if indented:  # several paragraphs of one line each, or lines of one that stand in by chance
        return short or ends_sentence(a.text) or not measure.justified
    if is_item(b) and short:
        return True
    if was_indented:  # the second line of a paragraph, unless its first was all of it
        return measure.justified and short
    if measure.justified or not measure.by_indent:
        return short and (measure.justified or not measure.by_space)
    return False


def _begins_run(lines: list[Line], b: Line, before: Run | None, run: Run, measure: Measure) -> bool:
    """Whether a run's first line begins a paragraph, or continues the one before."""
    a = lines[-1]
    if a.kind != b.kind or a.kind == Kind.HEADING or b.initial or before is None:
        return True
    if not same_size(a.size, b.size):
        return True
    if all(_is_flush_right(line, before) for line in lines) and not _is_flush_right(b, run):
        return True  # where and when a letter was written
    short = before.ends_short(a, b)
    if a.page == b.page and a.column == b.column and b.y > a.y and not b.after_float:
        return short or not _continues_at_another_edge(lines, b, before, run, measure)
    # From here on the two lines are parted by the end of a column or page, or by a picture.
    if before.verse or run.verse:
        return not _verse_continues(before, run)
    if _is_cut(a, b):
        return False
    if before.inset != run.inset:
        return short or not is_item(lines[0])
    indented = b.x0 - run.left > SLACK * b.size
    if is_item(lines[0]) and is_item(b):
        return True
    if before.hanging or run.hanging:
        return not indented and (short or measure.hanging > 0)
    if indented or _ends_like_first(b, run, measure):
        return True
    if measure.justified:
        return short
    if measure.by_indent:
        return False
    # Ragged text without indents leaves nothing but its words to go by.
    return (short and ends_sentence(a.text)) or (a.text[-1] in _CLOSES and b.text[0] in _OPENS)


def _continues_at_another_edge(lines: list[Line], b: Line, before: Run, run: Run, measure: Measure) -> bool:
    """Whether a line close below, but set off from the edge differently, is of the same paragraph.

    An unusual indent of the first line, or an item of a list whose other lines hang from it.
    """
    parted = b.y - lines[-1].y > most_leading(measure) * measure.line_distance(b.size)
    if parted or before.verse or run.verse:
        return False
    if before.inset and not run.inset:
        return len(before.lines) == 1
    return run.inset and not before.inset and is_item(lines[0])


def _verse_continues(before: Run, run: Run) -> bool:
    """Whether a stanza continues over the end of a page."""
    a = before.lines[-1]
    ended = a.text[-1] in _STANZA_ENDS and len(before.lines) > 3 and len(run.lines) > 1
    return before.inset and run.inset and is_set_like(a, run.lines[0]) and not ended


def _is_whole_stanza(runs: list[Run], place: int) -> bool:
    """Whether the stanza before a run is as long as the others of its poem: then it ends with its page."""
    before, run = runs[place - 1], runs[place]
    beside = (runs[number] for number in (place - 2, place + 1) if 0 <= number < len(runs))
    lengths = {
        len(other.lines) for other in beside if other.verse and is_set_like(other.lines[0], run.lines[0])
    }
    return len(before.lines) in lengths and len(before.lines) + len(run.lines) not in lengths


def _ends_like_first(line: Line, run: Run, measure: Measure) -> bool:
    """Whether a line ends where only first lines of paragraphs do."""
    return measure.outdent > 0 and abs(run.right - line.x1 - measure.outdent) < _AT_EDGE * line.size


def _is_flush_right(line: Line, run: Run) -> bool:
    room = min(run.right, line.right) - line.x1
    inset = line.x0 - line.left
    return inset > _FAR_RIGHT * (line.right - line.left) and room < _AT_EDGE * line.size


def _is_cut(a: Line, b: Line) -> bool:
    """Whether the end of a line cuts a word."""
    return a.text.endswith(("-", SOFT_HYPHEN)) and a.text[-2:-1].isalpha() and b.text[:1].islower()
