"""What a file holds, by its first bytes: suffixes lie, and pipes have none."""

from __future__ import annotations

import codecs
import re

HEAD = 1 << 16
"""Bytes that tell."""

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
"""What `sniff` finds beside text, in words."""

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
    """The kind of a file, of `NAMES` or ``text``, by its first `HEAD` bytes."""
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        if b"application/epub+zip" in head[:200] or b"META-INF/container.xml" in head:
            return "epub"
        return "docx" if b"[Content_Types].xml" in head or b"word/" in head else "zip"
    if head.startswith(_BINARY):
        return "binary"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)) or _wide(head):
        return "utf-16"
    if is_binary(head.decode("latin-1")):
        return "binary"
    return _markup(head.removeprefix(codecs.BOM_UTF8))


def is_binary(text: str) -> bool:
    """Whether text holds so many controls that it is none; those of terminals do not count."""
    return sum(c < " " and c not in "\t\n\v\f\r\a\x1b" for c in text) > 0.01 * len(text) + 2


def _wide(head: bytes) -> bool:
    """UTF-16 by its zero bytes: every second one, in text of mostly Latin letters."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    return len(head) > 3 and max(even, odd) > 0.2 * len(head) and not min(even, odd)


def _markup(head: bytes) -> str:
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
    tags = _TAG.findall(head)
    return "html" if len(tags) > 3 and sum(map(len, tags)) > 0.04 * len(head) else "text"


def _starts_as_captions(head: bytes) -> bool:
    """A file of a single caption: its number, and its time."""
    return bool(re.match(rb"\s*\d+[ \t]*\r?\n", head) and _TIMES.search(head[:200]))
