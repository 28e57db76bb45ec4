"""Words that a line's end has cut: whether the hyphen was the typesetter's or the author's."""

from __future__ import annotations

import gzip
import json
import pkgutil
import re
from collections import Counter
from collections.abc import Container, Iterable

from mckennabot.extract.unicode import SOFT_HYPHEN

_WORD = re.compile(r"[^\W\d_]+(?:[-\u2019'][^\W\d_]+)*")
_CUT = re.compile(r"([^\W\d_][\w\u2019']*(?:-[\w\u2019']+)*)[-\u00ad]$")
_FIRST = re.compile(r"[^\W\d_]+(?:[-\u2019'][^\W\d_]+)*")
_LONGEST = 80
"""Letters at a line's end in which a cut word is looked for."""
_ONE_LETTER_WORDS = "aioyeà"


class Hyphens:
    """Joins cut words by what the rest of the book makes of them.

    Attributes:
        joined, kept: cut words made whole, and those that kept their hyphen.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        """Learn the book's words from its lines, leaving out what their ends have cut."""
        self.joined: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self._words: Counter[str] = Counter()
        self._known: Container[str] | None = None
        cut_before = False
        for line in lines:
            words = _WORD.findall(line.replace(SOFT_HYPHEN, "-") if SOFT_HYPHEN in line else line)
            cut = line.endswith(("-", SOFT_HYPHEN))
            if words and cut_before:
                words = words[1:]
            self._words.update(word.lower() for word in (words[:-1] if cut else words))
            cut_before = cut
        for word, count in list(self._words.items()):
            if "-" in word:
                self._words.update(dict.fromkeys(word.split("-"), count))

    def join(self, first: str, second: str) -> str:
        """Two pieces of a paragraph as one text, with a space or a word made whole between them."""
        cut = first.endswith(("-", SOFT_HYPHEN))
        match = _CUT.search(first[-_LONGEST:]) if cut else None
        following = _FIRST.match(second) if cut else None
        if not match or not following:
            return f"{first.rstrip(SOFT_HYPHEN)}{'' if _close(first, second) else ' '}{second}"
        stem, rest = match[1], following[0]
        whole = f"{first[-1 - len(stem) : -1]}{rest}".lower()
        if first[-1] == SOFT_HYPHEN or not self._is_compound(stem, rest):
            self.joined[whole] += 1
            return first[:-1] + second
        self.kept[f"{stem}-{rest}".lower()] += 1
        return f"{first[:-1]}-{second}"

    def begin(self, initial: str, text: str) -> str:
        """A drop cap and the text beside it: one word, or a word of one letter and the next."""
        if not initial or not text:
            return initial + text
        following = _FIRST.match(text)
        letter = initial[-1].lower()
        if following and letter in _ONE_LETTER_WORDS:
            word = following[0].lower()
            if self._words[word] > self._words[letter + word]:
                return f"{initial} {text}"
        return initial + text

    def _is_compound(self, stem: str, rest: str) -> bool:
        """Whether the hyphen belongs to the word."""
        if rest[0].isupper():
            return not stem.isupper()
        words = self._words
        is_name = stem[0].isupper() and not self._words[stem.lower()] and not self._is_word(stem.lower())
        stem, rest = stem.lower(), rest.lower()
        whole, hyphenated = words[stem + rest], words[f"{stem}-{rest}"]
        if whole or hyphenated:
            return hyphenated > whole
        last = stem.rsplit("-", 1)[-1]
        head = re.split(r"[-\u2019']", rest)[0]
        if stem.endswith(("'", "\u2019")):
            return True
        if is_name or words[last + head] or self._is_word(last + head):
            return False
        return all(len(part) > 1 and (words[part] > 0 or self._is_word(part)) for part in (last, head))

    def _is_word(self, word: str) -> bool:
        """Whether a list of the language's words has this one."""
        if self._known is None:
            self._known = _word_list(self._words)
        return word in self._known


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


def _word_list(book: Counter[str]) -> Container[str]:
    """The words of the language in which a book is written; none where that is not known."""
    shares = {language: min(book[word] for word in words.split()) for language, words in _LANGUAGES.items()}
    language = max(shares, key=lambda name: shares[name])
    if not shares[language]:
        return ()
    packed = pkgutil.get_data("spellchecker", f"resources/{language}.json.gz")
    words: Container[str] = json.loads(gzip.decompress(packed)) if packed else ()
    return words


def _close(first: str, second: str) -> bool:
    """Whether no space goes between two lines: after a dash, or between letters of scripts without spaces."""
    if not first or not second:
        return True
    if first[-1] in "\u2014-" or (first.endswith("\u2013") and not first.endswith(" \u2013")):
        return not first.endswith((" \u2014", " -"))
    return (second[0] == "\u2014" and not second.startswith("\u2014 ")) or (
        _spaceless(first[-1]) and _spaceless(second[0])
    )


def _spaceless(character: str) -> bool:
    return (
        "\u2e80" <= character <= "\ua4cf"
        or "\uf900" <= character <= "\ufaff"
        or "\uff00" <= character <= "\uffef"
    )
