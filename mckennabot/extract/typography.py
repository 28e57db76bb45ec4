"""Names what two or more steps have to agree on: which type is large, what is parted, what is centred.

A threshold that only one file uses stands at the head of that file. Lengths are in units of the type
size ("ems") unless it says points; a factor compares with what is usual in the book.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise

from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line

LARGER = 1.08
"""Type this many times the text's is set larger on purpose; 10.5 on 10 points is a scan that wobbles."""
SMALL_PRINT = 0.93
"""Type below this share of the text's is a note, a caption or a quotation; 9.5 on 10 points is not yet."""
SAME_SIZE = 0.05
"""Sizes that differ by less than this share are one to the eye: a font scaled by its substitute."""
SLACK = 0.3
"""Ems by which edges of lines may differ and still be one: hanging quotation marks, sidebearings."""
SHORT_DOCUMENT = 3
"""Pages at most of a letter, a talk or an article, rather than a book: its title is part of it, and so are
words next to a picture."""
CHAPTER_WORDS = 60
"""Words that a chapter has at least; fewer stand under the title of a part, or an entry of a list."""
FULL = 0.2
"""Ems before the right edge from which on a line counts as full."""
FLUSH = 0.15
"""Ems by which the ends of justified lines differ at most: a hanging hyphen."""
PARTED = 1.35
"""Leadings between baselines from which on lines are parted, in a book whose paragraphs are indented."""
PARTED_CLOSELY = 1.2
"""The same in a book that sets paragraphs apart by space: some give them no more than this."""
LEADER = re.compile(r"(?:\.\s?|\u2026\s?|\u00b7\s?|_){3,}")
"""The dots that lead to a page number in a table of contents."""

_CENTRED = 0.05
"""Share of the column by which a centred line may stand off its middle, besides an em."""
_OFF_EDGE = 0.08
"""Share of the column by which a centred heading stands in, lest a full line be taken for one."""
_OFF_EDGE_BELOW = 0.5
"""Ems by which a centred caption stands in: more than a justified line that is a little short."""
_WIDE = 0.75
"""Share of the column that a line of running text fills; one cannot see any more whether it is centred."""
_SENTENCE_END = re.compile(
    r"[.!?:\u2026\u3002\uff01\uff1f\u061f\u06d4\u0964][\"'\u2019\u201d\u00bb\u300d\u300f)\]]*$|[\u201d\u00bb\u300d\"]$"
    r"|\u2014[\"\u201d\u2019']?$"
)
_FIXED = re.compile(
    r"mono|courier|typewriter|consol|menlo|cmtt|ectt|sftt|lmtt|inconsolata|code", re.IGNORECASE
)
_MATHS = re.compile(
    r"cmmi|cmsy|cmex|cmbsy|cmmib|msam|msbm|eufm|rsfs|stmary|math|mtsy|mtmi|mtex|(tx|px)(mi|sy|ex)",
    re.IGNORECASE,
)
_ITEM = re.compile(r"(?:[\u2022\u25e6\u25aa\u2023\u00b7\u2219*\u2013\u2014-]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s")
_ORNAMENTS = " *\u2217\u2042\u2022\u00b7~#+\u25c6\u25c7\u2766\u2767\u273b\u00a7\u2014\u2013-"
_ORNAMENT_LENGTH = 20
"""Characters of an ornament at most; a longer row of dots or dashes is a form to fill in."""
_BOLD = re.compile(r"bold|black|heavy|demi|cmbx|sfbx|-bd|\bb$", re.IGNORECASE)


@lru_cache(maxsize=1024)
def is_bold(font: str) -> bool:
    """Return whether a font's name says that it is bold."""
    return bool(_BOLD.search(font))


@lru_cache(maxsize=1024)
def is_fixed_pitch(font: str) -> bool:
    """Return whether a font's name says that all its characters are equally wide, as code is set."""
    return bool(_FIXED.search(font))


@lru_cache(maxsize=1024)
def is_mathematical(font: str) -> bool:
    """Return whether a font's name says that it holds variables and signs of formulas."""
    return bool(_MATHS.search(font))


def same_size(first: float, second: float) -> bool:
    """Return whether two type sizes are one to the eye."""
    return abs(first - second) <= SAME_SIZE * max(first, second)


def is_centred(line: Line) -> bool:
    """Return whether a line stands in the middle of its column, well off both edges."""
    wide = line.right - line.left
    inset, outset = line.x0 - line.left, line.right - line.x1
    return abs(inset - outset) < _CENTRED * wide + line.size and inset > _OFF_EDGE * wide


def is_centred_below(line: Line) -> bool:
    """Return whether a line is centred as captions are, which may be nearly as wide as the column."""
    inset, outset = line.x0 - line.left, line.right - line.x1
    return abs(inset - outset) < line.size and inset > _OFF_EDGE_BELOW * line.size


def is_wide(line: Line) -> bool:
    """Return whether a line fills its column as running text does; it may be centred, or not."""
    return line.x1 - line.x0 > _WIDE * (line.right - line.left)


def ends_short(line: Line, following: Line) -> bool:
    """Return whether the next line's first word would have had room at the end of this one."""
    return line.x1 + line.space + following.head < line.right - FULL * line.size


def is_item(line: Line) -> bool:
    """Return whether a line begins as an item of a list does: "• ", "3. ", "(a) "."""
    return bool(_ITEM.match(line.text))


def is_ornament(line: Line) -> bool:
    """Return whether a line is only asterisks or the like, which part scenes."""
    return len(line.text) < _ORNAMENT_LENGTH and not line.initial and not line.text.strip(_ORNAMENTS)


def ends_sentence(text: str) -> bool:
    """Return whether a line may end a sentence."""
    return bool(_SENTENCE_END.search(text))


def neighbours(lines: Iterable[Line]) -> Iterator[tuple[Line, Line]]:
    """Yield consecutive lines of running text in one column, the second below the first."""
    for a, b in pairwise(line for line in lines if line.kind == Kind.BODY and not line.angle):
        if a.column == b.column and b.y > a.y:
            yield a, b
