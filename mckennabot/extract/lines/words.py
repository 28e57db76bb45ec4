"""Makes words of a row of glyphs: finds spaces, puts accents over letters, sets note marks apart."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from statistics import median

from mckennabot.extract.books.characters import (
    ACCENTS,
    SUPERSCRIPTS,
    accented,
    has_right_to_left,
    logical_order,
    lowered,
    raised_figures,
    repair,
    runs_right_to_left,
)
from mckennabot.extract.lines.rows import Ink, Row

GUTTER = 0.7
"""Narrowest gap, in type sizes, that may part two columns."""
WORD_GAP = 0.11
"""Narrowest gap between words, in type sizes, where the file draws no spaces."""
KERNED_GAP = 0.09
"""The same where the file draws spaces, and its letters stand close."""
TIGHT = 0.03
"""Widest gap between letters, in type sizes, that are not letter-spaced."""
_CLOSE = 0.04
"""Widest gap between letters that stand close."""
_KERNED = 0.45
"""Share of a drawn space from which on a gap between such letters is one."""
_LETTERS = 10
"""Letters from which on one can tell."""
_CLOSE_SHARE = 0.9
"""Share of the gaps inside words that are so narrow where letters stand close."""
_DRAWN_TWICE = 0.5
"""A glyph is drawn twice to look bold if the second begins within this share of the first."""
_SPACE = 0.25
"""Width of a space, in type sizes, in a row of one word."""
_GLYPHS_A_SPACE = 15
"""A row that draws fewer spaces than one in so many glyphs leaves them to the gaps."""
_DRAWN = 0.7
"""Share of a drawn space from which on a gap is one, too: some files draw only the first of a line's."""
_WIDEST_CUT = 0.3
"""Type sizes from which on a gap parts words however wide the drawn spaces of a justified line are."""
_TIGHT_SHARE, _TIGHT_GAP = 0.4, 1.5
"""Of a row set tight: the share of its gaps that may be spaces, and their width at most, in `WORD_GAP`."""
_TIGHT_GAPS = 15
"""Gaps from which on one can tell that a row is set tight."""
_FEW_GAPS = 4
"""Gaps from which on one can tell that a row is letter-spaced: of four, one may part words."""
_SAME_ACCENT = 0.2
"""Share by which an accent's size may differ from its letter's."""

_POWER = re.compile(r"(?:^|[\s\d/(])(?:[kcdm\u00b5]?m|ft|yd|mi|[nrxyz]|10)$")
"""After these a raised figure is an exponent, not the mark of a note: units, variables, 10."""
_MARK = re.compile(r"[\[(]?(?:\d{1,3}(?:,\d{1,3})*|[*\u2217\u2020\u2021\u00a7\u00b6\u2016#]{1,4})[\])]?")


@dataclass(slots=True)
class Fragment:
    """A stretch of a row without a gap as wide as a gutter.

    The fields are those of a `Line`; ``faces`` counts glyphs by size and font.
    """

    text: str
    x0: float
    x1: float
    baseline: float
    faces: Counter[tuple[float, str]]
    head: float
    space: float
    marks: tuple[tuple[int, str], ...]
    repaired: int
    unknown: int


def fragments(row: Row, right_to_left: bool = False) -> list[Fragment]:
    """Return the row's stretches of words, from left to right.

    Args:
        row: its glyphs.
        right_to_left: whether the page is read from right to left.
    """
    pieces: list[Row] = [[]]
    spaces: list[list[int]] = [[]]  # for each piece, before which of its glyphs a space glyph stands
    gaps: list[list[float]] = [[]]  # from the right edge of all before to each glyph but the first
    spaced = False
    edge = float("-inf")
    last: Ink | None = None
    for ink in row:
        x0, x1, _, text, size, _, _ = ink
        if text == " " or (text and text.isspace()):
            spaced = True
            continue
        if last is not None and text == last.text and x0 - last.x0 < _DRAWN_TWICE * (last.x1 - last.x0):
            continue
        if pieces[-1] and x0 - edge > GUTTER * size:
            pieces.append([])
            spaces.append([])
            gaps.append([])
        elif pieces[-1]:
            gaps[-1].append(x0 - edge)
            if spaced:
                spaces[-1].append(len(pieces[-1]))
        spaced = False
        pieces[-1].append(ink)
        edge = x1 if x1 > edge else edge
        last = ink
    if not pieces[0]:
        return []
    tracking = _tracking([gap for some in gaps for gap in some], pieces[0][0].size)
    return [
        _fragment(*piece, tracking, right_to_left)
        for piece in zip(pieces, map(set, spaces), gaps, strict=False)
    ]


