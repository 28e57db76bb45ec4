"""Read embedded font programs: names and widths of their glyphs, for fonts that the PDF says nothing of.

PDFs without /Encoding, /ToUnicode or /Widths leave these to the program inside.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import Any

from pdfminer.pdftypes import PDFStream, resolve1

from mckennabot.extract.pdf.glyph_names import text_of_name
from mckennabot.extract.pdf.streams import data_of

_PUT = re.compile(rb"dup\s+(\d{1,3})\s*/([^\s/]+)\s+put")

MAX_GLYPHS = 20_000
"""Glyphs to read of one program; CJK fonts may have 65,000, of which a book uses a few thousand."""
_SYMBOL = 0xF000
"""Where symbol fonts have their 256 characters."""


@dataclass
class Program:
    """What a font program says.

    Attributes:
        encoding: code -> text, by the encoding that a Type 1 or CFF font has of its own.
        glyphs: glyph number -> text.
        widths: code -> width in ems, of fonts with an encoding of their own.
    """

    encoding: dict[int, str] = field(default_factory=dict)
    glyphs: dict[int, str] = field(default_factory=dict)
    widths: dict[int, float] = field(default_factory=dict)


def read_program(descriptor: dict[str, Any]) -> Program:
    """Read the font program that a descriptor refers to; an empty one if there is none, or it is broken."""
    try:
        for key, read in (("FontFile3", _cff), ("FontFile2", _truetype), ("FontFile", _type1)):
            stream = resolve1(descriptor.get(key))
            if isinstance(stream, PDFStream):
                return read(data_of(stream))
    except (Exception, MemoryError):  # fontTools raises anything for a broken font
        pass
    return Program()


def _cff(data: bytes) -> Program:
    from fontTools.cffLib import CFFFontSet
    from fontTools.encodings import StandardEncoding

    if data[:4] in (b"OTTO", b"\0\1\0\0", b"true"):
        return _truetype(data)
    fonts = CFFFontSet()
    fonts.decompile(io.BytesIO(data), None)
    font = fonts[0]
    program = Program()
    if hasattr(font, "ROS"):
        return program  # a CID font: its glyphs have numbers, which only a character collection explains
    for number, name in enumerate(font.charset):
        program.glyphs[number] = text_of_name(name)
    encoding = font.Encoding
    if encoding == "StandardEncoding":
        encoding = StandardEncoding.StandardEncoding
    elif encoding == "ExpertEncoding":
        return program
    scale = font.FontMatrix[0] if hasattr(font, "FontMatrix") else 0.001
    for code, name in enumerate(encoding):
        if name != ".notdef" and name in font.CharStrings:
            program.encoding[code] = text_of_name(name)
            program.widths[code] = _width(font.CharStrings[name]) * scale
    return program


def _width(charstring: Any) -> float:
    from fontTools.pens.basePen import NullPen

    charstring.draw(NullPen())
    return float(charstring.width)


def _truetype(data: bytes) -> Program:
    from fontTools.ttLib import TTFont

    font = TTFont(io.BytesIO(data), lazy=True, fontNumber=0)
    program = Program()
    if "cmap" in font:
        # The cmap is better than glyph names, which subsetting tools replace by g17 and the like.
        best = font["cmap"].getBestCmap() or {}
        for code, name in list(best.items())[:MAX_GLYPHS]:
            program.glyphs.setdefault(font.getGlyphID(name), chr(code))
    if "CFF " in font or "post" in font:
        for number, name in enumerate(font.getGlyphOrder()[:MAX_GLYPHS]):
            if text := text_of_name(name):
                program.glyphs.setdefault(number, text)
    if "cmap" in font and "hmtx" in font and "head" in font:
        units = font["head"].unitsPerEm
        for table in font["cmap"].tables:
            for code, name in list(table.cmap.items())[:MAX_GLYPHS]:
                if code < 256 or _SYMBOL <= code < _SYMBOL + 256:
                    program.widths.setdefault(code & 0xFF, font["hmtx"][name][0] / units)
    return program


def _type1(data: bytes) -> Program:
    # The encoding stands in clear text before the encrypted part.
    head = data[: data.find(b"eexec")] if b"eexec" in data else data
    return Program({int(code): text_of_name(name.decode("latin-1")) for code, name in _PUT.findall(head)})
