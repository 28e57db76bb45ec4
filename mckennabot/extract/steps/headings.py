"""Headings: short lines that type, place or number set off from the text they stand over."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate

from mckennabot.extract.books.numerals import number, spelled
from mckennabot.extract.lines.lines import Line, Page
from mckennabot.extract.steps.measure import Measure, same_size

HEADING = "heading"

_BOLD = re.compile(r"bold|black|heavy|demi|cmbx|sfbx|-bd|\bb$", re.IGNORECASE)
_ITALIC = re.compile(r"ital|obli|slant|cmti|cmsl|-it\b|\bi$", re.IGNORECASE)
_CHAPTER = re.compile(
    r"(chapter|chapitre|kapitel|cap[ií]tulo|capitolo|hoofdstuk|rozdzia[lł]|letter|stave|canto|lecture|adventure|section)\b",
    re.IGNORECASE,
)
_PART = re.compile(r"(part|book|volume|teil|buch|partie|livre|parte|libro|deel)\b", re.IGNORECASE)
_NAMED = re.compile(
    r"(the )?(preface|foreword|introduction|prologue|epilogue|afterword|conclusion|appendix|postscript|"
    r"vorwort|einleitung|nachwort|pr[ée]face|avant-propos|introducci[óo]n|pr[óo]logo|ep[íi]logo|prefazione|introduzione)\b",
    re.IGNORECASE,
)
Style = tuple[float, str, bool | None]
"""Size, font, whether centred."""
_SUBDIVISION = re.compile(r"\d+(?:\.\d+)+\.?\s|\d{1,2}\.?\s+[^\W\d_]")
_WORDS = 30
"""Words that a heading has at most."""
_LINES = 6


@dataclass(slots=True)
class Heading:
    """Consecutive lines that head what follows.

    Attributes:
        lines: from top to bottom.
        place: number of its first line in the flow.
        size: of its largest line.
        font: of its largest line.
        bold: whether that is bold where the text is not.
        centred: whether it stands in the middle; None where it is too wide to tell.
        on_top: whether nothing of the text stands above it on its page.
        words: of text up to the next heading of its size or a larger one.
        counted: the number that it bears, if any.
        kind: chapter, part, named (a preface or the like) or "" by what its words say.
    """

    lines: list[Line]
    place: int
    size: float
    font: str
    bold: bool
    centred: bool | None
    on_top: bool
    words: int = 0
    counted: int | None = None
    kind: str = ""
    level: int = 0
    confirmed: bool = field(default=False)

    @property
    def text(self) -> str:
        """Its words on one line."""
        return " ".join(line.initial + line.text for line in self.lines)

    @property
    def page(self) -> int:
        """Number of its page."""
        return self.lines[0].page

    @property
    def style(self) -> Style:
        """What headings of one level share."""
        return round(self.size * 2) / 2, self.font, self.centred


@lru_cache(maxsize=1024)
def is_bold(font: str) -> bool:
    """Whether a font's name says that it is bold."""
    return bool(_BOLD.search(font))


def is_italic(font: str) -> bool:
    """Whether a font's name says that it slants."""
    return bool(_ITALIC.search(font))


def find_headings(flow: list[Line], pages: dict[int, Page], measure: Measure) -> list[Heading]:
    """The headings in the flow, in order; nothing is decided yet about their levels."""
    headings: list[Heading] = []
    at = 0
    while at < len(flow):
        end = at
        while end < len(flow) and end - at < _LINES and _goes_on(flow, at, end, measure):
            end += 1
        while end > at and not _could_end(flow, at, end, measure):
            end -= 1
        if end > at:
            headings.append(_heading(flow, at, end, measure))
            at = end
        else:
            at += 1
    before = [0, *accumulate(len(line.text.split()) for line in flow)]
    larger: list[Heading] = []  # of those that follow, the next one and in turn the next larger ones
    for heading in reversed(headings):
        while larger and larger[-1].size <= 0.95 * heading.size:
            larger.pop()
        stop = larger[-1].place if larger else len(flow)
        heading.words = before[stop] - before[heading.place + len(heading.lines)]
        larger.append(heading)
    return headings


def describe(text: str) -> tuple[str, int | None]:
    """What a heading's words say that it heads, and its number.

    >>> describe("CHAPTER IV. A Flight"), describe("Part Two"), describe("Preface"), describe("12")
    (('chapter', 4), ('part', 2), ('named', None), ('chapter', 12))
    """
    for pattern, kind in ((_CHAPTER, "chapter"), (_PART, "part")):
        if match := pattern.match(text):
            return kind, _number(text[match.end() :])
    if _NAMED.match(text):
        return "named", None
    bare = text.strip(" .:[]()-\u2013\u2014*")
    if (value := number(bare)) is not None and value < 200:
        return "chapter", value
    if match := re.match(r"(\d{1,3}|[IVXLC]{1,7})[.:]?\s+(?=[^\W\d_])", text):
        return "", number(match[1])
    return "", None


def _number(text: str) -> int | None:
    token = re.match(r"\W*(?:the\s+)?([\w-]+)", text, re.IGNORECASE)
    if not token:
        return None
    value = number(token[1])
    return spelled(token[1]) if value is None else value


