r"""Read and write corpus files: segments of paragraphs as text.

One paragraph per line, a blank line between paragraphs, ``<|endoftext|>`` alone on a line between
segments. The lines of a stanza are consecutive lines, and stay one paragraph with its line breaks:

    >>> parse("One\n\nTwo,\nverse\n\n<|endoftext|>\n\nThree\n")
    [['One', 'Two,\nverse'], ['Three']]
"""

from __future__ import annotations

import contextlib
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from mckennabot.errors import InputError
from mckennabot.sniff import HEAD, NAMES, sniff
from mckennabot.system.inputs import Found, check_file, is_directory, walk
from mckennabot.system.spool import STDIN
from mckennabot.system.terminal import quoted

SEPARATOR = "<|endoftext|>"
SUFFIXES = (".txt",)
MAX_TEXT = 256 << 20
"""Bytes of a text that is held in memory whole: fifty times the Bible; /dev/zero has more."""

Segment = Sequence[str]
"""Paragraphs in order, a chapter's heading first. A paragraph of verse has newlines in it."""


def render(segments: Iterable[Segment]) -> str:
    """Return the text of a corpus file, in NFC, with a newline at its end, without empty segments."""
    bodies = ("\n\n".join(neutralise(p) for p in segment if p.strip()) for segment in segments)
    return unicodedata.normalize("NFC", f"\n\n{SEPARATOR}\n\n".join(b for b in bodies if b) + "\n")


def parse(text: str) -> list[list[str]]:
    """Return the segments of a corpus: the inverse of `render`, and lenient about text written by hand.

    A separator counts anywhere, also inside a line: `render` lets none through from a book's own words, and
    users of gpt-2-simple put them there on purpose.
    """
    return [paragraphs for part in split_segments(text) if (paragraphs := _paragraphs(part))]


def split_segments(text: str) -> Iterator[str]:
    """Yield the texts between separators, stripped, without empty ones."""
    for part in text.split(SEPARATOR):
        if stripped := part.strip():
            yield stripped


def _paragraphs(segment: str) -> list[str]:
    return [p for p in re.split(r"\n[ \t]*\n\s*", segment.replace("\r\n", "\n").strip()) if p]


def neutralise(paragraph: str) -> str:
    """Return a paragraph with separators in it broken up, so that it stays within its segment."""
    return paragraph.replace(SEPARATOR, "<| endoftext |>")


def find_corpora(paths: Iterable[Path]) -> tuple[list[Path], Found]:
    """Return the corpus files that paths stand for, and what was found in directories.

    Of a directory all ``.txt`` files count, in natural order, but for hidden ones and those about a project,
    such as LICENSE.txt; a file that is named counts whatever it is called.

    Raises:
        InputError: a path does not exist or cannot be read, or a directory holds no corpus.
    """
    files: list[Path] = []
    found = Found()
    for path in paths:
        if is_directory(path):
            inside = walk(path, SUFFIXES)
            if not inside.files:
                raise InputError(
                    "no .txt file in the directory",
                    path=path,
                    hint=next(chain(inside.warnings(), inside.notes()), EXTRACT_HINT),
                )
            found.add(inside)
            files += inside.files
        elif path.exists():
            files.append(path)
        else:
            raise InputError("no such corpus file", path=path, hint=EXTRACT_HINT)
    return list(dict.fromkeys(files)), found


EXTRACT_HINT = "Make one from a book with: mckennabot extract book.pdf"


def refuse_other_than_text(path: Path) -> None:
    """Refuse a file that is not a corpus but a book, an archive or markup, which would be learned as it is.

    Raises:
        InputError: it cannot be read, or is something else by its suffix or its first bytes.
    """
    check_file(path)
    with path.open("rb") as file:
        head = file.read(HEAD)
    # Suffixes first: what is called .json is a table to `extract`, whatever it looks like.
    kind = _BY_SUFFIX.get(path.suffix.lower()) or sniff(head)
    if kind != "text":
        raise InputError(
            f"{NAMES[kind]} is no corpus yet" if kind != "binary" else "it holds no text",
            path=path,
            hint=extract_first(path),
        )


_BY_SUFFIX = {
    **{".pdf": "pdf", ".epub": "epub", ".docx": "docx", ".json": "json"},
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".vtt", ".srt"), "captions"),
}


def extract_first(path: Path) -> str:
    """Return the advice for a file that `extract` can make a corpus of."""
    return f"Make a corpus of it first: mckennabot extract {quoted(path)}"


def read_text(path: Path) -> str:
    """Return a file's text, newlines made line feeds, a byte-order mark dropped; ``-`` is stdin.

    Raises:
        InputError: the file cannot be read, has more than `MAX_TEXT` bytes, or is not UTF-8 (the offset of
            the first bad byte is named).
    """
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if path == STDIN else path.open("rb") as file:
            content = file.read(MAX_TEXT + 1)
    except OSError as error:
        raise InputError(f"cannot read the text ({error.strerror})", path=path) from error
    if len(content) > MAX_TEXT:
        raise InputError(f"more than {MAX_TEXT >> 20} MB: that is no text to be read at once", path=path)
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise undecodable(path, error) from error


def read_corpus(path: Path) -> str:
    """Return the text of a corpus file that a run names, and which somebody else may have put there.

    Raises:
        InputError: as `read_text`; or it is no regular file, which might be waited for.
    """
    check_file(path)
    return read_text(path)


def undecodable(path: Path, error: UnicodeDecodeError, offset: int = 0) -> InputError:
    """Return the error for a file that is not UTF-8; `offset` is where the decoded bytes begin in it."""
    return InputError(
        f"not UTF-8: byte 0x{error.object[error.start]:02x} at offset {offset + error.start}",
        path=path,
        hint=extract_first(path),
    )
