"""Captions under pictures, and tables: text that stands beside the flow."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby, pairwise

from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.typography import (
    PARTED,
    SHORT_DOCUMENT,
    SMALL_PRINT,
    ends_short,
    is_centred_below,
    is_fixed_pitch,
    is_wide,
    neighbours,
    same_size,
)

_NUMBERED = re.compile(
    r"(?:fig(?:ure|ur)?s?|plate|map|illustration|table|abb(?:ildung)?|tab(?:elle|leau|ell)?|figura|tabla|tabella|tabell|figuur|kuva|taulukko|obr(?:ázek)?|rys(?:unek)?|рис(?:унок)?|таблица|图|圖|図|表)\b\.?"
    r"\s*(?:\d+|[ivxl]+|[a-z]\d*)(?:[.-]\d+)*\s*(?:[.:\u2013\u2014|](?!\d)|$)",
    re.IGNORECASE,
)
_TABLE_ROWS = 3
_CAPTION_LINES = 6
_FIGURE = re.compile(r"[=+\u2212-]?\d[\d.,]*|[=+\u2212-]")
_FIGURES_LEAST = 9
"""Figures of a table without rules: the smallest magic square has as many."""
_CELL_WORDS = 6
"""Words of a cell that is as wide as the table."""
_ROW_STEP = 2.0
"""Leadings between its rows at most."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_FUNCTIONS = frozenset(
    [
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
    ]
)
_MATHS_SHARE = 0.2
"""Share of a formula's glyphs that are from fonts of mathematical signs; figures and brackets are not."""
_PIECES = 4
"""Tokens of a numerator or the like that stands on a row of its own."""
_LETTERING_WORDS = 12
"""Words of a line inside a diagram: the figures along an axis; a box around text has longer ones."""
_LETTERING_WIDTH = 0.85
"""Share of the column that such a line takes: letters in a wide diagram."""


def mark_captions(pages: list[Page], measure: Measure) -> None:
    """Set the kind of captions and tables."""
    beside: list[list[Line]] = []
    near: Counter[_Style] = Counter()
    everywhere: Counter[_Style] = Counter()
    short = len(pages) <= SHORT_DOCUMENT
    for page in pages:
        body = [line for line in page.lines if line.kind == Kind.BODY and not line.angle]
        _mark_lettering(page, body, measure)
        body = [line for line in body if line.kind == Kind.BODY]
        _mark_tables(page, body, measure)
        _mark_figures(body, measure)
        _mark_formulas(body, measure)
        for block in _blocks([line for line in body if line.kind == Kind.BODY], measure):
            style = _style(block)
            everywhere[style] += 1
            if _NUMBERED.match(block[0].text):
                _set(_numbered_caption(block, measure), Kind.CAPTION, "captions: begins with its number")
            elif not short and _beside_picture(block, page, measure) and _is_small_print(block, measure):
                near[style] += 1
                beside.append(block)
    for block in beside:
        if 2 * near[_style(block)] > everywhere[_style(block)]:  # and not of a kind that stands anywhere
            _set(block, Kind.CAPTION, "captions: beside a picture, set like other captions")
    for page in pages:
        blocks = _blocks(
            [line for line in page.lines if line.kind in ("body", Kind.CAPTION) and not line.angle], measure
        )
        for above, block in pairwise(blocks):
            if _goes_on(above, block, measure):
                _set(block, Kind.CAPTION, "captions: goes on from the caption above")
        _note_floats(page, measure)


_Style = tuple[float, str, bool, bool]


def _style(block: list[Line]) -> _Style:
    """What captions of one book share: size, font, whether centred, whether in capitals."""
    first = block[0]
    return round(first.size, 1), first.font, is_centred_below(first), first.text.isupper()


def _note_floats(page: Page, measure: Measure) -> None:
    """Say of each line whether a picture, a caption or a table stands between it and the one before."""
    tall = [box for box in page.images if box[3] - box[1] > 2 * measure.size]
    for line in page.lines:
        line.after_float = False
    floats = [line for line in page.lines if line.kind in (Kind.CAPTION, Kind.TABLE)]
    for a, b in neighbours(page.lines):
        b.after_float = any(a.y < line.y < b.y for line in floats) or any(
            a.y - a.size < (y0 + y1) / 2 < b.y and x0 < b.right and x1 > b.left for x0, y0, x1, y1 in tall
        )


def _blocks(lines: list[Line], measure: Measure) -> list[list[Line]]:
    """Lines parted where type, column or distance changes."""
    blocks: list[list[Line]] = []
    for line in lines:
        last = blocks[-1][-1] if blocks else None
        if (
            last is not None
            and (last.column, last.kind) == (line.column, line.kind)
            and same_size(last.size, line.size)
            and (last.font == line.font or last.size != measure.size)
            and 0 <= line.y - last.y < PARTED * measure.line_distance(line.size)
        ):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return blocks


