"""Decodes streams within limits, and keeps what a damaged one still gives."""

from __future__ import annotations

import zlib
from typing import Any

from pdfminer.ascii85 import ascii85decode, asciihexdecode
from pdfminer.lzw import lzwdecode
from pdfminer.pdftypes import (
    LITERALS_ASCII85_DECODE,
    LITERALS_ASCIIHEX_DECODE,
    LITERALS_FLATE_DECODE,
    LITERALS_LZW_DECODE,
    LITERALS_RUNLENGTH_DECODE,
    PDFStream,
    int_value,
)
from pdfminer.runlength import rldecode
from pdfminer.utils import apply_png_predictor, apply_tiff_predictor

MAX_BYTES = 32 << 20  # decoded, of one stream
MAX_PACKED = 4 << 20  # of what a filter in pure Python has to undo
MAX_FILTERS = 8


def data_of(stream: PDFStream) -> bytes:
    """A stream's decoded data, at most `MAX_BYTES` of it; empty where nothing can be made of it."""
    data = stream.rawdata or b""
    try:
        filters = stream.get_filters()
        for name, parameters in filters[:MAX_FILTERS]:
            data = _predicted(_unfiltered(data, name), parameters)
    except Exception:
        return b""
    return data[:MAX_BYTES] if len(filters) <= MAX_FILTERS else b""


def _unfiltered(data: bytes, name: Any) -> bytes:
    if name in LITERALS_FLATE_DECODE:
        return _inflate(data)
    if name in LITERALS_ASCII85_DECODE:
        try:
            return ascii85decode(data)
        except ValueError:
            return ascii85decode(bytes(c for c in data.split(b"~", 1)[0] if 33 <= c <= 117 or c == 122))
    for names, decode in (
        (LITERALS_LZW_DECODE, lzwdecode),
        (LITERALS_ASCIIHEX_DECODE, asciihexdecode),
        (LITERALS_RUNLENGTH_DECODE, rldecode),
    ):
        if name in names:
            return decode(data[:MAX_PACKED])
    return b""  # a picture's filter, or one that nobody knows


def _inflate(data: bytes) -> bytes:
    """What zlib makes of `data`, up to the first error and the limit."""
    for bits in (15, -15):  # with and without zlib's header
        inflater = zlib.decompressobj(bits)
        start = 0 if bits > 0 else 2
        done = bytearray()
        try:
            # In pieces, so that all before an error is kept.
            for at in range(start, len(data), 4096):
                done += inflater.decompress(data[at : at + 4096], MAX_BYTES - len(done))
                if inflater.eof or len(done) >= MAX_BYTES:
                    break
        except zlib.error:
            pass
        if done:
            return bytes(done)
    return b""


def _predicted(data: bytes, parameters: Any) -> bytes:
    if not isinstance(parameters, dict):
        return data
    predictor = int_value(parameters.get("Predictor", 1))
    if predictor < 2:
        return data
    colors, columns, bits = (
        int_value(parameters.get(name, default))
        for name, default in (("Colors", 1), ("Columns", 1), ("BitsPerComponent", 8))
    )
    if not 0 < colors * columns * bits <= 8 * MAX_PACKED:
        return b""
    if predictor == 2:
        return apply_tiff_predictor(colors, columns, bits, data)
    return apply_png_predictor(predictor, colors, columns, bits, data)


def bound_pdfminer() -> None:
    """Make pdfminer decode by `data_of` what it decodes itself, fonts and CMaps, within the same limits.

    This changes pdfminer for the whole process, so only processes that do nothing but read pages call it.
    """
    PDFStream.get_data = data_of  # type: ignore[assignment,method-assign]
