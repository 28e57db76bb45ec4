r"""The corpus file: segments of paragraphs, and the text that stands for them.

One paragraph per line, a blank line between paragraphs, ``<|endoftext|>`` alone on a line between
segments. The lines of a stanza are consecutive lines, and stay one paragraph with its line breaks:

    >>> parse("One\n\nTwo,\nverse\n\n<|endoftext|>\n\nThree\n")
    [['One', 'Two,\nverse'], ['Three']]
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mckennabot.errors import InputError

SEPARATOR = "<|endoftext|>"
SUFFIXES = (".txt", ".md")

Segment = Sequence[str]
"""Paragraphs in order; a chapter's heading is the first. A paragraph of verse holds newlines."""


def render(segments: Iterable[Segment]) -> str:
    """The text of a corpus file, NFC, ending in a newline; segments without paragraphs vanish."""
    bodies = ("\n\n".join(neutralise(p) for p in segment if p.strip()) for segment in segments)
    return unicodedata.normalize("NFC", f"\n\n{SEPARATOR}\n\n".join(b for b in bodies if b) + "\n")


def parse(text: str) -> list[list[str]]:
    """Segments of paragraphs; the inverse of `render`, and lenient about text written by hand.

    A separator counts wherever it stands: `render` lets none through from a book's own words, so
    one inside a line was put there on purpose (gpt-2-simple's users do).
    """
    return [paragraphs for part in split_segments(text) if (paragraphs := _paragraphs(part))]


def split_segments(text: str) -> Iterator[str]:
    """The texts between separators, stripped, empty ones left out."""
    for part in text.split(SEPARATOR):
        if stripped := part.strip():
            yield stripped


def _paragraphs(segment: str) -> list[str]:
    return [p for p in re.split(r"\n[ \t]*\n\s*", segment.replace("\r\n", "\n").strip()) if p]


def neutralise(paragraph: str) -> str:
    """A paragraph whose words cannot be taken for a boundary between segments."""
    return paragraph.replace(SEPARATOR, "<| endoftext |>")


def corpus_files(paths: Iterable[Path]) -> list[Path]:
    """The corpus files behind files and directories; a directory gives its ``.txt`` and ``.md``, sorted.

    Raises:
        InputError: a path is not there, or a directory holds no corpus.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            if not inside:
                raise InputError("no .txt file in the directory", path=path, hint=EXTRACT_HINT)
            files += inside
        elif path.exists():
            files.append(path)
        else:
            raise InputError("no such corpus file", path=path, hint=EXTRACT_HINT)
    return files


EXTRACT_HINT = "Make one from a book with: mckennabot extract book.pdf"


def read_text(path: Path) -> str:
    """A corpus file's text, newlines made line feeds, a byte-order mark dropped.

    Raises:
        InputError: the file cannot be read, or is not UTF-8 (the offset of the first bad byte is named).
    """
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise InputError(f"cannot read the text ({error.strerror})", path=path) from error
    except UnicodeDecodeError as error:
        raise undecodable(path, error) from error


def undecodable(path: Path, error: UnicodeDecodeError, offset: int = 0) -> InputError:
    """What to tell the user of a file that is not UTF-8; `offset` is where the decoded bytes begin in it."""
    if offset == 0 and error.object.startswith(b"%PDF"):
        return InputError("a PDF is no corpus yet", path=path, hint=f"Extract it: mckennabot extract {path}")
    utf16 = offset == 0 and error.object.startswith((b"\xff\xfe", b"\xfe\xff"))
    name, option = ("UTF-16", "UTF-16") if utf16 else ("Latin-1", "LATIN1")
    return InputError(
        f"not UTF-8: byte 0x{error.object[error.start]:02x} at offset {offset + error.start}",
        path=path,
        hint=f"If it is {name}, convert it: iconv -f {option} -t UTF-8 {path} > fixed.txt",
    )
