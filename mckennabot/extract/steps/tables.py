"""Finds tables, rows of figures and displayed formulas: lines that come out of a PDF in shreds."""

from __future__ import annotations

import re
from itertools import groupby

from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page, take_all_for
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.typography import is_fixed_pitch, is_wide

_NUMBERED = re.compile(
    r"(?:fig(?:ure|ur)?s?|plate|map|illustration|table|abb(?:ildung)?|tab(?:elle|leau|ell)?|figura|tabla|tabella|tabell|figuur|kuva|taulukko|obr(?:ázek)?|rys(?:unek)?|рис(?:унок)?|таблица|图|圖|図|表)\b\.?"
    r"\s*(?:\d+|[ivxl]+|[a-z]\d*)(?:[.-]\d+)*\s*(?:[.:\u2013\u2014|](?!\d)|$)",
    re.IGNORECASE,
)
_TABLE_ROWS = 3
"""Rows that make a table; two lines with wide gaps are an address."""
_TABLE_REACH = 2
"""Leadings between a table's rows and the rules that belong to it."""
_FIGURE = re.compile(r"[=+\u2212-]?\d[\d.,]*|[=+\u2212-]")
_FIGURES_LEAST = 9
"""Figures of a table without rules: the smallest magic square has as many."""
_CELL_WORDS = 6
"""Words of a cell that is as wide as the table."""
_ROW_STEP = 2.0
"""Leadings between its rows at most."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_FUNCTIONS = frozenset(
    (
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "log",
        "exp",
        "lim",
        "max",
        "min",
        "mod",
        "sup",
        "inf",
        "det",
        "const",
    )
)
"""Words that formulas hold."""
_MATHS_SHARE = 0.2
"""Share of a formula's glyphs that are from fonts of mathematical signs; figures and brackets are not."""
_PIECES = 4
"""Tokens of a numerator or the like that stands on a row of its own."""


def mark_tables(pages: list[Page], measure: Measure) -> None:
    """Set the kind of tables and formulas."""
    for page in pages:
        body = page.body()
        _mark_cells(page, body, measure)
        _mark_figures(body, measure)
        _mark_formulas(body, measure)


def is_numbered(line: Line) -> bool:
    """Return whether a line begins as the caption of a figure or table does, with its number: "Fig. 3."."""
    return bool(_NUMBERED.match(line.text))


def _mark_cells(page: Page, body: list[Line], measure: Measure) -> None:
    """Mark runs of rows with wide gaps, between rules or under a numbered caption."""
    step = _TABLE_REACH * measure.line_distance(measure.size)
    for gapped, run in groupby(body, lambda line: line.gaps > 0):
        rows = list(run)
        if not gapped or len(rows) < _TABLE_ROWS:
            continue
        top, bottom = rows[0].y - measure.size, rows[-1].y
        beside = sorted(y0 for x0, y0, x1, _ in page.rules if x0 < rows[0].right and x1 > rows[0].left)
        for y in reversed(beside):
            top = y if top - step < y < top else top
        for y in beside:
            bottom = y if bottom < y < bottom + step else bottom
        ruled = sum(top <= y <= bottom for y in beside) >= 2
        before = body[body.index(rows[0]) - 1] if rows[0] is not body[0] else None
        if ruled or (before is not None and is_numbered(before)):
            inside = [
                line
                for line in body
                if line.column == rows[0].column and top < line.y < bottom and not _is_running(line)
            ]
            take_all_for([*rows, *inside], Kind.TABLE, "tables: rows of cells, ruled or under a caption")


def _is_running(line: Line) -> bool:
    """Return whether a line is one of running text, which may stand between two tables."""
    return not line.gaps and is_wide(line) and len(line.text.split()) > _CELL_WORDS


def _mark_figures(body: list[Line], measure: Measure) -> None:
    """Mark rows of figures without rules, as magic squares and tables of results are."""
    step = _ROW_STEP * measure.line_distance(measure.size)
    run: list[Line] = []
    for line in [*body, None]:
        if line is not None and line.kind == Kind.BODY and all(map(_FIGURE.fullmatch, line.text.split())):
            near = not run or (line.column == run[-1].column and line.y - run[-1].y < step)
            if near and not is_fixed_pitch(line.font):
                run.append(line)
                continue
        if len(run) >= _TABLE_ROWS and sum(len(row.text.split()) for row in run) >= _FIGURES_LEAST:
            take_all_for(run, Kind.TABLE, "tables: rows of figures")
        run = []


def _mark_formulas(body: list[Line], measure: Measure) -> None:
    """Mark formulas on lines of their own, and the pieces above and below them: they come out in shreds."""
    near = measure.line_distance(measure.size)
    shown = [line for line in body if line.kind == Kind.BODY and _is_formula(line)]
    pieces = [line for line in body if line.kind == Kind.BODY and not _WORD.search(line.text)]
    while shown:
        take_all_for(shown, Kind.TABLE, "tables: a formula on lines of its own")
        beside = [line for line in pieces if line.kind == Kind.BODY and len(line.text.split()) <= _PIECES]
        shown = [
            line
            for line in beside
            if any(
                abs(line.y - other.y) < near and line.x0 < other.x1 + near and line.x1 > other.x0 - near
                for other in shown
            )
        ]


def _is_formula(line: Line) -> bool:
    """Return whether a line holds a formula and no words, and stands in from the edge: a displayed one."""
    words = [word for word in _WORD.findall(line.text) if word not in _FUNCTIONS]
    return line.maths >= _MATHS_SHARE and not words and line.x0 - line.left > line.size
