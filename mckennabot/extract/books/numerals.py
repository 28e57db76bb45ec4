"""Read numbers as books print them: arabic, roman or in words, alone or as ``Page 12 of 300``, ``- 12 -``."""

from __future__ import annotations

import re

_ROMAN = re.compile(r"m{0,3}(cm|cd|d?c{0,4})(xc|xl|l?x{0,4})(ix|iv|v?i{0,4})", re.IGNORECASE)
_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
_DIGITS = 9
"""Digits of the largest number in a book; longer ones are codes such as ISBNs."""
_DRESSED = re.compile(
    r"\W*(?:(?:page|pg|p|seite|s|pagina|página|pág|pag)\b\.?\s*)?(\d{1,4}|[ivxlcdm]{1,8})"
    r"(?:\s*(?:of|/|von|de|sur|di|van)\s*\d{1,4})?\W*",
    re.IGNORECASE,
)


def roman(text: str) -> int | None:
    """Return the value of a roman number, None for any other text.

    >>> roman("xiv")
    14
    """
    if not text or not _ROMAN.fullmatch(text):
        return None
    values = [_VALUES[c] for c in text.lower()]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=False))


def number(text: str) -> int | None:
    """Return the value of a number in decimal digits of any script or in roman ones, None for other text.

    Raised and circled digits do not count: they are exponents and bullets.

    >>> number("12"), number("\u0661\u0662"), number("xii"), number("10\u00b9\u2070"), number("\u2460")
    (12, 12, 12, None, None)
    """
    # `isdecimal`, not `isdigit`: int() refuses ² and ①.
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else roman(text)


def page_number(text: str) -> tuple[int, bool] | None:
    """Return the value of a text that is only a page number, and whether it is roman; None for other text.

    >>> page_number("- 12 -"), page_number("Page 3 of 9"), page_number("12 men")
    ((12, False), (3, False), None)
    """
    match = _DRESSED.fullmatch(text)
    if not match:
        return None
    value = number(match[1])
    return None if value is None else (value, not match[1].isdecimal())


_CARDINALS = """one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty"""
_ORDINALS = """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"""
_UNITS = {name: n for names in (_CARDINALS, _ORDINALS) for n, name in enumerate(names.split(), 1)}
_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}


def spelled(text: str) -> int | None:
    """Return the value of a number written out in English, cardinal or ordinal, None for other text.

    >>> spelled("Twenty-one"), spelled("third"), spelled("many")
    (21, 3, None)
    """
    word = text.lower()
    if word in _UNITS:
        return _UNITS[word]
    tens, _, units = word.partition("-")
    if tens not in _TENS or (units and _UNITS.get(units, 10) > 9):
        return None
    return _TENS[tens] + _UNITS.get(units, 0)
