"""Words that a line's end has cut: whether the hyphen was the typesetter's or the author's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property

from mckennabot.extract.books.characters import SOFT_HYPHEN
from mckennabot.extract.books.word_lists import RARE, known_words, language_of

_WORD = re.compile(r"[^\W\d_]+(?:[-\u2019'][^\W\d_]+)*")
_CUT = re.compile(r"([^\W\d_][\w\u2019']*(?:-[\w\u2019']+)*)[-\u00ad]$")
_FIRST = re.compile(r"[^\W\d_]+(?:[-\u2019'][^\W\d_]+)*")
_LONGEST = 80
"""Letters at a line's end in which a cut word is looked for."""
_ONE_LETTER_WORDS = {"de": "", "nl": "u", "fr": "aày", "es": "aeouy", "pt": "aeoé", "it": "aeio"}
"""By language; in others, those of English."""


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
                self._words.update(dict.fromkeys(parts, count))
                self._parts.update((f"{parts[0]}-", f"-{parts[-1]}"))

    def join(self, first: str, second: str) -> str:
        """Two pieces of a paragraph as one text, with a space or a word made whole between them."""
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
        """A drop cap and the text beside it: one word, or a word of one letter and the next."""
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
        """Whether a hyphen stands for what a later word says, as in hin- und hergehen."""
        joins = rest in ("und", "oder", "bis", "et", "ou") or (stem.islower() and rest in ("and", "or"))
        return joins and not self._is_word((stem + rest).lower())

    def _is_compound(self, stem: str, rest: str) -> bool:
        """Whether the hyphen belongs to the word."""
        if rest[0].isupper() and not stem.isupper():
            return True
        if rest.islower() and ((len(stem) > 1 and stem.isupper()) or any(c.isdigit() for c in stem)):
            return True  # an abbreviation: FM-radio, p2p-network
        is_name = stem[0].isupper() and not stem.isupper() and not self._is_word(stem.lower())
        stem, rest = stem.lower(), rest.lower()
        whole, hyphenated = self._occurs(stem + rest), self._occurs(f"{stem}-{rest}")
        if whole or hyphenated:
            return hyphenated > whole
        if not self._cuts_words():
            return True
        last = re.split(r"[-\u2019']", stem)[-1] or stem
        head = re.split(r"[-\u2019']", rest)[0]
        if _is_linked(stem, last, rest) and not self._is_word(last + head, RARE):
            return True
        if self._language == "fr" and head in _FRENCH_PRONOUNS:
            return not self._is_word(last + head, RARE)
        if is_name or not self._known or self._language in _SOLID_COMPOUNDS:
            return False
        shortest = min(len(last), len(head))
        if self._is_word(last + head) and (
            shortest < 4 or head in _ENDINGS or self._is_word(last + head, RARE)
        ):
            return self._likes_hyphen(last, head)
        if shortest < (3 if self._language == "fr" else 2):
            return False
        return self._is_word(last, RARE) and self._is_word(head, RARE)

    def _cuts_words(self) -> bool:
        """Whether the typesetter cuts words at all: then many of the pieces are no words."""
        if self._typeset is None:
            broken = sum(not (self._is_word(stem) and self._is_word(rest)) for stem, rest in self._cuts)
            self._typeset = broken > 0.35 * len(self._cuts)
        return self._typeset

    def _occurs(self, word: str) -> int:
        """How often the book has a word, in the singular or the plural."""
        other = word[:-1] if word.endswith("s") else f"{word}s"
        return self._words[word] + self._words[other]

    def _likes_hyphen(self, first: str, second: str) -> bool:
        """Whether the book writes more compounds of these parts with a hyphen than without."""
        with_hyphen = self._parts[f"{first}-"] + self._parts[f"-{second}"]
        return with_hyphen > 0 and with_hyphen > sum(
            "-" not in word
            and word not in (first, second)
            and (word.startswith(first) or word.endswith(second))
            for word in self._words
        )

    def _is_word(self, word: str, above: int = 0) -> bool:
        """Whether the book, or a list of its language's words, has this one."""
        return self._words[word] > 0 or self._known.get(word, 0) > above

    @cached_property
    def _language(self) -> str:
        """The language in which the book is written, "" where that is not known."""
        return language_of(self._words)

    @cached_property
    def _known(self) -> Mapping[str, int]:
        """A list of its language's words."""
        return known_words(self._language)


_SOLID_COMPOUNDS = ("de", "nl", "es", "it")
"""Languages whose compounds hardly ever have a hyphen before a small letter."""
_ENDINGS = (
    "able",
    "ably",
    "ance",
    "ence",
    "ible",
    "less",
    "ment",
    "ments",
    "ness",
    "ship",
    "some",
    "ward",
    "wise",
)
"""Syllables at the ends of words that are words too, or look like some."""
_FRENCH_PRONOUNS = ("il", "elle", "on", "ils", "elles", "je", "tu", "nous", "vous", "là", "ci")


def _is_linked(stem: str, last: str, rest: str) -> bool:
    """Whether pieces of a word are such as stand between hyphens: vis-à-vis, mother-in-law, heart's-ease."""
    return (
        stem.endswith(("'s", "\u2019s", "s'", "s\u2019"))
        or rest[1:2] == "-"
        or ("-" in stem and len(last) < 4)
    )


_ADDRESS = re.compile(r"(?:https?://|ftp://|www\.)[^\s<>\"\u201c\u201d]*$", re.IGNORECASE)
_ADDRESS_GOES_ON = re.compile(r"[^\s]*[./_=&?#%~+\d-][^\s]*[^\s.,;:!?)]")
_DOMAIN = re.compile(r"(?:com|org|net|edu|gov|info|html?|pdf|php|txt|py|[a-z]{2})(?:/\S*)?(?=[\s.,;:)]|$)")


def _continues_address(first: str, second: str) -> bool:
    """Whether an address of the web at the end of a line goes on in the next one."""
    end = first[-400:]
    if "://" not in end and "www." not in end.lower():
        return False
    address = _ADDRESS.search(end)
    if not address or not second:
        return False
    if second[0] in "/?#=&%~_":
        return True
    if address[0][-1] == ".":
        return bool(_DOMAIN.match(second))
    return address[0][-1] in "/-_=&?#%~+" and bool(_ADDRESS_GOES_ON.match(second))


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
