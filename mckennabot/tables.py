r"""Tables of texts, a text to a row: which column of a CSV or JSONL file holds them.

Tweets, chats and data sets come as tables in which a date or an id stands before the text. The column is
found by what its cells hold, or named by the user, and always said:

    >>> table = read_table('id,date,tweet\n1,2020-01-01,The lamp is out again.\n', ".csv")
    >>> table.column, table.texts
    ('tweet', ['The lamp is out again.'])
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mckennabot.errors import InputError, UsageError
from mckennabot.system.terminal import shown

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_JUDGED = 500
"""Rows by which columns are judged."""
_DELIMITERS = ",;\t|"
# Names that the column of texts bears in exports and data sets.
_TEXT_NAMES = frozenset(
    (
        *("text", "texts", "full_text", "content", "contents", "body", "selftext", "transcript", "utterance"),
        *(
            "tweet",
            "message",
            "comment",
            "post",
            "caption",
            "review",
            "quote",
            "quotes",
            "speech",
            "sentence",
        ),
        *("lyrics", "poem", "poems", "paragraph", "story", "article", "document"),
    )
)
_VALUE = re.compile(
    r"[-+]?[\d.,:%/\s-]*\d[\d.,:%/\s-]*|\d{4}-\d\d-\d\d[T ].*|\w{3} \w{3} \d\d .*|https?://\S+|[\w.+-]+@[\w.-]+|"
    r"\w{3,9}\.? \d{1,2},? \d{4}.*|true|false|null|none|nan|[0-9a-f-]{16,}|\W*",
    re.IGNORECASE,
)
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Halves of characters, which JSON can spell and no text can hold."""
_ALIKE = 0.5
"""A second column with this share of the words of the first makes the choice unclear."""


@dataclass(frozen=True)
class Table:
    """A column of texts.

    Attributes:
        texts: the text of each row that has one.
        column: what it is called: its name, or "column 2" where there is no header.
        columns: all columns, so called; one where there was no choice.
        header: whether the first row was taken for names.
    """

    texts: list[str]
    column: str
    columns: list[str]
    header: bool

    def chosen(self) -> str:
        """Return what to tell the user of the choice."""
        others = [name for name in self.columns if name != self.column]
        said = f"reads the column {self.column!r}" if self.header else f"reads {self.column}"
        if others:
            said += f", not {', '.join(others)} (--column chooses another)"
        return said + ("" if self.header else "; the first row is a text, not a header")


def read_table(text: str, suffix: str, column: str | None = None) -> Table:
    """Return the texts of a table.

    Args:
        text: the file's content.
        suffix: ``.csv``, ``.tsv``, or one of JSON's, in lower case.
        column: a column's name, or its number from 1; None finds the one that holds texts.

    Raises:
        InputError: no table, or no column of texts, or several that might be it.
        UsageError: no such column.
    """
    columns, header = _json_columns(text) if suffix in (".json", ".jsonl", ".ndjson") else _csv_columns(text)
    name = _named(columns, column) if column else _found(columns)
    whole = (_SURROGATE.sub("\ufffd", cell) for cell in columns[name])
    texts = [cell.replace("\r\n", "\n").replace("\r", "\n").strip() for cell in whole]
    return Table([text for text in texts if text], shown(name), [shown(column) for column in columns], header)


def timed_rows(text: str, suffix: str) -> list[tuple[float, float, str]] | None:
    """The rows of a table in which each text has a start and an end, as programs that hear speech write.

    Returns:
        Start and end in seconds, and the text; None where the table is another one.
    """
    try:
        if suffix in (".json", ".jsonl", ".ndjson"):
            rows = [row for row in _json_rows(text) if isinstance(row, dict)]
        else:
            columns, _ = _csv_columns(text)
            rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        scale = 1000.0 if suffix == ".tsv" else 1.0  # Whisper's .tsv counts milliseconds
        return [(float(r["start"]) / scale, float(r["end"]) / scale, str(r["text"])) for r in rows] or None
    except (InputError, KeyError, TypeError, ValueError):
        return None


def _csv_columns(text: str) -> tuple[dict[str, list[str]], bool]:
    csv.field_size_limit(sys.maxsize)
    try:
        rows = [
            row for row in csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)) if any(row)
        ]
    except csv.Error as error:
        raise InputError(f"no table of values ({error})") from error
    if not rows:
        raise InputError("the table is empty")
    header = _is_header(rows)
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    names = [cell.strip() for cell in rows[0]] if header else []
    names = [
        name if name and name not in names[:number] else f"column {number + 1}"
        for number, name in enumerate([*names, *[""] * max(0, width - len(names))])
    ]
    body = rows[1:] if header else rows
    return {
        name: [row[number] if number < len(row) else "" for row in body] for number, name in enumerate(names)
    }, header


