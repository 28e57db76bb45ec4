"""Finds, checks and reads the files of a corpus, as pieces of text."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mckennabot.corpus import SEPARATOR, extract_first, find_corpora, refuse_other_than_text, undecodable
from mckennabot.errors import InputError, MckennabotError, UsageError
from mckennabot.sniff import is_binary
from mckennabot.system.inputs import check_file
from mckennabot.system.terminal import quoted, shown
from mckennabot.tables import Table, read_table

PIECE = 1 << 16
"""Bytes read at a time; a piece of text is about as long."""
START = "<|startoftext|>"
"""Some recipes for gpt-2-simple put this before each text; GPT-2 has no such token."""
_LONGEST_WORD = 16 * PIECE
"""Bytes without a space after which text is cut anywhere: Chinese and Japanese have none."""
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
_NAMED = 3
"""Files that one error names before it only counts."""


class Corpus:
    """The texts to learn from.

    Attributes:
        files: text files, gpt-2-simple's ``.npz`` of token ids, and tables of texts.
        notes: what was left out of directories, and which columns are read.
        warnings: directories that cannot be read.

    Args:
        paths: files, and directories of them.
        column: of tables; None finds the one that holds the texts.

    Raises:
        InputError: a file is missing, unreadable or not text.
        UsageError: there is no such column.
    """

    def __init__(self, paths: Iterable[Path], column: str | None = None) -> None:
        self.files, found = find_corpora(paths)
        self.notes = list(found.notes())
        self.warnings = list(found.warnings())
        self._column = column
        errors: list[MckennabotError] = []
        for path in self.files:
            try:
                self._check(path)
            except InputError as error:
                errors.append(error)
        if len(errors) > 1:
            raise _all_of(errors)
        if errors:
            raise errors[0]
        if column and not any(_is_table(path) for path in self.files):
            raise UsageError("--column is for tables (.csv, .tsv, .jsonl), and there is none")

    def texts(self) -> Iterator[str]:
        """Yield the text in pieces, without boundaries, to learn a vocabulary from.

        Raises:
            InputError: the corpus has token ids, which only their own vocabulary can read.
        """
        for path in self.files:
            if holds_tokens(path):
                raise InputError(
                    "token ids need the vocabulary that made them",
                    path=path,
                    hint="Give the text instead, or a --model with that vocabulary.",
                )
            for piece in self.pieces(path):
                yield piece.replace(SEPARATOR, "\n")

    def pieces(self, path: Path) -> Iterator[str]:
        """Yield a file's text in pieces, each segment stripped and with the separator before it."""
        rows = ([text] for text in self._table(path).texts) if _is_table(path) else [_pieces(path)]
        dropped = 0
        for pieces in rows:
            opened = False  # whether the segment that the next piece goes on with has begun
            for piece in pieces:
                for i, part in enumerate(piece.split(SEPARATOR)):
                    opened = opened and i == 0
                    text = part if opened else part.lstrip()
                    if not opened and text.startswith(START):
                        text = text.removeprefix(START).lstrip()
                        dropped += 1
                    if not text.strip():
                        continue
                    yield text if opened else SEPARATOR + text
                    opened = True
        if dropped:
            self._note(
                path, f"leaves out {START}, which begins {dropped:,} texts: {SEPARATOR} does that here"
            )

    def _check(self, path: Path) -> None:
        if holds_tokens(path):
            check_file(path)
        elif _is_table(path):
            check_file(path)
            table = self._table(path)
            if not table.texts:
                raise InputError("no text in the column", path=path)
            self._note(path, table.chosen())
        else:
            refuse_other_than_text(path)
            for _ in _decoded(path):  # to the end, before anything is learned
                pass
            if path.suffix.lower() in (".md", ".markdown"):
                self._note(
                    path, f"learns Markdown's marks too; without them: mckennabot extract {quoted(path)}"
                )

    def _table(self, path: Path) -> Table:
        try:
            return read_table("".join(_decoded(path)), path.suffix.lower(), self._column)
        except (InputError, UsageError) as error:
            raise type(error)(error.what, path=path, hint=error.hint) from error

    def _note(self, path: Path, what: str) -> None:
        note = f"{shown(path)}: {what}"
        if note not in self.notes:
            self.notes.append(note)


def holds_tokens(path: Path) -> bool:
    """Return whether a file holds token ids instead of text."""
    return path.suffix.lower() == ".npz"


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in _TABLES


def _all_of(errors: list[MckennabotError]) -> InputError:
    named = ", ".join(f"{shown(error.path or '')} ({error.what})" for error in errors[:_NAMED])
    more = f" and {len(errors) - _NAMED} more" if len(errors) > _NAMED else ""
    return InputError(
        f"{len(errors)} files cannot be learned as they are: {named}{more}",
        hint=f"Make a corpus of them first: mckennabot extract -o corpus/ {quoted(errors[0].path or '')} …",
    )


def _pieces(path: Path) -> Iterator[str]:
    """Yield the file's text in pieces that end where a word does, newlines turned into line feeds.

    A piece ends just before white space that follows a word, where GPT-2's own splitting always cuts:
    the tokens are those of the whole text. Trailing white space is dropped at the end of a segment.
    """
    rest = ""
    for text in _decoded(path):
        rest += text
        end = len(rest.rstrip())
        # White space at the very end may go on in the next block, and a separator may be cut in two.
        cut = len(rest[: max(rest.rfind(" ", 0, end), rest.rfind("\n", 0, end), 0)].rstrip())
        if not cut and len(rest) > _LONGEST_WORD:  # anywhere but inside a separator
            cut = max(rest.rfind("<"), 0) or len(rest)
        if cut:
            yield from _trimmed(rest[:cut].replace("\r\n", "\n").replace("\r", "\n"))
            rest = rest[cut:]
    yield from _trimmed(rest.replace("\r\n", "\n").replace("\r", "\n").rstrip())


def _trimmed(piece: str) -> Iterator[str]:
    if piece:
        yield re.sub(rf"\s+{re.escape(SEPARATOR)}", SEPARATOR, piece)


def _decoded(path: Path) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0  # of the first byte not yet decoded
    try:
        with path.open("rb") as file:
            while True:
                block = file.read(PIECE)
                text = decoder.decode(block, final=not block)
                if "\0" in text or is_binary(text):
                    raise InputError("it holds bytes that are no text", path=path, hint=extract_first(path))
                yield text.removeprefix("\ufeff") if offset == 0 else text
                if not block:
                    return
                offset = file.tell() - len(decoder.getstate()[0])
    except UnicodeDecodeError as error:
        raise undecodable(path, error, offset) from error
    except OSError as error:
        raise InputError(f"cannot read the corpus ({error.strerror})", path=path) from error
