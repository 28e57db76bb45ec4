"""Which reader a source wants: by its suffix, or by its content where that says nothing."""

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
"""Of a text or HTML file: War and Peace takes four million."""

Reader = Callable[[Path, ExtractSettings], Source]


def find_reader(path: Path) -> Reader | None:
    """What reads a source; None for a PDF.

    Raises:
        InputError: it cannot be read, or nothing here reads its kind.
    """
    suffix = path.suffix.lower()
    if suffix == ".pdf" or suffix in READERS:
        return READERS.get(suffix)
    kind = sniff(_head(path, HEAD))
    if kind == "pdf":
        return None
    if kind in _BY_CONTENT:
        return READERS[_BY_CONTENT[kind]]
    if kind in ("text", "utf-16") and not re.fullmatch(r"\.[a-z]\w{0,7}", suffix):
        return READERS[".txt"]
    raise InputError(
        "not a PDF, nor another kind that is read",
        path=path,
        hint=f"What can be read: .pdf, {', '.join(READERS)}.",
    )


def _head(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise InputError(f"cannot read the file ({error.strerror})", path=path) from error


def _whole(read: Callable[[bytes], Source]) -> Reader:
    def read_file(path: Path, settings: ExtractSettings) -> Source:
        del settings
        data = _head(path, MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InputError(f"larger than {MAX_BYTES >> 20} MB: that is no book")
        return read(data)

    return read_file


def _html(data: bytes) -> Source:
    from mckennabot.extract.documents.html_reader import read_html_file

    document = read_html_file(data)
    return Source(document.blocks, [], frozenset(document.notes), document.marks, 1, {})


def _text(data: bytes) -> Source:
    from mckennabot.extract.documents.decode import decode_file
    from mckennabot.extract.documents.plain_text import read_text
    from mckennabot.extract.documents.subtitles import join_cues, stamped_cues

    kind = sniff(data[:HEAD])
    if kind in ("text", "utf-16") and (cues := stamped_cues(decode_file(data).split("\n"))):
        return Source(join_cues(cues), [], frozenset(), 0, 1, {}, (f"{len(cues):,} time stamps removed",))
    if kind == "html":
        return _html(data)
    if kind == "captions":
        return _captions(data)
    if kind in ("pdf", "epub", "docx"):
        raise InputError(f"{NAMES[kind]}, by its content", hint=f"Give it its own suffix: .{kind}.")
    return Source(read_text(data), [], frozenset(), 0, 1, {})


def _markdown(data: bytes) -> Source:
    from mckennabot.extract.documents.plain_text import read_markdown

    return Source(read_markdown(data), [], frozenset(), 0, 1, {})


def _captions(data: bytes) -> Source:
    from mckennabot.extract.documents.subtitles import read_captions

    return Source(read_captions(data), [], frozenset(), 0, 1, {})


def _epub(path: Path, settings: ExtractSettings) -> Source:
    from mckennabot.extract.documents.epub import read_epub

    del settings
    return read_epub(path)


def _word(path: Path, settings: ExtractSettings) -> Source:
    from mckennabot.extract.documents.word import read_word

    del settings
    return read_word(path)


def _table(path: Path, settings: ExtractSettings) -> Source:
    """A text to a row, each one a text of its own."""
    from mckennabot.extract.documents.decode import decode_file

    data = _head(path, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError(
            f"larger than {MAX_BYTES >> 20} MB", hint="finetune reads tables of any size itself."
        )
    text, suffix = decode_file(data), path.suffix.lower() or ".json"
    if settings.column is None and (rows := timed_rows(text, suffix)):
        from mckennabot.extract.documents.subtitles import Cue, join_cues

        spoken = join_cues([Cue(start, end, said.split("\n")) for start, end, said in rows])
        return Source(spoken, [], frozenset(), 0, 1, {})
    table = read_table(text, suffix, settings.column)
    blocks = [
        Block(paragraph, place=row, opens=number == 0)
        for row, text in enumerate(table.texts, 1)
        for number, paragraph in enumerate(re.split(r"\n[^\S\n]*\n\s*", text))
    ]
    return Source(blocks, [], frozenset(), 0, len(table.texts), {}, (table.chosen(),))


READERS: dict[str, Reader] = {
    ".epub": _epub,
    ".docx": _word,
    **dict.fromkeys((".html", ".htm", ".xhtml"), _whole(_html)),
    ".txt": _whole(_text),
    **dict.fromkeys((".md", ".markdown"), _whole(_markdown)),
    **dict.fromkeys((".vtt", ".srt", ".sbv"), _whole(_captions)),
    **dict.fromkeys(TABLES, _table),
}
"""What reads a source, by its suffix in lower case."""
_BY_CONTENT = {"epub": ".epub", "docx": ".docx", "html": ".html", "captions": ".vtt", "json": ".json"}
