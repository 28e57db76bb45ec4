"""Lists of words by language, and the language of a book; a list that is missing costs no book."""

from __future__ import annotations

import gzip
import json
import pkgutil
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

RARE = 50
"""The lists have many words that are none at this, their lowest, frequency."""

_LANGUAGES = {
    "en": "the and of that was",
    "de": "und der die das nicht",
    "fr": "et les des une dans",
    "es": "el los una que por",
    "pt": "uma que os não em",
    "it": "il che di una per",
    "nl": "het een van dat niet",
}
"""A few words by which a language is known."""


def language_of(words: Counter[str], *, likely: bool = False) -> str:
    """The language that a book's words are written in, "" where that is not known.

    Args:
        words: how often it has each, in lower case.
        likely: name the likeliest one also for a text too short to have all the usual words.
    """
    shares = {name: min(words[word] for word in usual.split()) for name, usual in _LANGUAGES.items()}
    language = max(shares, key=lambda name: shares[name])
    if shares[language]:
        return language
    sums = {name: sum(words[word] for word in usual.split()) for name, usual in _LANGUAGES.items()}
    language = max(sums, key=lambda name: sums[name])
    return language if likely and sums[language] else ""


@lru_cache(maxsize=2)
def known_words(language: str) -> Mapping[str, int]:
    """Words of a language with how frequent they are; none where there is no list, or it cannot be read.

    pyspellchecker has such lists, and no function that gives them out: their place in it may change. Without
    one a book's own words decide alone.
    """
    if not language:
        return {}
    try:
        packed = pkgutil.get_data("spellchecker", f"resources/{language}.json.gz")
        found = json.loads(gzip.decompress(packed)) if packed else {}
    except (OSError, ImportError, ValueError, EOFError):
        return {}
    return found if isinstance(found, dict) else {}
