r"""Read tables of texts, one to a row: find the column of a CSV or JSON file that holds them.

Tweets, chats and data sets come as tables in which a date or an id stands before the text. The column is
found by what its cells hold, or named by the user, and always reported:

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
_JSON = (".json", ".jsonl", ".ndjson")
_JUDGED = 500
"""Rows to judge columns by."""
_DELIMITERS = ",;\t|"
_NO_DELIMITER = "\x1f"
"""A delimiter that nobody types, for files in which each line is one text, commas and all."""
_SAMPLE, _SAMPLE_ROWS = 1 << 16, 50
"""Characters and rows to find the delimiter in."""
_AGREE, _AGREE_WITHOUT_HEADER = 0.6, 0.9
"""Share of rows with the same number of cells: if the first row has it too, as a header does, and if not."""
_NAME_WORDS = 3
"""Words of a column's name."""
_LONGER = 3
"""Times that the cells of a column of texts have the words of its name."""
_NUMBERS = 0.8
"""Share of the cells below a name that are values, in a column of numbers."""
_TEXTS = 0.5
"""Share of the cells in a column of texts that are not values."""
_MOST_NAMED = 8
"""Columns to list in an error."""
# Names that the column of texts bears in exports and data sets.
_TEXT_NAMES = frozenset((
    "text", "texts", "full_text", "content", "contents", "body", "selftext", "transcript", "utterance",
    "tweet", "message", "comment", "post", "caption", "review", "quote", "quotes", "speech",
    "sentence", "lyrics", "poem", "poems", "paragraph", "story", "article", "document",
))  # fmt: skip
_VALUE = re.compile(
    r"[-+]?[\d.,:%/\s-]*\d[\d.,:%/\s-]*|\d{4}-\d\d-\d\d[T ].*|\w{3} \w{3} \d\d .*|https?://\S+|[\w.+-]+@[\w.-]+|"
    r"\w{3,9}\.? \d{1,2},? \d{4}.*|true|false|null|none|nan|[0-9a-f-]{16,}|\W*",
    re.IGNORECASE,
)
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Halves of characters, which JSON can spell and text cannot hold."""
_ALIKE = 0.5
"""A second column with this share of the words of the first makes the choice unclear."""


@dataclass(frozen=True)
class Table:
    """A column of texts.

    Attributes:
        texts: the text of each row that has one.
        column: the name of the column, or "column 2" without a header.
        columns: the names of all columns.
        header: whether the first row was taken for names.
    """

    texts: list[str]
    column: str
    columns: list[str]
    header: bool

    def chosen(self) -> str:
        """Return a sentence that tells the user which column was chosen."""
        others = [name for name in self.columns if name != self.column]
        said = f"reads the column {self.column!r}" if self.header else f"reads {self.column}"
        if others:
            said += f", not {', '.join(others)} (--column chooses another)"
        return said + ("" if self.header else "; the first row is a text, not a header")


def read_table(text: str, suffix: str, column: str | None = None) -> Table:
    """Read the texts of a table.

    Args:
        text: the file's content.
        suffix: one of `SUFFIXES`.
        column: a column's name, or its number from 1; None finds the one that holds texts.

    Raises:
        InputError: it is not a table, has no column of texts, or several that may be it.
        UsageError: it does not have that column.
    """
    columns, header = _json_columns(text) if suffix in _JSON else _csv_columns(text)
    name = _named(columns, column) if column else _found(columns)
    whole = (_SURROGATE.sub("\ufffd", cell) for cell in columns[name])
    texts = [cell.replace("\r\n", "\n").replace("\r", "\n").strip() for cell in whole]
    return Table([text for text in texts if text], shown(name), [shown(column) for column in columns], header)


def timed_rows(text: str, suffix: str) -> list[tuple[float, float, str]] | None:
    """Read a table in which each text has a start and an end, as speech recognition programs write it.

    Returns:
        Start and end in seconds and the text of each row; None for any other table.
    """
    try:
        if suffix in _JSON:
            rows = [row for row in _json_rows(text) if isinstance(row, dict)]
        else:
            columns, _ = _csv_columns(text)
            rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        scale = 1000.0 if suffix == ".tsv" else 1.0  # Whisper's .tsv counts milliseconds
        return [(float(r["start"]) / scale, float(r["end"]) / scale, str(r["text"])) for r in rows] or None
    except (InputError, KeyError, TypeError, ValueError):
        return None


def _csv_columns(text: str) -> tuple[dict[str, list[str]], bool]:
    """Return the cells of each column by its name, and whether the first row is a header."""
    # A chapter in a cell is longer than the module's default limit of 128 KiB.
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
    """Return the delimiter that splits most rows into the same number of cells.

    Prose has commas too: if rows do not agree, each is one text.
    """
    sample = text[:_SAMPLE]
    best, most = _NO_DELIMITER, 0
    for sign in _DELIMITERS:
        try:
            reader = csv.reader(io.StringIO(sample, newline=""), delimiter=sign)
            rows = [row for row in reader if any(row)][:_SAMPLE_ROWS]
        except csv.Error:
            continue
        width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
        agree = count >= (_AGREE if rows and len(rows[0]) == width else _AGREE_WITHOUT_HEADER) * len(rows)
        if width > 1 and agree and len(rows) > 1 and count * width > most:
            best, most = sign, count * width
    return best


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row names the columns: short words, none of them a value or a sentence."""
    first = [cell.strip() for cell in rows[0]]
    # A usual name settles it, even above short texts.
    if any(cell.casefold() in _TEXT_NAMES for cell in first):
        return True
    if any(_VALUE.fullmatch(cell) for cell in first) or len(set(first)) < len(first):
        return False
    if any(len(cell.split()) > _NAME_WORDS or re.search(r"[.!?…,;:”\"]$|[@#]", cell) for cell in first):
        return False
    below = rows[1 : _JUDGED + 1]
    for number in range(len(first)):
        cells = [row[number] for row in below if number < len(row)]
        if cells and _words(cells) >= _LONGER * len(first[number].split()):
            return True
        if cells and sum(bool(_VALUE.fullmatch(cell)) for cell in cells) > _NUMBERS * len(cells):
            return True  # a word above numbers
    return False


