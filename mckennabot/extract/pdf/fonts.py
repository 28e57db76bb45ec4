"""Load fonts: code -> text and width. What is broken in a font costs no more than that part of it.

The text of a code is looked for in this order: /ToUnicode, the names in /Encoding, the encoding and the
names of the embedded font program. What has no text after that is counted as unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from pdfminer.cmapdb import CMapBase, CMapDB, IdentityCMap
from pdfminer.fontmetrics import FONT_METRICS
from pdfminer.pdffont import PDFCIDFont, PDFFont, PDFSimpleFont, PDFTrueTypeFont, PDFType1Font, PDFType3Font
from pdfminer.pdftypes import PDFStream, dict_value, list_value, resolve1
from pdfminer.psparser import LIT, PSLiteral, literal_name

from mckennabot.extract.pdf.cmaps import IDENTITY, CMap, parse_cmap
from mckennabot.extract.pdf.font_programs import Program, read_program
from mckennabot.extract.pdf.glyph_names import named_codes, plain, text_of_name, texts_of_codes
from mckennabot.extract.pdf.streams import data_of

NO_ASCENT, NO_DESCENT = 0.75, -0.25
"""Ascent and descent of a font that gives none, or none that can be: those of common book faces, in ems."""
ASCENTS, DESCENTS = (0.3, 1.3), (-0.6, -0.01)
"""Plausible values, in ems; fonts also say 0, or anything at all."""
NO_WIDTH = 0.5
"""Width in ems of a character of which none is known, or none that can be: that of most small letters."""
MAX_WIDTH = 20.0
"""Ems; wider characters are damage, and not a number is refused in the same comparison."""
MAX_FONTS = 2_000
"""Fonts to keep for a document; more are loaded anew each time."""
MAX_GLYPH = 0xFFFF

Shape = tuple[str, float]
"""A character's text, "" if unknown, and its width in text space."""


class Font(dict[int, Shape]):
    """A font's characters by code, looked up when they are first met.

    Attributes:
        name: without the subset prefix.
        ascent, descent: in text space, made plausible.
        vertical: whether its text runs downwards.
        multibyte: whether a code may take several bytes.
        em: size of type in a unit of font size: 1 but for Type 3.
        decode: the codes in a string.
    """

    def __init__(
        self,
        base: PDFFont,
        unicode: CMap | None = None,
        encoding: CMap | None = None,
        named: dict[int, str] | None = None,
        spec: dict[str, Any] | None = None,
    ) -> None:
        """Make a font.

        Args:
            base: pdfminer's font, without /ToUnicode.
            unicode: /ToUnicode.
            encoding: the CMap of codes of several bytes.
            named: code -> text by the names in /Encoding; "" for a name that says nothing.
            spec: the font's dictionary.
        """
        super().__init__()
        self._base = base
        self._unicode = unicode
        self._named = named or {}
        self._spec = spec or {}
        self._glyph: Callable[[int], int] = int
        self.decode: Callable[[bytes], Iterable[int]] = bytes
        self.multibyte = base.is_multibyte()
        self.vertical = base.is_vertical()
        if encoding is not None:
            self.decode, self._glyph, self.vertical = encoding.decode, encoding.glyph, encoding.vertical
        elif isinstance(base, PDFCIDFont):
            self.decode, self._glyph = _coding(base.cmap)
        name = base.fontname
        name = name.decode("latin-1") if isinstance(name, bytes) else str(name)
        self.name = re.sub(r"^[A-Z]{6}\+", "", name)
        ascent, descent = base.get_ascent(), base.get_descent()
        # Boxes of glyphs are made from these, and lines are found by the boxes.
        sound = ASCENTS[0] <= ascent <= ASCENTS[1] and DESCENTS[0] <= descent <= DESCENTS[1]
        self.ascent, self.descent = (ascent, descent) if sound else (NO_ASCENT, NO_DESCENT)
        # A Type 3 font may choose any unit, so its size is taken from its bounding box.
        self.em = 1.0
        if isinstance(base, PDFType3Font):
            self.em = abs(base.bbox[3] - base.bbox[1]) * abs(base.vscale) or 1000 * abs(base.vscale)

    def __missing__(self, code: int) -> Shape:
        glyph = self._glyph(code)
        text = self._unicode.text(code) if self._unicode else ""
        # /ToUnicode of many programs maps what they do not know to U+FFFD or to private use.
        if not known(text := plain(text, self.name)):
            text = self._encoded(code, glyph) or text
        width = self._base.char_width(glyph)
        # Without widths all glyphs would stand on one spot, and lines would be sorted by the alphabet.
        if not width and self._has_no_widths:
            width = self._program.widths.get(code) or _usual_width(text)
        if not -MAX_WIDTH <= width <= MAX_WIDTH:
            width = NO_WIDTH
        shape = self[code] = (text, width)
        return shape

    def _encoded(self, code: int, glyph: int) -> str:
        """Return the text of a code by the font's encoding, or by what its program calls the glyph."""
        simple = isinstance(self._base, PDFSimpleFont)
        # The names that the PDF gives come before the font program's: subsets rename glyphs.
        if simple and self._named.get(code):
            return self._named[code]
        if simple and self._has_own_encoding and self._program.encoding:
            return self._program.encoding.get(code, "")
        text = plain(_text(self._base, glyph), self.name)
        return text if known(text) or simple else self._program.glyphs.get(glyph, text)

    @cached_property
    def _program(self) -> Program:
        return read_program(_descriptor(self._spec))

    @cached_property
    def _has_own_encoding(self) -> bool:
        """Whether codes mean what the font program says, since the PDF names no encoding."""
        encoding = resolve1(self._spec.get("Encoding"))
        return encoding is None or (isinstance(encoding, dict) and "BaseEncoding" not in encoding)

    @cached_property
    def _has_no_widths(self) -> bool:
        return isinstance(self._base, PDFSimpleFont) and "Widths" not in self._spec


