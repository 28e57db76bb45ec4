"""Lines of typed text: which were wrapped at a margin, and which are lines of verse."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

LONG = 100
"""Characters beyond which nobody wraps by hand."""


def margin(lines: Sequence[str]) -> int:
    """The column at which a text wraps its lines; 0 where it does not wrap them.

    The longest lines tell, but for a few that stick out.
    """
    lengths = sorted(len(line) for line in lines if line)
    if not lengths or lengths[-1 - len(lengths) // 10] > LONG:
        return 0
    return lengths[-1 - len(lengths) // 50]


def joined(lines: Sequence[str], width: int) -> str:
    r"""The lines of a paragraph as one, or those of a stanza as they are.

    A line that ends although the next word had room before the margin was ended on purpose:

    >>> joined(["The lamp is out.", "The hum is not."], 60)
    'The lamp is out.\nThe hum is not.'
    >>> joined(["Nobody considers the lamp, and", "nobody ever has."], 30)
    'Nobody considers the lamp, and nobody ever has.'
    """
    lines = [line.strip() for line in lines]
    return "\n".join(lines) if _is_verse(lines, width) else unwrapped(lines)


def unwrapped(lines: Sequence[str]) -> str:
    """Lines as one, without a space after a dash that the wrap followed."""
    text = ""
    for line in lines:
        close = not text or (text.endswith(("—", "--")) and not text.endswith((" —", " --")))
        text += line if close else f" {line}"
    return text


def _is_verse(lines: Sequence[str], width: int) -> bool:
    if len(lines) < 2:
        return False
    free = _free(lines, width)
    if free < 0.8:
        return False
    capital = sum(line.lstrip("\"'“‘(_*[-—")[:1].isupper() for line in lines) / len(lines)
    longest = max(map(len, lines))
    # A quotation set narrower than the text around it breaks at a margin of its own.
    return capital >= 0.8 or (longest < 0.6 * width and _free(lines, longest) > 0.3 and capital >= 0.4)


def _free(lines: Sequence[str], width: int) -> float:
    """The share of line breaks before which the next word had room."""
    free = [len(a) + 1 + len(b.split(maxsplit=1)[0]) <= width for a, b in pairwise(lines) if b]
    return sum(free) / len(free) if free else 0.0
