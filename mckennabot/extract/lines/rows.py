"""Gathers glyphs on one baseline, with what is raised next to them, and takes drop caps out."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from operator import itemgetter
from typing import NamedTuple

from mckennabot.extract.books.characters import ACCENTS
from mckennabot.extract.page import Glyph

# Lengths are in units of the type size ("ems").

_SMALLER = 0.85
"""Type of at most this share of a row's size may be raised beside it: note marks are set at 0.6 to 0.8."""
_BASELINE, _BASELINE_MIXED = 0.2, 0.02
"""How far baselines of one row may differ, and where the sizes do, lest raised figures slip in."""
_RAISED = (-0.4, 0.8)
"""How far below and above a row's baseline figures stand that belong to it."""
_ACCENTS = 0.5
"""How far above a row's baseline an accent's own may stand; TeX sets it apart from its letter."""
_RAISED_AT_MOST = 4
"""Glyphs in a note mark, an ordinal's ending, an exponent."""
_TOUCHES, _TOUCHES_BEFORE = 0.3, 0.5
"""How far a raised figure may stand behind the word that it belongs to, and before the next."""
_OVERLAPS, _OVERLAPS_BEFORE = 0.5, 0.1
"""How far it may reach into that word, as over a slanting letter, and into the next."""
_DROP_CAP = 1.7
"""A drop cap is at least this many times as large as the text, and as the glyphs beside it."""
_CAP_STANDS_OFF = 1.5
"""Space before a drop cap in a row, in ems of the text: less, and it is a large word's letter."""
_CAP_TOP, _CAP_MIDDLE = 0.95, 0.55
"""Shares of a drop cap's size from its baseline to its top, above which no line stands next to it, and to the
middle, below which a line may begin over it by mistake."""
_CAP_OVER, _CAP_OVERHANG = 0.1, 0.5
"""How far from the cap's left edge such a line begins at most, and how far a line next to the cap may reach
into it: an L or an A leaves room."""
_CAP_RISES = 0.3
"""A line beside a drop cap stands at least this far above the cap's baseline."""

_OPENING = "\"'\u2018\u201c\u00ab"
_QUOTES = "\"'\u2018\u201c\u201e\u00ab\u00bb"


class Ink(NamedTuple):
    """A glyph in the space in which its text runs from left to right, y downwards.

    Attributes:
        raised: 1 where it stands above the baseline of its row, -1 below, 0 on it.
    """

    x0: float
    x1: float
    y: float
    text: str
    size: float
    font: str
    raised: int = 0


Row = list[Ink]
_left = itemgetter(0)
"""Left edge, for sorting: glyphs at one place stay in the order in which they are drawn."""


def upright(glyphs: list[Glyph], angle: int, width: float, height: float) -> list[Ink]:
    """Turn glyphs that are read at one angle to read from left to right.

    Args:
        glyphs: all of the angle.
        angle: in degrees, clockwise.
        width: of the page before turning.
        height: of the page before turning.
    """
    if angle == 90:
        return [Ink(g.y0, g.y1, width - g.baseline, g.text, g.size, g.font) for g in glyphs]
    if angle == 270:
        return [Ink(height - g.y1, height - g.y0, g.baseline, g.text, g.size, g.font) for g in glyphs]
    if angle == 180:
        return [Ink(width - g.x1, width - g.x0, height - g.baseline, g.text, g.size, g.font) for g in glyphs]
    new = tuple.__new__  # past the checks of Ink(): this is the commonest case, and by far the most calls
    return [new(Ink, (x0, x1, y, text, size, font, 0)) for text, x0, _, x1, _, y, size, font, _ in glyphs]


def rows_of(inks: list[Ink]) -> tuple[list[Row], list[Ink]]:
    """Return rows from top to bottom, and the drop caps that stand beside them."""
    by_baseline: dict[float, Row] = {}
    for ink in inks:
        by_baseline.setdefault(ink.y, []).append(ink)
    rows: list[Row] = []
    sizes: list[float] = []
    for baseline in sorted(by_baseline):
        row = by_baseline[baseline]
        size = _common_size(row)
        if rows and baseline - rows[-1][0].y <= _tolerance(size, sizes[-1]):
            rows[-1] += row
            sizes[-1] = _common_size(rows[-1])
        else:
            rows.append(row)
            sizes.append(size)
    for row in rows:
        row.sort(key=_left)
    caps = _take_drop_caps(rows, _common_size(inks) if inks else 0.0)
    _attach_raised(rows, sizes)
    return [row for row in rows if row], caps


def _common_size(inks: Row) -> float:
    first = inks[0].size
    if all(ink.size == first for ink in inks):
        return first
    return Counter(ink.size for ink in inks).most_common(1)[0][0]


def _tolerance(first: float, second: float) -> float:
    """Points by which baselines in one row may differ."""
    small, large = sorted((first, second))
    return _BASELINE * small if small > _SMALLER * large else _BASELINE_MIXED * large