def _json_columns(text: str) -> tuple[dict[str, list[str]], bool]:
    """Return the values of each name that are text, and True, since JSON names them."""
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
    """Yield the rows of JSON lines, or of one array, or of the only array in an object."""
    try:
        if "\n" in text.strip() and (rows := _json_lines(text)):
            yield from rows
            return
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON that can be read ({error})") from error
    if isinstance(content, dict):
        # Exports wrap their rows, as in {"messages": [...]}.
        lists = [value for value in content.values() if isinstance(value, list) and value]
        content = lists[0] if len(lists) == 1 and isinstance(lists[0][0], dict | str) else [content]
    yield from content if isinstance(content, list) else [content]


def _json_lines(text: str) -> list[Any] | None:
    """Return one value per line; None if the lines are parts of one value."""
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
    """Return the name of the column that the user named or numbered."""
    by_name = {name.casefold(): name for name in columns}
    if name := by_name.get(wanted.strip().casefold()):
        return name
    if wanted.isdecimal() and 1 <= int(wanted) <= len(columns):
        return list(columns)[int(wanted) - 1]
    raise UsageError(f"there is no column {wanted!r}", hint=f"It has: {', '.join(columns)}.")


def _found(columns: dict[str, list[str]]) -> str:
    """Return the name of the column of texts: a usual one, else that with by far the most words."""
    words = {
        name: _words(cells[:_JUDGED]) for name, cells in columns.items() if _holds_texts(cells[:_JUDGED])
    }
    if not words:
        raise InputError(
            f"no column of texts among {', '.join(list(columns)[:_MOST_NAMED])}",
            hint="Name the one to read: --column NAME (or its number).",
        )
    named = [name for name in words if name.casefold() in _TEXT_NAMES]
    if len(named) == 1:
        return named[0]
    first, *others = sorted(words, key=lambda name: -words[name])
    # Questions and answers, or two translations: only the user knows which.
    if others and words[others[0]] > _ALIKE * words[first]:
        raise InputError(
            f"several columns hold texts: {', '.join(sorted(words, key=list(columns).index))}",
            hint="Name the one to read: --column NAME (or its number).",
        )
    return first


def _holds_texts(cells: Sequence[str]) -> bool:
    """Return whether most cells hold words, and not ids, dates, numbers or addresses."""
    full = [cell.strip() for cell in cells if cell.strip()]
    return bool(full) and sum(not _VALUE.fullmatch(cell) for cell in full) > _TEXTS * len(full)


def _words(cells: Sequence[str]) -> float:
    """Return the average number of words in a cell; a Chinese or Japanese character counts as half a word."""
    full = [cell for cell in cells if cell.strip()]
    wide = sum("\u2e80" <= c <= "\uffef" for cell in full for c in cell)
    return (sum(len(cell.split()) for cell in full) + wide / 2) / len(full) if full else 0.0
