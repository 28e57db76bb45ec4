"""Read the names of glyphs as text: Adobe's names, TeX's, and those that are only the glyph's code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pdfminer.encodingdb import name2unicode
from pdfminer.psparser import PSLiteral, literal_name

from mckennabot.extract.pdf.tex_encodings import bitmap_font_texts

# Adobe's fonts of old-style figures and small capitals have code points of private use (Adobe's "corporate
# use subarea"): U+F7xx is the small form of the Latin-1 character U+00xx, a small letter for a capital.
_SMALL_ACCENTS = "\u02d8\u02c7\u02c6\u02d9\u02dd\u0141\u0152\u02db\u02da\u0160\u02dc\u017d"
_CORPORATE = (
    {0xF700 + code: chr(code) for code in range(0x21, 0x7F)}
    | {0xF700 + code: chr(code - 0x20) for code in range(0x61, 0x7B)}
    | {0xF700 + code: chr(code) for code in range(0xA1, 0x100)}
    | {0xF700 + code: chr(code - 0x20) for code in range(0xE0, 0xFF) if code != 0xF7}
    | {0xF7FF: "\u0178", 0xF6BE: "\u0237", 0xF6DC: "1", 0xF6DE: "\u2014"}
    | dict(zip(range(0xF6C9, 0xF6D1), "\u00b4\u02c7\u00a8??`\u02dd\u00af", strict=False))
    | dict(zip(range(0xF6DF, 0xF6E9), "\u00a2\u00a2,,$$--..", strict=False))
    | dict(zip(range(0xF6E9, 0xF6F4), "abdeilmorst", strict=True))
    | dict(zip(range(0xF6F4, 0xF700), _SMALL_ACCENTS, strict=True))
    | {0xF8E5: "\u203e", 0xF8E6: "\u23d0", 0xF8E7: "\u23af"}
    | {0xF8E8: "\u00ae", 0xF8E9: "\u00a9", 0xF8EA: "\u2122"}
)  # fmt: skip
_PRIVATE = re.compile("[\ue000-\uf8ff]")
# Windows gives the characters of symbol fonts the code points U+F020 to U+F0FF.
_SYMBOLS = {0xF000 + code: bytes([code]).decode("cp1252", "ignore") for code in range(0x20, 0x100)}
_SYMBOLS[0xF0B7] = "\u2022"  # the bullet of Word's lists
_ORNAMENTS = re.compile(r"wingding|webding|dingbat|ornament", re.IGNORECASE)

# Names in TeX's fonts that Adobe's list lacks.
_TEX = {
    "prime": "\u2032",
    "mapsto": "\u21a6",
    "epsilon1": "\u03b5",
    "theta1": "\u03d1",
    "phi1": "\u03c6",
    "rho1": "\u03f1",
    "sigma1": "\u03c2",
    "pi1": "\u03d6",
    "lscript": "\u2113",
    "weierstrass": "\u2118",
    "vector": "\u20d7",
    "tie": "\u2040",
    "slurabove": "\u2322",
    "slurbelow": "\u2323",
    "owner": "\u220b",
    "bardbl": "\u2225",
    "perpendicular": "\u22a5",
    "latticetop": "\u22a4",
    "arrownortheast": "\u2197",
    "arrowsoutheast": "\u2198",
    "arrowsouthwest": "\u2199",
    "arrownorthwest": "\u2196",
    "negationslash": "\u0338",
    "visiblespace": "\u2423",
    "ffl": "ffl",
    "ffi": "ffi",
    "dotlessj": "\u0237",
    "rupee": "\u20a8",
    "Idotaccent": "\u0130",
    "Germandbls": "\u1e9e",
    "cwm": "",
    "compwordmark": "",
    "perthousandzero": "0",
}  # fmt: skip
_PARTS = re.compile(
    r"(parenleft|parenright|bracketleft|bracketright|braceleft|braceright|bar|vert|bardbl|slash|backslash|"
    r"radical|summation|integral|product|union|intersection)(big|Big|bigg|Bigg|text|display|tp|bt|ex|mid)+\d?$"
)
"""Pieces and sizes of the large signs in formulas: bracketleftbigg is a bracket."""


def plain(text: str, font: str = "") -> str:
    r"""Replace the code points of private use whose meaning Adobe or Microsoft has fixed.

    Args:
        text: of one glyph.
        font: its name; a font of ornaments has no letters.

    >>> plain("\uf731\uf761"), plain("\ue001")
    ('1A', '\ue001')
    """
    if not _PRIVATE.search(text):
        return text
    # In Wingdings U+F04A is a smiling face, not a J.
    if not _ORNAMENTS.search(font):
        text = text.translate(_SYMBOLS)
    return text.translate(_CORPORATE)


def text_of_name(name: str) -> str:
    """Return the text of a glyph by its name; "" if the name does not say it.

    >>> text_of_name("oneoldstyle"), text_of_name("f_f_i"), text_of_name("g17"), text_of_name("prime")
    ('1', 'ffi', '', '′')
    """
    if name in _TEX:
        return _TEX[name]
    if part := _PARTS.match(name):
        name = part[1]
    try:
        return plain(name2unicode(name))
    except (KeyError, ValueError, TypeError, OverflowError):
        return _TEX.get(name.split(".")[0], "")


def named_codes(differences: Iterable[Any]) -> Iterator[tuple[int, str]]:
    """Yield code and name of the glyphs in an /Encoding's /Differences: codes, each followed by names."""
    code = 0
    for item in differences:
        if isinstance(item, int):
            code = item
            continue
        yield code, literal_name(item) if isinstance(item, PSLiteral) else ""
        code += 1


def texts_of_codes(names: Sequence[tuple[int, str]]) -> dict[int, str]:
    """Return code -> text of a font whose glyphs are named after their codes, such as /232, /a65, /C0041.

    Such a name is a prefix, the same for all, and the code in decimal, hexadecimal or octal figures. Bitmap
    fonts of TeX (prefix ``a``) have TeX's encodings; the others are Type 3 fonts that were made on Windows.

    Args:
        names: codes and names of the glyphs, but for ``.notdef``; any other name makes the result empty.
    """
    if texts := bitmap_font_texts(names):
        return texts
    named = [(code, name) for code, name in names if name != "space"]
    if not named:
        return {}
    letters = re.match(r"[A-Za-z]*", named[0][1])
    assert letters is not None
    # Letters at the beginning may be hexadecimal digits: /C0041 is C and 0041, /AF just a number.
    for length in range(len(letters[0]), -1, -1):
        if texts := _texts_after(letters[0][:length], named):
            return texts
    return {}


def _texts_after(prefix: str, named: list[tuple[int, str]]) -> dict[int, str]:
    """Return the texts if each name is this prefix and a number that is a code; else nothing."""
    for base, form in ((10, r"\d{1,3}"), (16, r"[0-9A-Fa-f]{2,4}"), (8, r"[0-7]{3}")):
        pattern = re.compile(re.escape(prefix) + f"({form})")
        found = [(code, pattern.fullmatch(name)) for code, name in named]
        values = [(code, int(match[1], base)) for code, match in found if match]
        if len(values) < len(named):
            continue
        # After a prefix the number may just count the font's glyphs, unless it always is the code.
        bare = not prefix and base == 10 and all(32 <= value < 256 for _, value in values)
        if bare or all(code == value for code, value in values):
            return {
                code: bytes([value]).decode("cp1252", "ignore") for code, value in values if 31 < value < 256
            }
    return {}