class FontStore:
    """A document's fonts, each read once."""

    def __init__(self) -> None:
        self._fonts: dict[int, Font] = {}

    def get_font(self, objid: int | None, spec: dict[str, Any]) -> Font:
        """Return the font of a dictionary; Helvetica if it cannot be read at all.

        Args:
            objid: number of the font's object, by which it is known again; None if it has none.
            spec: its dictionary.
        """
        if objid is not None and objid in self._fonts:
            return self._fonts[objid]
        font = _robust(spec)
        if objid is not None and len(self._fonts) < MAX_FONTS:
            self._fonts[objid] = font
        return font


def _robust(spec: dict[str, Any]) -> Font:
    """Load a font from its dictionary, leaving out step by step what may be broken."""
    metrics = ("W", "W2", "DW", "DW2", "Widths", "FirstChar", "FontDescriptor")
    attempts: tuple[tuple[str, ...], ...] = (
        (),
        ("FontDescriptor",),
        metrics,
        (*metrics, "Encoding", "FontMatrix", "FontBBox"),
    )
    for left_out in attempts:
        try:
            return _font(spec, left_out)
        except (Exception, MemoryError):
            continue
    return Font(PDFType1Font(None, {"BaseFont": LIT("Helvetica")}))  # type: ignore[arg-type]


