"""Undo hard wraps: tell lines that were wrapped at a margin from verse and from paragraphs of one line.

Text wrapped at a margin breaks a line where the next word has no room. If the next word had room, the line
was ended on purpose, whatever script it is in: that one question answers most of what is asked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import fmean, pstdev

from mckennabot.extract.books.word_count import is_wide

LONG = 100
"""Columns beyond which a line that was ended on purpose is a paragraph, not verse."""
_NARROW, _WIDEST = 40, 200
"""Columns between which people wrap text; narrower lines are verse, broader ones paragraphs."""
_UNEVEN = 0.5
"""Spread of the lengths of lines, as a share of their mean, above which they are separate texts."""
_UNEVEN_LINES, _TWEET = 4, 80
"""Lines that are too few to judge their spread, and columns beyond which one of more lines is a text."""
_OUTLIERS = (50, 10)
"""One line in so many may stick out of the margin: a table, a long word, a heading."""
_WRAPPED_BREAKS = 0.25
"""Share of the line breaks in paragraphs that fit a margin, if there is one; the rest may be verse."""
_WRAPPED_FREE, _VERSE_FREE, _RAGGED = 0.4, 0.8, 0.3
"""Share of breaks with room for the next word: at most in wrapped prose, at least in verse, and at least for
verse measured by its own longest line, since a narrower quotation breaks at a margin of its own."""
_VERSE_CAPITALS = 0.8
"""Share of lines of verse that begin with a capital, in most poetry before the twentieth century."""
_VERSE_WIDTH, _VERSE_WIDTH_UNCASED = 0.6, 0.8
"""Share of the margin below which lines without capitals are verse; and in scripts that have none."""
_SENTENCES = 0.8
"""Share of lines that end a sentence if each is a paragraph."""
_SENTENCE_WIDTH = 60
"""Columns that lines of sentences reach in prose; shorter ones may be verse with full stops."""
_SURELY_PROSE = 1.4 * LONG
"""Columns of the average line that are too many for verse of any kind."""
_EVEN = 0.3
"""Spread of the lengths of lines, as a share of their mean, below which they are verse."""
_MESSAGES = 0.5
"""Share of lines that begin with a time or a name in an exported chat; the others continue them."""
_ENDED = re.compile(r"[.!?…。！？؟।:;][\"'”’»)\]*_」』]*$|[.!?…][\"'”’»)]*\s+[—–~-]\s?\w[^.!?]{1,40}$")
"""The end of a sentence, or of a quotation and the name of its author."""
_DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4}"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d)?(?:\s?[ap]\.?m\.?)?"
_STAMP = re.compile(
    rf"[\u200e\u200f]?[\[(]?(?:(?:{_DATE},?\s+)?{_CLOCK}|{_CLOCK},?\s+{_DATE})[\])]?(?:\s|$)", re.IGNORECASE
)
_LABEL = re.compile(r"[^\W\d_a-z][^:\n]{0,30}:\s+\S|[\w.@-]{2,20}:\s+\S|<[^<>\s]{1,20}>\s+\S")


def columns(text: str) -> int:
    """Return the width of a line on a screen, where Chinese and Japanese characters take two columns."""
    return len(text) if text.isascii() else sum(2 if is_wide(c) else 1 for c in text)


def margin(chunks: Iterable[Sequence[str]]) -> int:
    """Return the column at which a text wraps its lines; 0 if it does not wrap them.

    Args:
        chunks: lines without an empty one between them, stripped.
    """
    # Messages end where their writer pressed return, and say nothing about a margin.
    several = [lines for lines in chunks if len(lines) > 1 and not _messages(lines)]
    widths = sorted(columns(line) for lines in several for line in lines)
    if not widths:
        return 0
    for width in dict.fromkeys(widths[-1 - len(widths) // one_in] for one_in in _OUTLIERS):
        if not _NARROW <= width <= _WIDEST:
            continue
        breaks = wrapped = 0
        for lines in several:
            breaks += len(lines) - 1
            if _free(lines, width) <= _WRAPPED_FREE and not _ends_sentences(lines):
                wrapped += len(lines) - 1
        if wrapped >= _WRAPPED_BREAKS * breaks:
            return width
    return 0


def joined(lines: Sequence[str], width: int) -> str:
    r"""Join the lines of a paragraph, and keep those of a stanza.

    >>> joined(["The lamp is out.", "The hum is not."], 60)
    'The lamp is out.\nThe hum is not.'
    >>> joined(["Nobody considers the lamp, and", "nobody ever has."], 30)
    'Nobody considers the lamp, and nobody ever has.'
    """
    lines = [line.strip() for line in lines]
    return "\n".join(lines) if _is_verse(lines, width) else unwrapped(lines)


def unwrapped(lines: Iterable[str]) -> str:
    """Join lines with spaces, but not after a dash between words, or between wide characters."""
    text = ""
    for line in lines:
        close = not text or (text.endswith(("—", "--")) and not text.endswith((" —", " --")))
        close = close or (bool(line) and is_wide(text[-1]) and is_wide(line[0]))
        text += line if close else f" {line}"
    return text


def as_texts(lines: Sequence[str]) -> list[list[str]] | None:
    """Split lines that no margin wrapped into texts of their own; return None if they are verse.

    Messages of a chat begin with a time or a name, and continue in lines that have neither. Quotations and
    tweets are long, of uneven length, or end sentences.
    """
    if firsts := _messages(lines):
        return [list(lines[a:b]) for a, b in pairwise([*firsts, len(lines)])]
    widths = [columns(line) for line in lines]
    uneven = len(lines) > _UNEVEN_LINES and (max(widths) > _TWEET or pstdev(widths) > _UNEVEN * fmean(widths))
    if max(widths) > LONG or uneven or (_ends_sentences(lines) and max(widths) > _SENTENCE_WIDTH):
        return [[line] for line in lines]
    return None


def had_room(above: str, line: str, width: int) -> bool:
    """Return whether the line above was ended on purpose: the first word of the next one had room."""
    return not above or columns(above) + _gap(above, line) + columns(_first_word(line)) <= width


def _messages(lines: Sequence[str]) -> list[int]:
    """Return where messages begin, with a time or a name; nothing if less than half of the lines do."""
    for start in (_STAMP, _LABEL):
        firsts = [n for n, line in enumerate(lines) if start.match(line)]
        if len(firsts) >= max(2, _MESSAGES * len(lines)) and firsts[0] == 0:
            return firsts
    return []


def is_prose(lines: Sequence[str]) -> bool:
    """Return whether lines that were ended on purpose are paragraphs of prose: most end sentences."""
    if len(lines) < 2 or _sentence_ends(lines) < _SENTENCES * len(lines):
        return False
    widths = [columns(line) for line in lines]
    if fmean(widths) > _SURELY_PROSE:
        return True
    if pstdev(widths) < _EVEN * fmean(widths):
        return False
    # Dialogue of short lines is prose too, though its lines are as short as those of verse.
    spoken = sum(line.startswith(("“", '"', "«", "„", "—", "–", "「", "『")) for line in lines)
    return max(widths) > LONG or fmean(widths) > _SENTENCE_WIDTH or 2 * spoken > len(lines) > 2


def _ends_sentences(lines: Sequence[str]) -> bool:
    return len(lines) > 2 and _sentence_ends(lines) >= _SENTENCES * len(lines)


def _sentence_ends(lines: Sequence[str]) -> int:
    return sum(bool(_ENDED.search(line)) for line in lines)


def _is_verse(lines: Sequence[str], width: int) -> bool:
    if len(lines) < 2 or _free(lines, width) < _VERSE_FREE:
        return False
    # Quotation marks and typed emphasis may stand before the capital.
    starts = [line.lstrip("\"'“‘«„(_*[-—¿¡")[:1] for line in lines]
    capital = sum(c.isupper() for c in starts) / len(lines)
    if capital >= _VERSE_CAPITALS:
        return True
    longest = max(map(columns, lines))
    ragged = _free(lines, longest) > _RAGGED
    # Hebrew, Arabic and Japanese have no capitals to go by, so length decides earlier.
    if not any(c.isupper() or c.islower() for c in starts):  # a script without capitals
        return ragged and longest < _VERSE_WIDTH_UNCASED * width
    return ragged and longest < _VERSE_WIDTH * width


def _free(lines: Sequence[str], width: int) -> float:
    """Return the share of line breaks before which the next word had room."""
    free = [columns(a) + _gap(a, b) + columns(_first_word(b)) <= width for a, b in pairwise(lines) if b]
    return sum(free) / len(free) if free else 0.0


def _gap(a: str, b: str) -> int:
    return 0 if a and is_wide(a[-1]) and is_wide(b[0]) else 1


def _first_word(line: str) -> str:
    """Return what a wrap would move: a word, or one wide character with the marks that stay with it."""
    if is_wide(line[0]):
        return line[: 1 + len(line[1:]) - len(line[1:].lstrip("，。、！？：；）」』】》…—"))]
    return line.split(maxsplit=1)[0]
