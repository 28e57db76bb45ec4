"""Lines of typed text: which were wrapped at a margin, which are verse, and which are texts of their own.

Who wraps at a margin ends a line where the next word has no room. Lines that end otherwise were ended on
purpose, whatever script they are in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import fmean, pstdev

from mckennabot.extract.books.word_count import is_wide

LONG = 100
"""Columns beyond which a line that no margin ended is a paragraph, and no line of verse."""
_NARROW, _WIDEST = 40, 200
"""Columns between which people wrap text; narrower lines are verse, broader ones paragraphs."""
_UNEVEN = 0.5
"""Spread of the lengths of lines, as a share of their mean, above which they are no verse."""
_ENDED = re.compile(r"[.!?…。！？؟।:;][\"'”’»)\]*_」』]*$|[.!?…][\"'”’»)]*\s+[—–~-]\s?\w[^.!?]{1,40}$")
"""The end of a sentence, or of a quotation with the name of whose it is."""
_DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4}"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d)?(?:\s?[ap]\.?m\.?)?"
_STAMP = re.compile(
    rf"[\u200e\u200f]?[\[(]?(?:(?:{_DATE},?\s+)?{_CLOCK}|{_CLOCK},?\s+{_DATE})[\])]?(?:\s|$)", re.IGNORECASE
)
_LABEL = re.compile(r"[^\W\d_a-z][^:\n]{0,30}:\s+\S|[\w.@-]{2,20}:\s+\S|<[^<>\s]{1,20}>\s+\S")


def columns(text: str) -> int:
    """How wide a line is on a screen, where the characters of Chinese and Japanese take two columns."""
    return len(text) if text.isascii() else sum(2 if is_wide(c) else 1 for c in text)


def margin(chunks: Iterable[Sequence[str]]) -> int:
    """The column at which a text wraps its lines; 0 where it does not wrap them.

    Args:
        chunks: lines without an empty one between them, stripped.
    """
    several = [lines for lines in chunks if len(lines) > 1 and not _messages(lines)]
    widths = sorted(columns(line) for lines in several for line in lines)
    if not widths:
        return 0
    # A few lines stick out: a table, a long word, a heading.
    for width in dict.fromkeys((widths[-1 - len(widths) // 50], widths[-1 - len(widths) // 10])):
        if not _NARROW <= width <= _WIDEST:
            continue
        breaks = wrapped = 0
        for lines in several:
            breaks += len(lines) - 1
            if _free(lines, width) <= 0.4 and not _ends_sentences(lines):
                wrapped += len(lines) - 1
        if wrapped >= 0.25 * breaks:
            return width
    return 0


def joined(lines: Sequence[str], width: int) -> str:
    r"""The lines of a paragraph as one, or those of a stanza as they are.

    A line that ends although the next word had room before the margin was ended on purpose:

    >>> joined(["The lamp is out.", "The hum is not."], 60)
    'The lamp is out.\nThe hum is not.'
    >>> joined(["Nobody considers the lamp, and", "nobody ever has."], 30)
    'Nobody considers the lamp, and nobody ever has.'
    """
    lines = [line.strip() for line in lines]
    return "\n".join(lines) if _is_verse(lines, width) else unwrapped(lines)


def unwrapped(lines: Iterable[str]) -> str:
    """Lines as one, without a space after a dash that the wrap followed, or between wide characters."""
    text = ""
    for line in lines:
        close = not text or (text.endswith(("—", "--")) and not text.endswith((" —", " --")))
        close = close or (bool(line) and is_wide(text[-1]) and is_wide(line[0]))
        text += line if close else f" {line}"
    return text


def texts(lines: Sequence[str]) -> list[list[str]] | None:
    """Lines that no margin wrapped, as the texts of their own that they are; None where they are verse.

    Messages of a chat begin with a time or a name, and go on in lines that have neither. Quotations and
    tweets are long, or end sentences.
    """
    if firsts := _messages(lines):
        return [list(lines[a:b]) for a, b in pairwise([*firsts, len(lines)])]
    widths = [columns(line) for line in lines]
    uneven = len(lines) > 4 and (max(widths) > 80 or pstdev(widths) > _UNEVEN * fmean(widths))
    if max(widths) > LONG or uneven or (len(lines) > 2 and _are_sentences(lines)):
        return [[line] for line in lines]
    return None


def had_room(above: str, line: str, width: int) -> bool:
    """Whether a line was ended on purpose: the first word of the next had room before the margin."""
    return not above or columns(above) + _gap(above, line) + columns(_first_word(line)) <= width


def _messages(lines: Sequence[str]) -> list[int]:
    """Places of the lines that begin with a time or a name, where those are half of the lines or more."""
    for start in (_STAMP, _LABEL):
        firsts = [n for n, line in enumerate(lines) if start.match(line)]
        if len(firsts) >= max(2, 0.5 * len(lines)) and firsts[0] == 0:
            return firsts
    return []


def is_prose(lines: Sequence[str]) -> bool:
    """Whether lines that were ended on purpose are paragraphs of prose, and no verse: most end sentences."""
    if len(lines) < 2 or sum(bool(_ENDED.search(line)) for line in lines) < 0.8 * len(lines):
        return False
    widths = [columns(line) for line in lines]
    if fmean(widths) > 1.4 * LONG:
        return True
    if pstdev(widths) < 0.3 * fmean(widths):  # verse has lines of one length
        return False
    spoken = sum(line.startswith(("“", '"', "«", "„", "—", "–", "「", "『")) for line in lines)
    return max(widths) > LONG or fmean(widths) > 60 or 2 * spoken > len(lines) > 2


def _are_sentences(lines: Sequence[str]) -> bool:
    """Whether lines are long enough for prose, ragged, and end sentences."""
    return _ends_sentences(lines) and max(map(columns, lines)) > 60


def _ends_sentences(lines: Sequence[str]) -> bool:
    return len(lines) > 2 and sum(bool(_ENDED.search(line)) for line in lines) >= 0.8 * len(lines)


def _is_verse(lines: Sequence[str], width: int) -> bool:
    if len(lines) < 2 or _free(lines, width) < 0.8:
        return False
    starts = [line.lstrip("\"'“‘«„(_*[-—¿¡")[:1] for line in lines]
    capital = sum(c.isupper() for c in starts) / len(lines)
    if capital >= 0.8:
        return True
    longest = max(map(columns, lines))
    # A quotation set narrower than the text around it breaks at a margin of its own.
    ragged = _free(lines, longest) > 0.3
    if not any(c.isupper() or c.islower() for c in starts):  # a script without capitals
        return ragged and longest < 0.8 * width
    return ragged and longest < 0.6 * width


def _free(lines: Sequence[str], width: int) -> float:
    """The share of line breaks before which the next word had room."""
    free = [columns(a) + _gap(a, b) + columns(_first_word(b)) <= width for a, b in pairwise(lines) if b]
    return sum(free) / len(free) if free else 0.0


def _gap(a: str, b: str) -> int:
    return 0 if a and is_wide(a[-1]) and is_wide(b[0]) else 1


def _first_word(line: str) -> str:
    """What a wrap would move: a word, or a single wide character with the marks that may not part from it."""
    if is_wide(line[0]):
        return line[: 1 + len(line[1:]) - len(line[1:].lstrip("，。、！？：；）」』】》…—"))]
    return line.split(maxsplit=1)[0]