def _font(spec: dict[str, Any], left_out: tuple[str, ...]) -> Font:
    # pdfminer looks codes up in /ToUnicode as if they were glyphs, and knows an /Encoding by its name only;
    # both are taken from it and done here.
    unicode = _cmap(spec.get("ToUnicode"))
    encoding = _cmap(spec.get("Encoding")) if isinstance(resolve1(spec.get("Encoding")), PDFStream) else None
    rest = {k: v for k, v in spec.items() if k not in ("ToUnicode", *left_out)}
    if encoding is not None and encoding.base is not None and not (encoding.glyphs and encoding.spaces):
        rest["Encoding"], encoding = LIT(encoding.base), None
    descendants = list_value(rest.get("DescendantFonts"))
    if descendants:
        inner = {k: v for k, v in dict_value(descendants[0]).items() if k not in left_out}
        inner.pop("ToUnicode", None)
        inner = {k: _bounded(v) if k in ("W", "W2") else v for k, v in inner.items()}
        name = resolve1(rest.get("Encoding"))
        inner["Encoding"] = name if isinstance(name, PSLiteral) and encoding is None else LIT("Identity-H")
        return Font(PDFCIDFont(None, inner), unicode, encoding, spec=inner)  # type: ignore[arg-type]
    kind = resolve1(rest.get("Subtype"))
    kind = literal_name(kind) if isinstance(kind, PSLiteral) else ""
    encoding_dict = resolve1(rest.get("Encoding"))
    differences = encoding_dict.get("Differences") if isinstance(encoding_dict, dict) else None
    named = _named([resolve1(item) for item in list_value(differences)])
    if kind == "Type3":
        rest.setdefault("FontMatrix", [0.001, 0, 0, 0.001, 0, 0])
        rest.setdefault("FontBBox", [0, 0, 0, 0])
        return Font(PDFType3Font(None, rest), unicode, named=named, spec=rest)  # type: ignore[arg-type]
    made = (PDFTrueTypeFont if kind == "TrueType" else PDFType1Font)(None, rest)  # type: ignore[arg-type]
    return Font(made, unicode, named=named, spec=rest)


def known(text: str) -> bool:
    """Return whether a glyph's text says anything: it is not empty, a placeholder, or of private use."""
    return bool(text.strip("\0\ufffd")) and not any("\ue000" <= c <= "\uf8ff" for c in text)


def _named(differences: list[Any]) -> dict[int, str]:
    """Return code -> text by the names of an /Encoding's differences."""
    names = [(code, name) for code, name in named_codes(differences) if name != ".notdef"]
    texts = {code: text_of_name(name) for code, name in names}
    return texts if all(texts.values()) else texts | texts_of_codes(names)


def _descriptor(spec: dict[str, Any]) -> dict[str, Any]:
    found = resolve1(spec.get("FontDescriptor"))
    return found if isinstance(found, dict) else {}


def _usual_width(text: str) -> float:
    """Return the width in ems of a text in Helvetica, for fonts whose widths are not known."""
    widths = FONT_METRICS["Helvetica"][1]
    return sum(widths.get(c, 1000 * NO_WIDTH) for c in text) / 1000 if text else NO_WIDTH


def _bounded(widths: Any) -> list[Any]:
    """Return widths of glyphs with bounded runs: ``first last width`` ends at the last possible glyph."""
    kept = [resolve1(part) for part in list_value(widths)]
    return [
        MAX_GLYPH if isinstance(part, (int, float)) and not abs(part) <= MAX_GLYPH else part for part in kept
    ]


def _cmap(value: Any) -> CMap | None:
    value = resolve1(value)
    if isinstance(value, PSLiteral) and "Identity" in literal_name(value):
        return IDENTITY
    if not isinstance(value, PDFStream):
        return None
    cmap = parse_cmap(data_of(value))
    base = resolve1(value.get("UseCMap"))
    if cmap.base is None and isinstance(base, PSLiteral):
        cmap.base = literal_name(base)
    if resolve1(value.get("WMode")) == 1:
        cmap.vertical = True
    return cmap


def _coding(cmap: CMapBase) -> tuple[Callable[[bytes], Iterable[int]], Callable[[int], int]]:
    """Return how one of Adobe's CMaps makes codes of strings, and glyphs of codes."""
    if isinstance(cmap, IdentityCMap):
        return cmap.decode, int
    tree: dict[int, Any] = getattr(cmap, "code2cid", {})
    if not tree:  # an unknown CMap, or a pdfminer that keeps its table elsewhere
        return CMapDB.get_cmap("Identity-H").decode, int
    glyphs: dict[int, int] = {}

    def decode(string: bytes) -> Iterable[int]:
        node, code = tree, 0
        for byte in string:
            code = code << 8 | byte
            found = node.get(byte)
            if isinstance(found, dict):
                node = found
                continue
            if found is not None:
                glyphs[code] = found
                yield code
            node, code = tree, 0

    return decode, lambda code: glyphs.get(code, 0)


def _text(font: PDFFont, glyph: int) -> str:
    try:
        return font.to_unichr(glyph)
    except Exception:  # not defined, or beyond Unicode
        return ""
