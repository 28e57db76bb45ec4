"""Joins lines to paragraphs, and keeps the lines of verse.

`mckennabot.extract.steps.runs` says how lines are set, `mckennabot.extract.steps.breaks` where a paragraph
begins among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mckennabot.extract.books.characters import SOFT_HYPHEN
from mckennabot.extract.books.hyphens import Hyphens
from mckennabot.extract.kinds import TEXT, Kind
from mckennabot.extract.model import Line
from mckennabot.extract.steps.breaks import Seam, is_whole_stanza, rule_for
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.steps.runs import Run, find_runs
from mckennabot.extract.typography import is_ornament


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
    """Yield the lines of each paragraph, and whether they are verse."""
    lines: list[Line] = []
    aside: list[list[Line]] = []  # kept notes wait until the paragraph around them ends
    verse = False
    run_before: Run | None = None
    runs = find_runs(flow, starts, measure)
    for place, run in enumerate(runs):
        if run.lines[0].kind not in TEXT:
            aside.append(run.lines)
            continue
        for line in run.lines:
            if run_before is None or line in starts or is_ornament(lines[-1]) or is_ornament(line):
                new = True
            else:
                whole = run_before is not run and run_before.verse and run.verse
                whole = whole and is_whole_stanza(runs, place)
                new = rule_for(Seam(lines, line, run_before, run, measure, whole)).begins
            if new:
                if lines:
                    yield lines, verse
                yield from ((part, False) for part in aside)
                lines, aside, verse = [], [], run.verse
            lines.append(line)
            run_before = run
    if lines:
        yield lines, verse
    yield from ((part, False) for part in aside)
