"""Count words, in scripts with and without spaces between them."""

from __future__ import annotations

import re

# Han, kana, hangul is spaced; then Thai, Lao, Burmese and Khmer.
_WIDE = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
)
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_LETTERS_A_WORD = 5
"""Letters of a word in these, on average and roughly; counting them exactly would take a dictionary."""


def count_words(text: str) -> int:
    """Count the words between spaces; each Chinese or Japanese character is one, as editors count them.

    >>> count_words("The lamp is out."), count_words("灯塔的守望者。"), count_words("the 灯塔 is")
    (4, 6, 4)
    """
    if text.isascii():
        return len(text.split())
    wide = len(_WIDE.findall(text))
    unspaced = len(_UNSPACED.findall(text)) // _LETTERS_A_WORD
    if not wide and not unspaced:
        return len(text.split())
    rest = _UNSPACED.sub("", _WIDE.sub(" ", text))
    return wide + unspaced + sum(any(c.isalnum() for c in word) for word in rest.split())


def is_wide(character: str) -> bool:
    """Return whether a character fills a square, and is written without spaces around it."""
    return (
        "\u2e80" <= character <= "\ua4cf"
        or "\uf900" <= character <= "\ufaff"
        or "\ufe30" <= character <= "\ufe4f"
        or "\uff00" <= character <= "\uffef"
    )