def _goes_on(above: list[Line], block: list[Line], measure: Measure) -> bool:
    """Whether a block is the last line of the caption above it."""
    if above[-1].kind != Kind.CAPTION or block[0].kind == Kind.CAPTION or len(block) > 1:
        return False
    last, line = above[-1], block[0]
    if same_size(line.size, measure.size) and not is_centred_below(line):
        return False
    return last.column == line.column and 0 < line.y - last.y < 1.1 * measure.line_distance(measure.size)


def _numbered_caption(block: list[Line], measure: Measure) -> list[Line]:
    """The lines of a block that belong to the caption with whose number it begins."""
    first = block[0]
    if not same_size(first.size, measure.size) or first.font != measure.font:
        return block
    if is_centred_below(first):
        end = next((n for n, line in enumerate(block) if not is_centred_below(line)), len(block))
    else:
        ends = (n for n, (a, b) in enumerate(pairwise(block), 1) if ends_short(a, b) or a.text[-1] in ".!?")
        end = next(ends, len(block))
    return block[:end] if end <= _CAPTION_LINES else []


def _beside_picture(block: list[Line], page: Page, measure: Measure) -> bool:
    top, bottom = block[0].y - block[0].size, block[-1].y
    left, right = min(line.x0 for line in block), max(line.x1 for line in block)
    near = 3 * measure.line_distance(measure.size)
    return any(
        x0 < right
        and x1 > left
        and (-0.5 * measure.size < top - y1 < near or -0.5 * measure.size < y0 - bottom < 0.5 * near)
        for x0, y0, x1, y1 in page.images
        if x1 - x0 > 3 * measure.size and y1 - y0 > 3 * measure.size
    )


def _is_small_print(block: list[Line], measure: Measure) -> bool:
    """Whether a block is no larger than the text, and set in another way."""
    size = max(line.size for line in block)
    if size > 1.02 * measure.size or len(block) > 8:
        return False
    text = " ".join(line.text for line in block)
    centred = all(map(is_centred_below, block))
    return (
        size < SMALL_PRINT * measure.size
        or block[0].font != measure.font
        or text.isupper()
        or (centred and len(block) < 4)
    )


def _mark_lettering(page: Page, body: list[Line], measure: Measure) -> None:
    """Short lines inside a drawing, or right at its edge, if no line of text runs through it."""
    reach = 1.2 * measure.size
    for x0, y0, x1, y1 in page.drawings:
        inside = [
            line
            for line in body
            if x0 - reach < 0.5 * (line.x0 + line.x1) < x1 + reach
            and y0 - 0.5 * reach < line.y - 0.3 * line.size < y1 + 0.5 * reach
        ]
        if inside and all(_is_lettering(line) for line in inside):
            _set(inside, Kind.CAPTION, "captions: lettering of a drawing")


def _is_lettering(line: Line) -> bool:
    return len(line.text.split()) <= _LETTERING_WORDS and (
        line.x1 - line.x0 < _LETTERING_WIDTH * (line.right - line.left)
    )


def _mark_tables(page: Page, body: list[Line], measure: Measure) -> None:
    """Runs of rows with wide gaps, between rules or under a numbered caption."""
    step = 2 * measure.line_distance(measure.size)
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
        if ruled or (before is not None and _NUMBERED.match(before.text)):
            inside = [
                line
                for line in body
                if line.column == rows[0].column and top < line.y < bottom and not _is_running(line)
            ]
            _set([*rows, *inside], Kind.TABLE, "captions: rows of cells, ruled or under a caption")


def _is_running(line: Line) -> bool:
    """Whether a line is one of running text, which may stand between two tables."""
    return not line.gaps and is_wide(line) and len(line.text.split()) > _CELL_WORDS


def _mark_figures(body: list[Line], measure: Measure) -> None:
    """Rows of figures without rules, as magic squares and tables of results are."""
    step = _ROW_STEP * measure.line_distance(measure.size)
    run: list[Line] = []
    for line in [*body, None]:
        if line is not None and line.kind == Kind.BODY and all(map(_FIGURE.fullmatch, line.text.split())):
            near = not run or (line.column == run[-1].column and line.y - run[-1].y < step)
            if near and not is_fixed_pitch(line.font):
                run.append(line)
                continue
        if len(run) >= _TABLE_ROWS and sum(len(row.text.split()) for row in run) >= _FIGURES_LEAST:
            _set(run, Kind.TABLE, "captions: rows of figures")
        run = []


def _mark_formulas(body: list[Line], measure: Measure) -> None:
    """Formulas on lines of their own, and the pieces above and below them: they come out in shreds."""
    near = measure.line_distance(measure.size)
    shown = [line for line in body if line.kind == Kind.BODY and _is_formula(line)]
    pieces = [line for line in body if line.kind == Kind.BODY and not _WORD.search(line.text)]
    while shown:
        _set(shown, Kind.TABLE, "captions: a formula on lines of its own")
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
    """Whether a line holds a formula and no words, and stands in from the edge, as displayed ones do."""
    words = [word for word in _WORD.findall(line.text) if word not in _FUNCTIONS]
    return line.maths >= _MATHS_SHARE and not words and line.x0 - line.left > line.size


def _set(lines: list[Line], kind: Kind, why: str) -> None:
    for line in lines:
        line.take_for(kind, why)
