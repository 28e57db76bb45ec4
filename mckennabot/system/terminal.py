r"""What may be sent to a terminal, and how a name is written in a line for people.

Books, models and file names are other people's: an escape sequence in them could clear the screen, set
the window's title or retype a command. On a terminal such characters are shown and not sent; files and
pipes get the text as it is.

    >>> printable("The end\x1b[2J")
    'The end\\x1b[2J'
    >>> shown("two\nlines.txt")
    'two\\nlines.txt'
    >>> quoted("my book.pdf"), quoted("a\x07b")
    ("'my book.pdf'", "$'a\\x07b'")
"""

from __future__ import annotations

import itertools
import os
import re
import select
import shlex
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TextIO

# C0 but tab and newline, DEL, C1, the bidirectional overrides and isolates, lone surrogates.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """The text with every character that would command the terminal spelled out."""
    return _UNSAFE.sub(lambda match: repr(match[0])[1:-1], text)


def shown(name: Path | str) -> str:
    """A name or path on one line, whatever it is made of."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(name))


def quoted(name: Path | str) -> str:
    """A name or path as a shell takes it, for commands that a message suggests."""
    if shown(name) == str(name):
        return shlex.quote(str(name))
    escaped = "".join(c if c.isprintable() and c not in "'\\" else _escape(c) for c in str(name))
    return f"$'{escaped}'"


def _escape(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person reads the stream; a closed stream, or none, is no terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def write_stdout(text: str) -> None:
    """Write a command's product; on a terminal, controls in it are shown and not sent."""
    sys.stdout.write(printable(text) if is_terminal(sys.stdout) else text)
    sys.stdout.flush()


def aligned(rows: Sequence[Sequence[str]], right: Collection[str]) -> list[str]:
    """Lines of a table, its columns two spaces apart.

    Args:
        rows: cells; the first row has the columns' names.
        right: names of the columns that are set to the right, as numbers are.

    >>> aligned([("NAME", "STEP"), ("run1", "7")], right=["STEP"])
    ['NAME  STEP', 'run1     7']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(rows[0], row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def is_waiting(terminal: TextIO, seconds: float) -> bool:
    """Whether a terminal's next line is there within some seconds; False where that cannot be known."""
    try:
        return bool(select.select([terminal], [], [], seconds)[0])
    except (OSError, ValueError):  # Windows waits for sockets only
        return False


def takes_colour(stream: TextIO) -> bool:
    """Whether to use colours: on terminals, unless NO_COLOR is set or the terminal is a dumb one."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


_BLOCKS = "▁▂▃▄▅▆▇█"
SPARKLINE = 12
"""Characters of a sparkline; more leave a terminal of 80 columns no room for the bar."""


def sparkline(values: Sequence[float], stream: TextIO | None = None) -> str:
    """The course of a number in a few characters, each the mean of its part of the values.

    Args:
        values: in their order.
        stream: where it is to be shown; "" if that has no such characters, or takes no more than letters.

    >>> sparkline([8, 7, 6, 5, 4, 3, 2, 1])
    '█▇▆▅▄▃▂▁'
    """
    if len(values) < 2 or (stream is not None and not _shows_blocks(stream)):
        return ""
    count = min(len(values), SPARKLINE)
    cuts = [len(values) * i // count for i in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(cuts)]
    low, high = min(means), max(means)
    span = high - low or 1.0
    return "".join(_BLOCKS[round((mean - low) / span * (len(_BLOCKS) - 1))] for mean in means)


def _shows_blocks(stream: TextIO) -> bool:
    if os.environ.get("TERM") == "dumb":
        return False
    try:
        _BLOCKS.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeError, LookupError):
        return False
    return True


def in_words(seconds: float) -> str:
    """A length of time as people say it.

    >>> in_words(7.4), in_words(95), in_words(240), in_words(3700)
    ('7 s', '1 min 35 s', '4 min', '1 h 1 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
