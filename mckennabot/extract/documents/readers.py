"""Choose the reader for a source: by its suffix, or by its content if that says nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError
from mckennabot.extract.documents.blocks import Block, Source
from mckennabot.sniff import HEAD, NAMES, sniff
from mckennabot.tables import SUFFIXES as TABLES
from mckennabot.tables import read_table, timed_rows

MAX_BYTES = 32 << 20
"""Bytes of a text or HTML file: War and Peace has four million."""

Reader = Callable[[Path, ExtractSettings], Source]


def find_reader(path: Path) -> Reader | None:
    """Return the reader for a source; None for a PDF, which `mckennabot.extract.pdf` reads.

    Raises:
        InputError: it cannot be read, or there is no reader for its kind.
    """
    suffix = path.suffix.lower()
    if suffix == ".pdf" or suffix in READERS:
        return READERS.get(suffix)
    kind = sniff(_head(path, HEAD))
    if kind == "pdf":
        return None
    if kind in _BY_CONTENT:
        return READERS[_BY_CONTENT[kind]]
    # Names such as "README" or "vol. 2" have no suffix; text named .doc or .rtf is something else.
    if kind in ("text", "utf-16") and not re.fullmatch(r"\.[a-z]\w{0,7}", suffix):
        return READERS[".txt"]
    raise InputError(
        "not a PDF, nor another kind that is read",
        path=path,
        hint=f"What can be read: .pdf, {', '.join(READERS)}.",
    )


def _head(path: Path, size: int) -> bytes:
    """Return a file's first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise InputError(f"cannot read the file ({error.strerror})", path=path) from error


def _whole(path: Path, hint: str | None = None) -> bytes:
    """Return all of a file that is no larger than `MAX_BYTES`."""
    data = _head(path, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES >> 20} MB: too large for a book", hint=hint)
    return data


def _from_bytes(read: Callable[[bytes], Source]) -> Reader:
    """Make a reader of files of a function that takes their content."""

    def read_file(path: Path, settings: ExtractSettings) -> Source:
        del settings
        return read(_whole(path))

    return read_file


def _html(data: bytes) -> Source:
    from mckennabot.extract.documents.html_reader import read_html_file

    document = read_html_file(data)
    return Source(document.blocks, notes=frozenset(document.notes), marks=document.marks)


def _text(data: bytes) -> Source:
    from mckennabot.extract.documents.decode import decode_file
    from mckennabot.extract.documents.plain_text import read_text
    from mckennabot.extract.documents.subtitles import join_cues, stamped_cues

    kind = sniff(data[:HEAD])
    # A transcript copied from a player has its times on lines of their own.
    if kind in ("text", "utf-16") and (cues := stamped_cues(decode_file(data).split("\n"))):
        return Source(join_cues(cues), said=(f"{len(cues):,} time stamps removed",))
    if kind == "html":
        return _html(data)
    if kind == "captions":
        return _captions(data)
    if kind in ("pdf", "epub", "docx"):
        raise InputError(f"{NAMES[kind]}, by its content", hint=f"Give it its own suffix: .{kind}.")
    return Source(read_text(data))


def _markdown(data: bytes) -> Source:
    from mckennabot.extract.documents.markdown_reader import read_markdown

    return Source(read_markdown(data))


def _captions(data: bytes) -> Source:
    from mckennabot.extract.documents.subtitles import read_captions

    return Source(read_captions(data))


def _epub(path: Path, settings: ExtractSettings) -> Source:
    from mckennabot.extract.documents.epub import read_epub

    del settings
    return read_epub(path)


def _word(path: Path, settings: ExtractSettings) -> Source:
    from mckennabot.extract.documents.word import read_word

    del settings
    return read_word(path)


def _table(path: Path, settings: ExtractSettings) -> Source:
    """Read a table, in which each row holds a text of its own; or captions, if it has columns of times."""
    from mckennabot.extract.documents.decode import decode_file

    data = _whole(path, "finetune reads tables of any size itself.")
    text, suffix = decode_file(data), path.suffix.lower() or ".json"
    if settings.column is None and (rows := timed_rows(text, suffix)):
        from mckennabot.extract.documents.subtitles import Cue, join_cues

        spoken = join_cues([Cue(start, end, said.split("\n")) for start, end, said in rows])
        return Source(spoken)
    table = read_table(text, suffix, settings.column)
    blocks = [
        Block(paragraph, place=row, opens=number == 0)
        for row, text in enumerate(table.texts, 1)
        for number, paragraph in enumerate(re.split(r"\n[^\S\n]*\n\s*", text))
    ]
    return Source(blocks, places=len(table.texts), said=(table.chosen(),))


READERS: dict[str, Reader] = {
    ".epub": _epub,
    ".docx": _word,
    **dict.fromkeys((".html", ".htm", ".xhtml"), _from_bytes(_html)),
    ".txt": _from_bytes(_text),
    **dict.fromkeys((".md", ".markdown"), _from_bytes(_markdown)),
    **dict.fromkeys((".vtt", ".srt", ".sbv"), _from_bytes(_captions)),
    **dict.fromkeys(TABLES, _table),
}
"""The reader of a source by its suffix, in lower case."""
_BY_CONTENT = {"epub": ".epub", "docx": ".docx", "html": ".html", "captions": ".vtt", "json": ".json"}