def is_centred(line: Line) -> bool:
    """Whether a line stands in the middle of its column, well off both edges."""
    wide = line.right - line.left
    inset, outset = line.x0 - line.left, line.right - line.x1
    return abs(inset - outset) < 0.05 * wide + line.size and inset > 0.08 * wide


def is_wide(line: Line) -> bool:
    """Whether a line fills its column so far that it may or may not be meant to stand in the middle."""
    return line.x1 - line.x0 > 0.75 * (line.right - line.left)


def _goes_on(flow: list[Line], start: int, at: int, measure: Measure) -> bool:
    """Whether a line may belong to the heading that begins at ``start``."""
    line = flow[at]
    if line.kind != "body" or line.angle or line.initial or not any(c.isalnum() for c in line.text):
        return False
    if at == start:
        return _prominence(flow, at, measure) >= 2
    above = flow[at - 1]
    if above.page != line.page or above.column != line.column:
        return False
    if not 0 < line.y - above.y < 4 * max(above.size, line.size):
        return False
    if _begins_another(flow[start], above, line):
        return False
    if (line.size, line.font) == (above.size, above.font) and (
        is_wide(line) or is_wide(above) or is_centred(line) == is_centred(above)
    ):
        return True
    return _prominence(flow, at, measure) >= 2 and line.size > 0.97 * measure.size


def _begins_another(first: Line, above: Line, line: Line) -> bool:
    """Whether a line close under a heading is another one: numbered, or set otherwise at another edge."""
    kind = _CHAPTER.match(line.text) and _number(line.text.partition(" ")[2]) is not None
    if kind and not describe(first.text)[0]:
        return True  # under the title of the book
    numbered = bool(_SUBDIVISION.match(line.text))
    if (line.size, line.font) == (above.size, above.font):
        return numbered and bool(_SUBDIVISION.match(first.text))
    moved = is_centred(line) != is_centred(above)
    return numbered or (moved and not is_wide(line) and not is_wide(above))


def _could_end(flow: list[Line], start: int, end: int, measure: Measure) -> bool:
    """Whether what follows stands apart from a heading that ends here."""
    lines = flow[start:end]
    if sum(len(line.text.split()) for line in lines) > _WORDS:
        return False
    if end == len(flow):
        return True
    last, after = lines[-1], flow[end]
    if after.page != last.page or after.column != last.column or after.y < last.y:
        return True
    apart = after.y - last.y > 1.25 * measure.line_distance(measure.size)
    return apart or not same_size(after.size, last.size) or is_bold(after.font) != is_bold(last.font)


def _prominence(flow: list[Line], at: int, measure: Measure) -> int:
    """How much sets a line off from the text: 2 and more could be a heading."""
    line = flow[at]
    above = flow[at - 1] if at else None
    same_page = (
        above is not None and above.page == line.page and above.column == line.column and above.y < line.y
    )
    usual = measure.line_distance(measure.size)
    free_above = not same_page or line.y - above.y > 1.4 * usual  # type: ignore[union-attr]
    centred = is_centred(line) and not _is_in_block(flow, at)
    short = line.right - line.x1 > 0.1 * (line.right - line.left)
    points = 0
    if line.size > 1.5 * measure.size:
        points += 3
    elif line.size > 1.08 * measure.size:
        points += 2
    if line.size < 0.93 * measure.size:
        points -= 2
    if is_bold(line.font) and not is_bold(measure.font):
        points += 1 + (line.font != measure.font and free_above)
    letters = [c for c in line.text if c.isalpha()]
    if len(letters) > 2 and all(c.isupper() for c in letters) and short and free_above:
        points += 1
    if centred and free_above:
        points += 1 + (line.font != measure.font and not is_bold(line.font) and short)
    kind, counted = describe(line.text)
    names = bool(kind) and (counted is not None or kind == "named")
    if names and free_above and short and len(line.text.split()) < 15:
        points += 1
    if not same_page and (centred or (names and kind != "named" and short)):
        points += 1
    return points


def _is_in_block(flow: list[Line], at: int) -> bool:
    """Whether a line like it, right above or below, begins just where it does: in the middle they do not."""
    line = flow[at]
    return any(
        (other.page, other.column, other.size, other.font) == (line.page, line.column, line.size, line.font)
        and abs(other.x0 - line.x0) < 0.05 * line.size
        and abs(other.y - line.y) < 1.6 * line.size
        for other in flow[max(0, at - 1) : at + 2]
        if other is not line
    )


def _heading(flow: list[Line], start: int, end: int, measure: Measure) -> Heading:
    lines = flow[start:end]
    largest = max(lines, key=lambda line: line.size)
    narrowest = min(lines, key=lambda line: line.x1 - line.x0)
    above = flow[start - 1] if start else None
    kind, counted = describe(lines[0].text)
    return Heading(
        lines,
        start,
        largest.size,
        largest.font,
        is_bold(largest.font) and not is_bold(measure.font),
        None if is_wide(narrowest) else is_centred(narrowest),
        above is None or above.page != lines[0].page,
        counted=counted,
        kind=kind,
    )
