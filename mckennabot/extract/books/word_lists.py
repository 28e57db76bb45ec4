"""Recognise the language of a book, and load the list of its words.

Without a list a book is read all the same: its own words then decide alone.
"""

from __future__ import annotations

import gzip
import json
import pkgutil
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

RARE = 50
"""The lowest frequency in the lists, at which they have many typing errors and scraps of words."""

_LANGUAGES = {
    "en": "the and of that was",
    "de": "und der die das nicht",
    "fr": "et les des une dans",
    "es": "el los una que por",
    "pt": "uma que os não em",
    "it": "il che di una per",
    "nl": "het een van dat niet",
}
"""The words by which a language is known: all of them stand in any book in it."""


def language_of(words: Counter[str], *, likely: bool = False) -> str:
    """Return the language of a book by its most usual words, as a two-letter code; "" if it is not known.

    Args:
        words: counts of its words, in lower case.
        likely: return the likeliest one for a text too short to have all the usual words.
    """
    # The rarest of the usual words decides: "die" alone is English as well as German.
    shares = {name: min(words[word] for word in usual.split()) for name, usual in _LANGUAGES.items()}
    language = max(shares, key=lambda name: shares[name])
    if shares[language]:
        return language
    sums = {name: sum(words[word] for word in usual.split()) for name, usual in _LANGUAGES.items()}
    language = max(sums, key=lambda name: sums[name])
    return language if likely and sums[language] else ""


@lru_cache(maxsize=2)
def known_words(language: str) -> Mapping[str, int]:
    """Return the words of a language with their frequencies; nothing if there is no list that can be read.

    The lists are data files of pyspellchecker, which has no function that returns them: a release that moves
    them costs the lists, not the book.
    """
    if not language:
        return {}
    try:
        packed = pkgutil.get_data("spellchecker", f"resources/{language}.json.gz")
        found = json.loads(gzip.decompress(packed)) if packed else {}
    except (OSError, ImportError, ValueError, EOFError):
        return {}
    return found if isinstance(found, dict) else {}
