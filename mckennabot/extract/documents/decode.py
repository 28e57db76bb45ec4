"""Decode text files, whatever they say of their encoding or leave unsaid."""

from __future__ import annotations

import codecs
import re

from mckennabot.errors import InputError
from mckennabot.sniff import utf16_without_mark

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# <?xml encoding="…"?>, <meta charset=…>, <meta content="…; charset=…">, Project Gutenberg's header.
_DECLARED = re.compile(
    rb"""(?:encoding\s*=|charset\s*=|character set encoding:)\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE
)
_HEAD = 4096
"""Bytes in which an encoding is declared, or shows."""
_SAMPLE = 1 << 16
"""Bytes by which an undeclared encoding is guessed."""
_CONTROLS = 0.01
"""Share of control characters that no text has; two more are forgiven."""
_WESTERN_LETTERS, _WESTERN_FAMILIAR = 0.5, 0.9
"""Share of non-ASCII characters among the letters that western European languages do not reach, and share of
them that must be familiar ones; text in another encoding read as Windows-1252 fails one or the other."""
# Browsers read these names as the right-hand encodings, because the files that use them do.
_MEANT = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
}


def decode(data: bytes) -> str:
    """Return the text of a file, with line feeds for all newlines.

    In this order: the byte-order mark; UTF-8, which text in other encodings hardly ever happens to be; what
    the file declares; what its bytes look like. Nothing is lost: what fits no encoding is read as
    Windows-1252 or, byte for byte, as Latin-1.
    """
    return _decode(data).replace("\r\n", "\n").replace("\r", "\n")


def decode_file(data: bytes) -> str:
    """Return the text of a file that should hold text, as `decode` does.

    Raises:
        InputError: it holds something else, or nothing.
    """
    text = decode(data)
    sample = text[:100_000]
    controls = sum(c < " " and c not in "\n\t\f" for c in sample)
    if (
        data.startswith((b"%PDF-", b"PK\x03\x04", b"\x1f\x8b", b"\x89PNG"))
        or controls > _CONTROLS * len(sample) + 2
    ):
        raise InputError(
            "not a text file", hint="Give a file its own suffix: .pdf, .epub, .html, .txt or .md."
        )
    if not text.strip():
        raise InputError("the file is empty")
    return text


def _decode(data: bytes) -> str:
    for bom, name in _BOMS:
        if data.startswith(bom):
            return data.decode(name, errors="replace")
    if (name := utf16_without_mark(data[:_HEAD])) and (text := _try(data, name)) is not None:
        return text
    declared = _declared(data)
    if declared.startswith(("iso2022", "hz")) and (text := _try(data, declared)) is not None:
        return text  # these write escapes in seven bits, and would pass for UTF-8
    for name in ("utf-8", declared):
        if name and (text := _try(data, name)) is not None:
            return text
    for name in (_likely(data), "cp1252"):
        if name and (text := _try(data, name)) is not None:
            return text
    return data.decode("latin-1")


def _try(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, LookupError, ValueError):
        return None


def _declared(data: bytes) -> str:
    """Return the codec that the head of a file names, "" for none or one that does not encode text."""
    match = _DECLARED.search(data[:_HEAD])
    if not match:
        return ""
    try:
        name = codecs.lookup(match[1].decode("ascii")).name
        "".encode(name)  # refuses codecs such as zip and base64
    except (LookupError, TypeError, ValueError):
        return ""
    # Nobody means these in a text file, and browsers refuse UTF-7 for good reason.
    return "" if name in ("utf-7", "idna", "punycode", "unicode_escape") else _MEANT.get(name, name)


def _likely(data: bytes) -> str:
    """Guess the codec by the lines that are not ASCII."""
    sample = b"\n".join(line for line in data[: 8 * _SAMPLE].splitlines() if not line.isascii())[:_SAMPLE]
    # The commonest case first; the detector is loaded only for what is left.
    if _is_western(sample.decode("cp1252", errors="replace")):
        return "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_CANDIDATES).best()
    return best.encoding if best else ""


_CANDIDATES = [
    "cp1252", "cp1250", "cp1251", "cp1253", "koi8_r", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr",
]  # fmt: skip
_WESTERN = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüßœÀÁÂÄÅÆÇÈÉÊËÎÏÑÓÔÖØÙÚÛÜŒ’‘“”—–…«»‹›„°§£©¡¿\u00a0\u00ad")


def _is_western(text: str) -> bool:
    """Return whether text reads as a western European language: plain letters and a few familiar accents."""
    others = [c for c in text if not c.isascii()]
    letters = sum(c.isalpha() for c in text)
    familiar = sum(c in _WESTERN for c in others)
    few = sum(c.isalpha() for c in others) < _WESTERN_LETTERS * letters
    return few and familiar > _WESTERN_FAMILIAR * len(others)
