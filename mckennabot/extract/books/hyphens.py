"""Join words cut at line ends: drop the typesetter's hyphens, and keep the author's.

A book is its own best dictionary: elsewhere it writes most of its words uncut. A list of the language's words
helps with the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property

from mckennabot.extract.books.characters import SOFT_HYPHEN
from mckennabot.extract.books.word_count import is_wide
from mckennabot.extract.books.word_lists import RARE, known_words, language_of

_WORD = re.compile(r"[^\W\d_]+(?:[-\u2019'][^\W\d_]+)*")
_CUT = re.compile(r"([^\W\d_][\w\u2019']*(?:-[\w\u2019']+)*)[-\u00ad]$")
_FIRST = re.compile(r"[^\W\d_]+(?:[-\u2019'][^\W\d_]+)*")
_LONGEST, _LONGEST_ADDRESS = 80, 400
"""Letters at a line's end in which to look for a cut word, and for the address of a web page."""
_CUTS_WORDS = 0.35
"""Share of cut words with a piece that is not a word, from which on the typesetter cuts words; in books set
ragged, which cut none, hyphens at line ends are the author's."""
_FEW_LETTERS = 4
"""Letters below which a piece of a word is an ending or a prefix rather than a part of a compound."""
_LEAST_LETTERS, _LEAST_LETTERS_FRENCH = 2, 3
"""Letters of the parts of a compound that neither the book nor the list has whole."""
_ONE_LETTER_WORDS = {"de": "", "nl": "u", "fr": "aày", "es": "aeouy", "pt": "aeoé", "it": "aeio"}
"""Words of one letter, which a drop cap may be, by language; other languages have those of English, "aio"."""


class Hyphens:
    """Joins cut words as the rest of the book writes them.

    Attributes:
        joined, kept: counts of the cut words that lost their hyphen, and of those that kept it.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        """Learn the book's words from its lines, leaving out those that are cut."""
        self.joined: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self._words: Counter[str] = Counter()
        self._typeset: bool | None = None
        self._cuts: list[tuple[str, str]] = []
        stem = ""
        for line in lines:
            words = [word.lower() for word in _WORD.findall(line.replace(SOFT_HYPHEN, "-"))]
            if words and stem:
                self._cuts.append((stem, words.pop(0)))
            stem = words.pop() if words and line.endswith(("-", SOFT_HYPHEN)) else ""
            self._words.update(words)
        self._parts: Counter[str] = Counter()
        for word, count in list(self._words.items()):
            if "-" in word:
                parts = word.split("-")
                # The parts of compounds are words as well.
                self._words.update(dict.fromkeys(parts, count))
                self._parts.update((f"{parts[0]}-", f"-{parts[-1]}"))

    def join(self, first: str, second: str) -> str:
        """Join two lines of a paragraph, with a space between them, or with a cut word made whole."""
        if _continues_address(first, second):
            return first + second
        cut = first.endswith(("-", SOFT_HYPHEN))
        match = _CUT.search(first[-_LONGEST:]) if cut else None
        following = _FIRST.match(second) if cut else None
        if not match or not following:
            return f"{first.rstrip(SOFT_HYPHEN)}{'' if _close(first, second) else ' '}{second}"
        stem, rest = match[1], following[0]
        if first[-1] != SOFT_HYPHEN and self._is_suspended(stem, rest):
            return f"{first} {second}"
        whole = f"{first[-1 - len(stem) : -1]}{rest}".lower()
        if first[-1] == SOFT_HYPHEN or not self._is_compound(stem, rest):
            self.joined[whole] += 1
            return first[:-1] + second
        self.kept[f"{stem}-{rest}".lower()] += 1
        return f"{first[:-1]}-{second}"

    def begin(self, initial: str, text: str) -> str:
        """Join a drop cap and the text beside it: one word, or a word of one letter and the next."""
        if not initial or not text:
            return initial + text
        following = _FIRST.match(text)
        letter = initial[-1].lower()
        if following and letter in _ONE_LETTER_WORDS.get(self._language, "aio"):
            word = following[0].lower()
            if self._words[word] > self._words[letter + word]:
                return f"{initial} {text}"
        return initial + text

    def _is_suspended(self, stem: str, rest: str) -> bool:
        """Return whether a hyphen stands for the end of a later word, as in hin- und hergehen."""
        joins = rest in ("und", "oder", "bis", "et", "ou") or (stem.islower() and rest in ("and", "or"))
        return joins and not self._is_word((stem + rest).lower())

    def _is_compound(self, stem: str, rest: str) -> bool:
        """Return whether the hyphen belongs to the word.

        Asked in this order, the surest first: capitals and digits; how the book writes it elsewhere; whether
        the book cuts words at all; what always has hyphens; the language's habits; the list of its words.
        """
        # Anglo-Saxon, Jean-Paul; but in capitals, as in titles, any word may be cut.
        if rest[0].isupper() and not stem.isupper():
            return True
        if rest.islower() and ((len(stem) > 1 and stem.isupper()) or any(c.isdigit() for c in stem)):
            return True  # an abbreviation: FM-radio, p2p-network
        # A name that the book does not have in lower case is cut rather than compounded.
        is_name = stem[0].isupper() and not stem.isupper() and not self._is_word(stem.lower())
        stem, rest = stem.lower(), rest.lower()
        whole, hyphenated = self._occurs(stem + rest), self._occurs(f"{stem}-{rest}")
        if whole or hyphenated:
            return hyphenated > whole
        # A book set ragged: its hyphens are all its author's.
        if not self._cuts_words():
            return True
        last = re.split(r"[-\u2019']", stem)[-1] or stem
        head = re.split(r"[-\u2019']", rest)[0]
        if _is_linked(stem, last, rest) and not self._is_word(last + head, RARE):
            return True
        # dit-il, celui-ci.
        if self._language == "fr" and head in _FRENCH_PRONOUNS:
            return not self._is_word(last + head, RARE)
        if is_name or not self._known or self._language in _SOLID_COMPOUNDS:
            return False
        shortest = min(len(last), len(head))
        if self._is_word(last + head) and (
            shortest < _FEW_LETTERS or head in _ENDINGS or self._is_word(last + head, RARE)
        ):
            return self._likes_hyphen(last, head)
        if shortest < (_LEAST_LETTERS_FRENCH if self._language == "fr" else _LEAST_LETTERS):
            return False
        return self._is_word(last, RARE) and self._is_word(head, RARE)

    def _cuts_words(self) -> bool:
        """Return whether the typesetter cuts words at all: if so, many of the pieces are not words."""
        if self._typeset is None:
            broken = sum(not (self._is_word(stem) and self._is_word(rest)) for stem, rest in self._cuts)
            self._typeset = broken > _CUTS_WORDS * len(self._cuts)
        return self._typeset

    def _occurs(self, word: str) -> int:
        """Return how often the book has a word, in the singular or the plural."""
        other = word[:-1] if word.endswith("s") else f"{word}s"
        return self._words[word] + self._words[other]

    def _likes_hyphen(self, first: str, second: str) -> bool:
        """Return whether the book writes more compounds of these parts with a hyphen than without."""
        with_hyphen = self._parts[f"{first}-"] + self._parts[f"-{second}"]
        return with_hyphen > 0 and with_hyphen > sum(
            "-" not in word
            and word not in (first, second)
            and (word.startswith(first) or word.endswith(second))
            for word in self._words
        )

    def _is_word(self, word: str, above: int = 0) -> bool:
        """Return whether the book has a word, or the list of its language has it more often than `above`."""
        return self._words[word] > 0 or self._known.get(word, 0) > above

    @cached_property
    def _language(self) -> str:
        """Language of the book, "" if unknown."""
        return language_of(self._words)

    @cached_property
    def _known(self) -> Mapping[str, int]:
        """Words of its language."""
        return known_words(self._language)