def _attach_raised(rows: list[Row], sizes: list[float]) -> None:
    """Move short runs of small glyphs that stand above or below a row, close to its glyphs, into it."""
    below, above = _RAISED
    for number, row in enumerate(rows):
        for other in (number + 1, number + 2, number - 1):
            if not 0 <= other < len(rows) or not rows[other] or not row:
                continue
            drop = (rows[other][0].y - row[0].y) / sizes[other]
            if 0 < drop < _ACCENTS and any(ink.text in ACCENTS for ink in row):
                _put_over_letters(row, rows[other])
            elif below < drop < above and min(ink.size for ink in row) <= _SMALLER * sizes[other]:
                _move(row, rows[other], sizes[other], 1 if drop > 0 else -1)


def _put_over_letters(row: Row, target: Row) -> None:
    """Move accents that stand over the letters of a row into it."""
    over = [
        ink
        for ink in row
        if ink.text in ACCENTS
        and any(
            letter.x0 <= (ink.x0 + ink.x1) / 2 <= letter.x1 and letter.text.isalpha() for letter in target
        )
    ]
    if over:
        target += over
        target.sort(key=lambda ink: ink.x0 + (ink.text in ACCENTS) * 1e-3)
        row[:] = [ink for ink in row if ink not in over]


def _move(row: Row, target: Row, size: float, raised: int) -> None:
    """Move the short runs of a row that touch a word of another into that."""
    visible = [ink for ink in target if not ink.text.isspace()]
    ends, starts = sorted(ink.x1 for ink in visible), [ink.x0 for ink in visible]
    moved: Row = []
    for run in _runs(row):
        after = bisect_left(ends, run[0].x0 - _OVERLAPS * size)
        before = bisect_left(starts, run[-1].x1 - _OVERLAPS_BEFORE * size)
        touches = (after < len(ends) and ends[after] < run[0].x0 + _TOUCHES * size) or (
            before < len(starts) and starts[before] < run[-1].x1 + _TOUCHES_BEFORE * size
        )
        if touches and len(run) <= _RAISED_AT_MOST and max(ink.size for ink in run) <= _SMALLER * size:
            moved += run
    if moved:
        target += [ink._replace(raised=raised) for ink in moved]
        target.sort(key=_left)
        row[:] = [ink for ink in row if ink not in moved]


def _runs(row: Row) -> list[Row]:
    """Return the visible glyphs of a row, parted where there is more between them than a space."""
    runs: list[Row] = []
    for ink in row:
        if ink.text.isspace():
            continue
        if runs and ink.x0 - runs[-1][-1].x1 < ink.size:
            runs[-1].append(ink)
        else:
            runs.append([ink])
    return runs


def _take_drop_caps(rows: list[Row], body: float) -> list[Ink]:
    """Remove the initials that reach up beside lines above their own baseline, and give them back."""
    caps: list[Ink] = []
    taken: list[Ink] = []
    for number, row in enumerate(rows):
        if max(ink.size for ink in row) < _DROP_CAP * body:
            continue
        visible = [ink for ink in row if not ink.text.isspace()]
        for place, ink in enumerate(visible):
            if ink.size < _DROP_CAP * body or not ink.text.strip(_OPENING).isalpha():
                continue
            quote = visible[place - 1] if place and _opens(visible[place - 1], ink) else None
            before = place - (2 if quote else 1)
            if before >= 0 and (quote or ink).x0 - visible[before].x1 < _CAP_STANDS_OFF * body:
                continue
            following = visible[place + 1] if place + 1 < len(visible) else None
            if following and following.size * _DROP_CAP > ink.size and following.x0 - ink.x1 < body:
                continue
            if _beside_lines(ink, rows[:number], body):
                caps.append(ink._replace(x0=quote.x0, text=quote.text + ink.text) if quote else ink)
                taken += [quote, ink] if quote else [ink]
    for row in rows:
        if any(ink in taken for ink in row):
            row[:] = [ink for ink in row if ink not in taken]
    return caps


def _opens(quote: Ink, letter: Ink) -> bool:
    """Return whether a glyph is a quotation mark as large as the letter behind it."""
    return quote.size == letter.size and quote.text in _QUOTES and quote.text != ""


def _beside_lines(cap: Ink, rows_above: list[Row], body: float) -> bool:
    return any(
        is_beside(cap, ink.x0, row[0].y, body) and ink.size * _DROP_CAP < cap.size
        for row in rows_above
        if row and row[0].y < cap.y - _CAP_RISES * body
        for ink in row
        if not ink.text.isspace()
    )


def is_beside(cap: Ink, x: float, y: float, size: float) -> bool:
    """Return whether a line that begins at (x, y) stands next to a drop cap, or over it by mistake."""
    if (
        not cap.y - _CAP_TOP * cap.size < y < cap.y + size
    ):  # above the cap's top, or more than a line below it
        return False
    over = cap.y - _CAP_MIDDLE * cap.size < y < cap.y - _CAP_RISES * size
    return (over and abs(x - cap.x0) < _CAP_OVER * size) or (
        -_CAP_OVERHANG * size < x - cap.x1 < _CAP_STANDS_OFF * size
    )
