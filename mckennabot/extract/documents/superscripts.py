"""Tell raised figures in HTML apart: powers belong to the text, note marks do not."""

from __future__ import annotations

import re

from mckennabot.extract.books.characters import raised_figures

FIGURES = re.compile(r"[-−–]?\d{1,4}")
_UNITS = frozenset(
    ("m", "cm", "mm", "km", "dm", "nm", "µm", "μm", "ft", "in", "yd", "mi", "s", "ms", "h", "kg")
)
_TENS = re.compile(r"10+")
_YEAR = 4
"""Digits of a year; after one stands a note's mark rather than a power."""
_VARIABLE = 3
"""Letters of a variable in a formula, such as mc or dx."""


def power(before: str, figures: str, italic: bool, after: str = "") -> str | None:
    """Return raised figures as superscript characters if they are a power; None if they are a note's mark.

    A power follows ten, a short number, a unit, or a variable: a lone letter, letters in italics, or letters
    inside a formula.

    >>> power("light carries 10", "4", False), power("40 m", "2", False), power("E = mc", "2", True)
    ('⁴', '²', '²')
    >>> [power(before, "3", False) for before in ("the end.", "the lamp", "in 1984")]
    [None, None, None]

    Args:
        before: the paragraph so far.
        figures: digits, perhaps with a sign.
        italic: whether the last word before them is in italics.
        after: what follows.
    """
    word = re.search(r"[^\W\d_]+$|\d+$", before)
    # A first power is not written, so 1 is a note; after a degree sign figures are a note as well.
    if word is None or figures == "1" or before[: word.start()].endswith("°"):
        return None
    said, ahead = word[0], before[: word.start()]
    signed = not figures[0].isdecimal()
    formula = bool(_SIGN_BEFORE.search(ahead) or _SIGN_AFTER.match(after))
    if said.isdecimal():
        is_power = len(said) == 1 or bool(_TENS.fullmatch(said)) or (len(said) < _YEAR and formula) or signed
    # "a", "A" and "I" are words; any other letter alone is a variable.
    elif len(said) == 1:
        is_power = italic or said not in "aAI" or formula
    else:
        # Only after a number: "40 m²", but a note on "am" or "in".
        is_unit = said in _UNITS and re.search(r"\d[\d.,]*\s*(?:\w+[/·])?$", ahead) is not None
        is_variable = len(said) <= _VARIABLE and figures in ("2", "3") and (italic or formula)
        is_power = is_unit or is_variable or signed
    return "".join(_SIGNS.get(c, "") or raised_figures(c) for c in figures) if is_power else None


_SIGNS = {"-": "⁻", "−": "⁻", "–": "⁻"}
_SIGN_BEFORE = re.compile(r"[=+×·⋅/<>≈*^(−-]\s*$")
_SIGN_AFTER = re.compile(r"\s*[=+×·⋅/<>≈*^−]")
