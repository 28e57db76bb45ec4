"""How much of a text is copied word for word from the corpus, as it trains: one book is memorised fast.

Lighter than `mckennabot.originality`, which also says where from: 4 bytes a word, no index to build.

>>> corpus = Words("the sea is awake and the river dreams".split())
>>> corpus.compare("he says the sea is awake tonight".split(), gram=3)
Copied(longest=4, share=0.4)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mckennabot.corpus import SEPARATOR
from mckennabot.finetune.data import Tokens
from mckennabot.originality import words
from mckennabot.tokenizer import Tokenizer

GRAM = 8
TOKENS_AT_A_TIME = 1 << 16
COMPARED_TOKENS = 4_000_000
"""How much of a corpus samples are compared with; more takes minutes, and is not memorised."""


@dataclass(frozen=True)
class Copied:
    """What a text shares with the corpus.

    Attributes:
        longest: words in the longest run that stands in the corpus too.
        share: how many of the text's 8-grams (runs of 8 words) stand in the corpus, 0 to 1.
    """

    longest: int
    share: float


class Words:
    """A corpus as word numbers, 4 bytes each."""

    def __init__(self, words: Iterable[str]) -> None:
        numbers: dict[str, int] = {}
        self._words = np.fromiter((numbers.setdefault(w, len(numbers)) for w in words), np.int32)
        self._numbers = numbers

    @classmethod
    def of_tokens(cls, tokens: Tokens, tokenizer: Tokenizer) -> Words:
        """The words that the tokens spell, compared as `mckennabot.originality` does."""
        return cls(_words(tokens, tokenizer))

    def compare(self, text: Sequence[str], gram: int = GRAM) -> Copied:
        """Measure a text given as words."""
        ending = np.zeros(len(self._words) + 1, np.int32)  # [p]: length of the match that ends before p
        before = np.zeros(0, np.int64)
        lengths = []
        for word in text:
            number = self._numbers.get(word)
            here = np.zeros(0, np.int64) if number is None else np.flatnonzero(self._words == number)
            runs = ending[here] + 1
            ending[before] = 0
            before = here + 1
            ending[before] = runs
            lengths.append(int(runs.max(initial=0)))
        grams = max(0, len(text) - gram + 1)
        copied = sum(length >= gram for length in lengths)
        return Copied(longest=max(lengths, default=0), share=copied / grams if grams else 0.0)


def _words(tokens: Tokens, tokenizer: Tokenizer) -> Iterator[str]:
    rest = ""
    for i in range(0, len(tokens), TOKENS_AT_A_TIME):
        # A character of several bytes that is cut in two here is one word that never matches.
        text = rest + tokenizer.decode(tokens[i : i + TOKENS_AT_A_TIME].tolist())
        end = max(text.rfind(" "), text.rfind("\n")) + 1
        rest = text[end:]
        yield from split(text[:end])
    yield from split(rest)


def split(text: str) -> Iterator[str]:
    """The words of a text, as they are compared; a boundary between segments is a word of its own."""
    for i, part in enumerate(text.split(SEPARATOR)):
        if i:
            yield SEPARATOR
        for word, _, _ in words(part):
            yield word