def _tracking(gaps: list[float], size: float) -> float:
    """Return the space between letters of a row that is letter-spaced, else 0."""
    if len(gaps) < _FEW_GAPS:
        return 0.0
    in_turn = sorted(gaps)
    # A line of code may have more gaps between words than inside them: then the narrow ones decide.
    if in_turn[len(gaps) // 4] <= TIGHT * size:
        return 0.0
    usual = in_turn[len(gaps) // 2]
    return usual if usual > TIGHT * size else 0.0


def _fragment(
    inks: Row, spaces: set[int], gaps: list[float], tracking: float, right_to_left: bool
) -> Fragment:
    if len({ink.y for ink in inks}) > 1:
        inks, spaces, gaps = _with_fractions(inks, spaces, gaps)
    close = _is_close(spaces, gaps, inks[0].size)
    cut = _word_gap(inks, spaces, gaps, tracking, close)
    # Some programs kern the space between a stop and a T or a W away, and leave a move in its place.
    kerned = KERNED_GAP * inks[0].size if close and not tracking else cut
    parts: list[str] = []
    raised: list[bool] = []
    head = inks[-1].x1
    widths: list[float] = []
    for number, ink in enumerate(inks):
        if number:
            gap = gaps[number - 1]
            if (
                number in spaces
                or gap > cut
                or (gap > kerned and parts[-1] in ".!?,;:" and ink.text.isalpha())
            ):
                if not widths:
                    head = inks[number - 1].x1
                widths.append(gap)
                parts.append(" ")
                raised.append(False)
            elif gap < 0 and (letter := _combined(inks[number - 1], ink)):
                parts[-1] = letter
                continue
        parts.append(ink.text)
        raised.append(ink.raised > 0 or ink.text in SUPERSCRIPTS)
    if has_right_to_left("".join(parts)):
        parts = [logical_order(parts, right_to_left or runs_right_to_left("".join(parts)))]
        raised = [False]
    if right_to_left:
        head = _last_word(inks, gaps, spaces, cut)
    text, marks, repaired = _set_marks_apart(parts, raised)
    on_line = [ink for ink in inks if not ink.raised] or inks
    baselines = {ink.y for ink in on_line}
    return Fragment(
        text,
        inks[0].x0,
        max(ink.x1 for ink in inks),
        median([ink.y for ink in on_line]) if len(baselines) > 1 else on_line[0].y,
        Counter([(ink.size, ink.font) for ink in on_line]),
        head - inks[0].x0 if not right_to_left else head,
        median(widths) if widths else _SPACE * inks[0].size,
        marks,
        repaired,
        sum(not ink.text for ink in inks),
    )


def _with_fractions(inks: Row, spaces: set[int], gaps: list[float]) -> tuple[Row, set[int], list[float]]:
    """Return the row with each fraction of a raised figure over a lowered one as one piece: 2 1/2."""
    if not any(ink.raised < 0 for ink in inks):
        return inks, spaces, gaps
    made: Row = []
    parted: set[int] = set()
    between: list[float] = []
    at = 0
    while at < len(inks):
        end = at
        while end < len(inks) and inks[end].raised and inks[end].text.isdecimal():
            end += 1
        over = [ink for ink in inks[at:end] if ink.raised > 0]
        under = [ink for ink in inks[at:end] if ink.raised < 0]
        stacked = bool(over and under) and over[0].x0 < under[-1].x1 and under[0].x0 < over[-1].x1
        ink, end = inks[at], end if stacked else at + 1
        if stacked:
            text = "".join(ink.text for ink in over) + "/" + "".join(ink.text for ink in under)
            ink = ink._replace(text=text, x1=max(ink.x1 for ink in inks[at:end]), raised=0)
        if made:
            between.append(gaps[at - 1])
            if at in spaces or (stacked and made[-1].text.isdecimal()):
                parted.add(len(made))
        made.append(ink)
        at = end
    return made, parted, between


def _last_word(inks: Row, gaps: list[float], spaces: set[int], cut: float) -> float:
    """Width of the rightmost word, with which a line begins that is read from right to left."""
    right = max(ink.x1 for ink in inks)
    start = next((n for n in range(len(gaps), 0, -1) if n in spaces or gaps[n - 1] > cut), 0)
    return right - inks[start].x0


def _word_gap(inks: Row, spaces: set[int], gaps: list[float], tracking: float, close: bool) -> float:
    """Return the gap above which a space stands in this row, besides the spaces that the file draws."""
    size = min(inks[0].size, inks[-1].size)
    if not gaps:
        return size
    if tracking:
        inside = [gap for number, gap in enumerate(gaps, 1) if number not in spaces]
        tracking = _tracking(inside, size) or max(0.0, min(tracking, min(inside, default=tracking)))
    if len(spaces) * _GLYPHS_A_SPACE < len(inks):
        return tracking + (_tight_gap(gaps, size) or WORD_GAP * size)
    drawn = sorted([gaps[number - 1] for number in spaces])[len(spaces) // 2] - tracking
    share, least = (_KERNED, KERNED_GAP) if close else (_DRAWN, WORD_GAP)
    return tracking + min(max(share * drawn, least * size), _WIDEST_CUT * size)


def _is_close(spaces: set[int], gaps: list[float], size: float) -> bool:
    """Return whether letters stand so close that a narrower gap than usual parts words, too."""
    inside = len(gaps) - len(spaces)
    if not spaces or inside < _LETTERS:
        return False
    # Hardly any drawn space is that narrow, so all gaps can be counted.
    most = _CLOSE * size
    return len([gap for gap in gaps if gap < most]) >= _CLOSE_SHARE * inside


def _tight_gap(gaps: list[float], size: float) -> float:
    """Return the gap above which a space stands in a row set too tight for the usual one; else 0."""
    narrow = [gap for gap in gaps if gap <= TIGHT * size]
    wide = [gap for gap in gaps if gap > TIGHT * size]
    if not 2 <= len(wide) <= _TIGHT_SHARE * len(gaps) or len(gaps) < _TIGHT_GAPS:
        return 0.0
    if max(wide) > _TIGHT_GAP * WORD_GAP * size:
        return 0.0
    return (max(narrow) + min(wide)) / 2 if min(wide) - max(narrow) > _CLOSE * size else 0.0


def _combined(first: Ink, second: Ink) -> str | None:
    """Return the accented letter that two glyphs drawn over each other make."""
    for accent, letter in ((first, second), (second, first)):
        if accent.text in ACCENTS and len(letter.text) == 1 and letter.text.isalpha():
            middle = (accent.x0 + accent.x1) / 2
            if letter.x0 < middle < letter.x1 and abs(accent.size - letter.size) < _SAME_ACCENT * letter.size:
                return accented(letter.text, accent.text)
    return None


def _set_marks_apart(parts: list[str], raised: list[bool]) -> tuple[str, tuple[tuple[int, str], ...], int]:
    """Return the text without raised figures and signs, where those stood, and the characters repaired."""
    if not any(raised):
        text, repaired = repair("".join(parts), private=True)
        return text.strip(), (), repaired
    text, marks, total, number = "", [], 0, 0
    while number < len(parts):
        end = number
        while end < len(parts) and raised[end] == raised[number]:
            end += 1
        piece, repaired = repair("".join(parts[number:end]), private=True)
        total += repaired
        bare = lowered(piece).strip()
        fraction = end < len(parts) and parts[end] in "/\u2044" and parts[end]
        power = bare.isdigit() and (text.endswith("10") or bare in ("2", "3")) and _POWER.search(text[-5:])
        if raised[number] and power:
            text += raised_figures(bare)
        elif raised[number] and _MARK.fullmatch(bare) and not fraction:
            marks.append((len(text.lstrip()), bare.strip("[]()")))
        else:
            text += piece
        number = end
    return text.strip(), tuple(marks), total
