"""Repair characters: take ligatures apart, drop the invisible, order text that runs both ways."""

from __future__ import annotations

import re
import unicodedata

SOFT_HYPHEN = "\u00ad"

# Presentation forms: ligatures such as U+FB01 and the shaped letters of Hebrew and Arabic.
_FORMS = re.compile("[\ufb00-\ufb06\ufb13-\ufb17\ufb1d-\ufdff\ufe70-\ufefc]")
PRIVATE = re.compile("[\ue000-\uf8ff]")
"""Characters of private use: only the font that shows them says what they are."""
# Controls, surrogates, noncharacters, U+FFFD, and invisible marks of direction or order.
_NOTHING = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff0-\uffff\U000e0000-\U0010ffff]"
)
_SPACE = re.compile("[\t-\r \x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_HYPHENS = str.maketrans({"\u2010": "-", "\u2011": "-"})


def repair(text: str, *, private: bool = False) -> tuple[str, int]:
    r"""Return a text in NFC, and the number of characters that were taken apart or dropped.

    White space becomes single spaces. Soft hyphens stay, since `Hyphens` joins lines by them. Characters of
    private use are dropped, or stay for `steps.letters` if `private` is true.

    >>> repair("of\ufb01ce\x00")
    ('office', 2)
    """
    if text.isascii() and text.isprintable():
        return (" ".join(text.split()) if "  " in text else text), 0
    repaired = 0
    text, count = _FORMS.subn(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    repaired += count
    text, count = _NOTHING.subn("", text)
    repaired += count
    if not private:
        text, count = PRIVATE.subn("", text)
        repaired += count
    text = _SPACE.sub(" ", text).translate(_HYPHENS)
    # NFC, not NFKC, which would turn ² into 2 and … into three dots.
    return unicodedata.normalize("NFC", text), repaired


# Accents that fonts of TeX draw as glyphs of their own, and the combining character for each.
ACCENTS = {
    "`": "\u0300",
    "\u00b4": "\u0301",
    "\u02b9": "\u0301",
    "^": "\u0302",
    "\u02c6": "\u0302",
    "~": "\u0303",
    "\u02dc": "\u0303",
    "\u00af": "\u0304",
    "\u02c9": "\u0304",
    "\u02d8": "\u0306",
    "\u02d9": "\u0307",
    "\u00a8": "\u0308",
    "\u02da": "\u030a",
    "\u02dd": "\u030b",
    "\u02c7": "\u030c",
    "\u00b8": "\u0327",
    "\u02db": "\u0328",
}
_DOTLESS = {"\u0131": "i", "\u0237": "j"}


def accented(letter: str, accent: str) -> str:
    """Return a letter and the spacing accent drawn over it as one character, if there is one.

    >>> accented("\u0131", "\u00b4")
    'í'
    """
    base = _DOTLESS.get(letter, letter)
    return unicodedata.normalize("NFC", base + ACCENTS[accent])


SUPERSCRIPTS = frozenset("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
_LOWERED = str.maketrans("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079", "0123456789")

_RAISED = {plain: raised for raised, plain in _LOWERED.items()}


def lowered(text: str) -> str:
    """Return a text with plain digits for superscript ones."""
    return text.translate(_LOWERED)


def raised_figures(text: str) -> str:
    """Return a text with superscript digits for plain ones."""
    return text.translate(_RAISED)


_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def has_right_to_left(text: str) -> bool:
    """Return whether any letter belongs to a script that is written from right to left."""
    return not text.isascii() and bool(_RIGHT_TO_LEFT.search(text))


def logical_order(pieces: list[str], right_to_left: bool) -> str:
    """Return a line in reading order, from its pieces as they stand on the page from left to right.

    Unicode's bidirectional algorithm (UAX #9) leads from reading order to the order on the page, and, but for
    rare lines, from there back.

    Args:
        pieces: the text of one glyph each; a ligature's letters are in the order of reading.
        right_to_left: whether the line as a whole runs from right to left.
    """
    from bidi import get_display

    seen = "".join(
        str(get_display(piece, base_dir="L")) if len(piece) > 1 and has_right_to_left(piece) else piece
        for piece in pieces
    )
    read = str(get_display(seen, base_dir="R" if right_to_left else "L"))
    # Some files name a bracket by its shape on the page, others by its sense; only one of them nests.
    turned = read.translate(_TURNED)
    return turned if not _nests(read) and _nests(turned) else read


_TURNED = str.maketrans("()[]{}<>\u00ab\u00bb", ")(][}{><\u00bb\u00ab")
_CLOSED_BY = {"(": ")", "[": "]", "{": "}"}


def _nests(text: str) -> bool:
    """Return whether each bracket that opens is closed, and none is closed before it opens."""
    waiting: list[str] = []
    for character in text:
        if character in _CLOSED_BY:
            waiting.append(_CLOSED_BY[character])
        elif character in ")]}" and (not waiting or waiting.pop() != character):
            return False
    return not waiting


def runs_right_to_left(text: str) -> bool:
    """Return whether most letters of a text belong to scripts that are written from right to left."""
    if not has_right_to_left(text):
        return False
    strong = [unicodedata.bidirectional(c) for c in text if c.isalpha()]
    return 2 * sum(d in ("R", "AL") for d in strong) > len(strong)