def _delimiter(text: str) -> str:
    """The sign that parts most rows into the same number of cells; one that nobody types where none does.

    A comma stands in any prose: where rows do not agree, each is one text, commas and all.
    """
    sample = text[: 1 << 16]
    best, most = "\x1f", 0
    for sign in _DELIMITERS:
        try:
            rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=sign) if any(row)][
                :50
            ]
        except csv.Error:
            continue
        width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
        agree = count >= (0.6 if rows and len(rows[0]) == width else 0.9) * len(rows)
        if width > 1 and agree and len(rows) > 1 and count * width > most:
            best, most = sign, count * width
    return best


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row names the columns: short words, none of them a value or a sentence."""
    first = [cell.strip() for cell in rows[0]]
    if any(cell.casefold() in _TEXT_NAMES for cell in first):
        return True
    if any(_VALUE.fullmatch(cell) for cell in first) or len(set(first)) < len(first):
        return False
    if any(len(cell.split()) > 3 or re.search(r"[.!?…,;:”\"]$|[@#]", cell) for cell in first):
        return False
    below = rows[1 : _JUDGED + 1]
    for number in range(len(first)):
        cells = [row[number] for row in below if number < len(row)]
        if cells and _words(cells) >= 3 * len(first[number].split()):
            return True
        if cells and sum(bool(_VALUE.fullmatch(cell)) for cell in cells) > 0.8 * len(cells):
            return True  # a word above numbers
    return False


def _json_columns(text: str) -> tuple[dict[str, list[str]], bool]:
    rows = list(_json_rows(text))
    if all(isinstance(row, str) for row in rows):
        return {"text": [row for row in rows if isinstance(row, str)]}, True
    columns: dict[str, list[str]] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(f"row {number + 1} is no object with names and values")
        for name, value in row.items():
            if isinstance(value, str):
                columns.setdefault(str(name), []).append(value)
    if not columns:
        raise InputError("no text in it: none of its values is one")
    return columns, True


def _json_rows(text: str) -> Iterator[Any]:
    """Yield the rows of JSON lines, or of one array, or of the one array in an object."""
    try:
        if "\n" in text.strip() and (rows := _json_lines(text)):
            yield from rows
            return
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON that can be read ({error})") from error
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list) and value]
        content = lists[0] if len(lists) == 1 and isinstance(lists[0][0], dict | str) else [content]
    yield from content if isinstance(content, list) else [content]


def _json_lines(text: str) -> list[Any] | None:
    """Return a value a line; None where the lines are parts of one value."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            if len(rows) > 1:
                raise InputError(f"line {number} is no JSON ({error})") from error
            return None
    return rows


def _named(columns: dict[str, list[str]], wanted: str) -> str:
    by_name = {name.casefold(): name for name in columns}
    if name := by_name.get(wanted.strip().casefold()):
        return name
    if wanted.isdecimal() and 1 <= int(wanted) <= len(columns):
        return list(columns)[int(wanted) - 1]
    raise UsageError(f"there is no column {wanted!r}", hint=f"It has: {', '.join(columns)}.")


def _found(columns: dict[str, list[str]]) -> str:
    """Return the column of texts: by its name, else the one with by far the most words."""
    words = {
        name: _words(cells[:_JUDGED]) for name, cells in columns.items() if _holds_texts(cells[:_JUDGED])
    }
    if not words:
        raise InputError(
            f"no column of texts among {', '.join(list(columns)[:8])}",
            hint="Name the one to read: --column NAME (or its number).",
        )
    named = [name for name in words if name.casefold() in _TEXT_NAMES]
    if len(named) == 1:
        return named[0]
    first, *others = sorted(words, key=lambda name: -words[name])
    if others and words[others[0]] > _ALIKE * words[first]:
        raise InputError(
            f"several columns hold texts: {', '.join(sorted(words, key=list(columns).index))}",
            hint="Name the one to read: --column NAME (or its number).",
        )
    return first


def _holds_texts(cells: Sequence[str]) -> bool:
    """Return whether most cells hold words, and not ids, dates, numbers or addresses."""
    full = [cell.strip() for cell in cells if cell.strip()]
    return bool(full) and sum(not _VALUE.fullmatch(cell) for cell in full) > 0.5 * len(full)


def _words(cells: Sequence[str]) -> float:
    """Words in a cell, on average; a character of a script without spaces counts for half a word."""
    full = [cell for cell in cells if cell.strip()]
    wide = sum("\u2e80" <= c <= "\uffef" for cell in full for c in cell)
    return (sum(len(cell.split()) for cell in full) + wide / 2) / len(full) if full else 0.0