_SOLID_COMPOUNDS = ("de", "nl", "es", "it")
"""Languages whose compounds hardly ever have a hyphen before a small letter: the typesetter put it there."""
_ENDINGS = (
    "able", "ably", "ance", "ence", "ible", "less", "ment", "ments", "ness", "ship", "some", "ward",
    "wise",
)  # fmt: skip
"""Syllables at the ends of words that are words too, or look like some."""
_FRENCH_PRONOUNS = ("il", "elle", "on", "ils", "elles", "je", "tu", "nous", "vous", "là", "ci")


def _is_linked(stem: str, last: str, rest: str) -> bool:
    """Return whether a word of these pieces has hyphens anyway: vis-à-vis, mother-in-law, heart's-ease."""
    return (
        stem.endswith(("'s", "\u2019s", "s'", "s\u2019"))
        or rest[1:2] == "-"
        or ("-" in stem and len(last) < _FEW_LETTERS)
    )


_ADDRESS = re.compile(r"(?:https?://|ftp://|www\.)[^\s<>\"\u201c\u201d]*$", re.IGNORECASE)
_ADDRESS_CONTINUES = re.compile(r"[^\s]*[./_=&?#%~+\d-][^\s]*[^\s.,;:!?)]")
_DOMAIN = re.compile(r"(?:com|org|net|edu|gov|info|html?|pdf|php|txt|py|[a-z]{2})(?:/\S*)?(?=[\s.,;:)]|$)")


def _continues_address(first: str, second: str) -> bool:
    """Return whether the address of a web page at the end of a line continues in the next one."""
    end = first[-_LONGEST_ADDRESS:]
    if "://" not in end and "www." not in end.lower():
        return False
    address = _ADDRESS.search(end)
    if not address or not second:
        return False
    # These continue an address and begin no word.
    if second[0] in "/?#=&%~_":
        return True
    if address[0][-1] == ".":
        return bool(_DOMAIN.match(second))
    return address[0][-1] in "/-_=&?#%~+" and bool(_ADDRESS_CONTINUES.match(second))


def _close(first: str, second: str) -> bool:
    """Return whether two lines join without a space: after a dash, or in a script without spaces."""
    if not first or not second:
        return True
    if first[-1] in "\u2014-" or (first.endswith("\u2013") and not first.endswith(" \u2013")):
        return not first.endswith((" \u2014", " -"))
    return (second[0] == "\u2014" and not second.startswith("\u2014 ")) or (
        is_wide(first[-1]) and is_wide(second[0])
    )
