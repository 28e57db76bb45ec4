"""Recognise what a file holds by its first bytes: suffixes lie, and pipes have none."""

from __future__ import annotations

import codecs
import re

HEAD = 1 << 16
"""Bytes to judge a file by."""
_PDF_HEAD = 1024
"""Bytes in which a PDF has its mark; mail and servers put headers before it."""
_CONTROLS = 0.01
"""Share of control characters that no text has; two more are forgiven."""
_ZEROS = 0.2
"""Share of zeros in UTF-16 without a byte-order mark; in Latin text it is a half."""
_LEAST = 4
"""Bytes of two characters of UTF-16; fewer say nothing."""
_TAGS, _TAG_SHARE = 3, 0.04
"""Tags to exceed, and the share of the text that they exceed, in HTML without <html> or <body>."""

NAMES = {
    "pdf": "a PDF",
    "epub": "an EPUB",
    "docx": "a Word document",
    "zip": "an archive (zip)",
    "binary": "not text",
    "utf-16": "text in UTF-16 or UTF-32",
    "html": "HTML",
    "xml": "XML",
    "captions": "captions",
    "json": "JSON",
    "rtf": "RTF",
}
"""The results of `sniff` other than ``text``, as errors name them."""

_BINARY = (
    b"\x1f\x8b",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\xd0\xcf\x11\xe0",
    b"BZh",
    b"\xfd7zXZ",
    b"7z\xbc\xaf",
    b"Rar!",
    b"\x7fELF",
    b"OggS",
    b"ID3",
)
_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(
    rb"</?(?:p|div|span|br|a|i|b|em|strong|li|ul|ol|h[1-6]|td|tr|table|img|font)\b[^<>]*>", re.IGNORECASE
)
_TIMES = re.compile(
    rb"^[ \t]*(?:\d+:)?\d{1,2}:\d\d[.,]\d{1,3}[ \t]*-->[ \t]*(?:\d+:)?\d{1,2}:\d\d[.,]\d{1,3}", re.MULTILINE
)
_JSON = re.compile(rb"\s*(?:\{\s*(?:\"|\})|\[\s*[\[{\"\]])")


def sniff(head: bytes) -> str:
    """Return the kind of a file, one of `NAMES` or ``text``, by its first `HEAD` bytes."""
    if b"%PDF-" in head[:_PDF_HEAD]:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        # EPUB stores its type first and uncompressed, so that it can be seen here.
        if b"application/epub+zip" in head[:200] or b"META-INF/container.xml" in head:
            return "epub"
        return "docx" if b"[Content_Types].xml" in head or b"word/" in head else "zip"
    if head.startswith(_BINARY):
        return "binary"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)) or utf16_without_mark(
        head
    ):
        return "utf-16"
    if is_binary(head.decode("latin-1")):
        return "binary"
    return _markup(head.removeprefix(codecs.BOM_UTF8))


def is_binary(text: str) -> bool:
    """Return whether a string is not text, by its control characters; those of terminals do not count."""
    return sum(c < " " and c not in "\t\n\v\f\r\a\x1b" for c in text) > _CONTROLS * len(text) + 2


def utf16_without_mark(head: bytes) -> str:
    """Return the codec of UTF-16 without a byte-order mark, "" for anything else.

    In text of mostly Latin letters every second byte is zero.
    """
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) < _LEAST or max(even, odd) <= _ZEROS * len(head) or min(even, odd):
        return ""
    return "utf-16-le" if odd else "utf-16-be"


def _markup(head: bytes) -> str:
    """Return the kind of a file that holds text."""
    if head.startswith(b"WEBVTT") or len(_TIMES.findall(head)) > 1 or _starts_as_captions(head):
        return "captions"
    if _HTML.match(head):
        return "html"
    if re.match(rb"\s*<\?xml\b", head):
        return "xml"
    if head.lstrip().startswith(b"{\\rtf"):
        return "rtf"
    if _JSON.match(head):
        return "json"
    # Fragments of HTML, as blogs and mail export them.
    tags = _TAG.findall(head)
    return "html" if len(tags) > _TAGS and sum(map(len, tags)) > _TAG_SHARE * len(head) else "text"


def _starts_as_captions(head: bytes) -> bool:
    """Return whether a file begins with the number and the time of a caption; it may be the only one."""
    return bool(re.match(rb"\s*\d+[ \t]*\r?\n", head) and _TIMES.search(head[:200]))
