"""Decode streams within limits, and keep what a damaged one still yields."""

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

MAX_BYTES = 32 << 20
"""Decoded bytes of one stream."""
MAX_PACKED = 4 << 20
"""Bytes that a filter written in Python, which is slow, may have to decode."""
MAX_FILTERS = 8
_PIECE = 4096
"""Bytes inflated at a time: what comes before an error is kept, up to the piece with the error."""


def data_of(stream: PDFStream) -> bytes:
    """Return a stream's decoded data, at most `MAX_BYTES` of it; empty if it cannot be decoded."""
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
    return b""  # a filter of pictures, or an unknown one


def _inflate(data: bytes) -> bytes:
    """Inflate data up to the first error or the limit, with zlib's header or with a broken one."""
    for bits in (15, -15):  # negative: raw deflate data
        inflater = zlib.decompressobj(bits)
        start = 0 if bits > 0 else 2
        done = bytearray()
        try:
            for at in range(start, len(data), _PIECE):
                done += inflater.decompress(data[at : at + _PIECE], MAX_BYTES - len(done))
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


class IncompatiblePdfminer(Exception):  # noqa: N818 - the name is what a user sees
    """Raised for a release of pdfminer.six that cannot be held to the limits of this module."""


def bound_pdfminer() -> None:
    """Make pdfminer decode through `data_of` what it decodes by itself, such as fonts and CMaps.

    This patches pdfminer for the whole process, so only worker processes that read pages may call it.

    Raises:
        IncompatiblePdfminer: a release of pdfminer.six decodes elsewhere; it would read without limits.
    """
    if not hasattr(PDFStream, "get_data"):
        raise IncompatiblePdfminer("pdfminer.six has no PDFStream.get_data")
    PDFStream.get_data = data_of  # type: ignore[assignment,method-assign]
