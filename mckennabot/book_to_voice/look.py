"""A look at what was read, before anything is learnt from it: how much it is, what it is, and whose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mckennabot.book_to_voice.authors import are_one, author_of
from mckennabot.book_to_voice.library import Library
from mckennabot.errors import InputError
from mckennabot.extract.books.word_lists import language_of
from mckennabot.language import is_english

LEAST_WORDS = 1_000
"""Fewer than this and there is nothing to learn but the text itself."""
FEW_WORDS = 8_000
"""Below this a voice is faint, and the text's own words are many of what the model writes."""
LEAST_LETTERS = 0.8
"""Of the characters that are no white space; prose has nine in ten, tables and code far fewer."""
WORDS_PER_SENTENCE = 80
"""More words than this between full stops are no sentences: lists, verse without stops, an index."""

_LANGUAGES = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "pt": "Portuguese",
    "it": "Italian",
    "nl": "Dutch",
}
_SENTENCE_END = re.compile(r"[.!?…。！？।؟]")


@dataclass(frozen=True)
class Look:
    """What the text is.

    Attributes:
        words, chapters: how many there are.
        english: whether `small` knows its language.
        language: its name; "" where that is not known.
        warnings: what the user should know before spending time on it.
    """

    words: int
    chapters: int
    english: bool
    language: str
    warnings: list[str]


def look_at(library: Library) -> Look:
    """Look at all texts together.

    Raises:
        InputError: there is too little to learn from.
    """
    words = library.words
    if words < LEAST_WORDS:
        raise InputError(
            f"too short to learn a voice from: {words:,} words, and it takes {LEAST_WORDS:,} at least",
            path=library.texts[0].source if len(library.texts) == 1 else None,
            hint=f"Add more by the same author: mckennabot voice SOURCE SOURCE …; from {FEW_WORDS:,} words "
            "on there is a voice.",
        )
    sample = _sample(library)
    language = language_of(library.counts)
    english = is_english(sample)
    return Look(
        words=words,
        chapters=sum(len(text.segments) for text in library.texts),
        english=english,
        language="English" if english else _LANGUAGES.get(language, ""),
        warnings=list(_warnings(library, words, sample)),
    )


def _sample(library: Library, most: int = 200_000) -> str:
    """Paragraphs from everywhere in the texts, about so many characters of them."""
    paragraphs = [p for text in library.texts for segment in text.segments for p in segment]
    every = max(1, sum(map(len, paragraphs)) // most)
    return "\n".join(paragraphs[::every])


def _warnings(library: Library, words: int, sample: str) -> Iterator[str]:
    if words < FEW_WORDS:
        yield (
            f"{words:,} words are few: expect the author's words more than the author's voice. "
            f"From {FEW_WORDS:,} on it gets better."
        )
    solid = re.sub(r"\s+", "", sample)
    letters = sum(character.isalpha() for character in solid) / max(1, len(solid))
    sentences = len(_SENTENCE_END.findall(sample))
    if letters < LEAST_LETTERS:
        yield (
            f"This is hardly prose: only {letters:.0%} of its characters are letters, as in tables or code. "
            "The model will write such things."
        )
    elif len(sample.split()) > WORDS_PER_SENTENCE * max(1, sentences):
        yield "This is hardly prose: it has next to no sentences, like a list. The model will write such."
    yield from _other_authors(library)
    yield from _strangers(library)


def _other_authors(library: Library) -> Iterator[str]:
    """Yield the sources whose files name someone else than the first one that names anyone."""
    named = [(text.source.name, author) for text in library.texts if (author := author_of(text.source))]
    for name, author in named[1:]:
        if not are_one(author, named[0][1]):
            yield (
                f"{named[0][0]} names {named[0][1]} as its author, and {name} {author}: one model is one "
                "voice, and of two authors it becomes neither."
            )


def _strangers(library: Library) -> Iterator[str]:
    """Sources in another language than most."""
    languages = [language_of(Library([text], []).counts, likely=True) for text in library.texts]
    written: Counter[str] = Counter()
    for text, language in zip(library.texts, languages, strict=True):
        written[language] += text.words
    usual = written.most_common(1)[0][0]
    for text, language in zip(library.texts, languages, strict=True):
        if language != usual and usual and language and text.words >= LEAST_WORDS:
            yield (
                f"{text.source.name} seems to be {_LANGUAGES[language]} among {_LANGUAGES[usual]} texts: "
                "one model, one voice, one language does best."
            )
