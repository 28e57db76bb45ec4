"""Restores letters that a file maps to private use, from the book's other words.

Some makers of PDFs give the ligatures ff, fi, fl, ffi and ffl code points of their own choice, and lose
with them every "office" and "field" of a book.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from mckennabot.extract.books.characters import PRIVATE
from mckennabot.extract.books.word_lists import RARE, known_words, language_of
from mckennabot.extract.model import Line, Page

_LIGATURES = (
    "fi", "fl", "ff", "ffi", "ffl", "ft", "tt", "ti", "tf", "fj", "Th", "ct", "st", "ch", "ck", "sp",
)  # fmt: skip
_LEAST = 0.6
"""Share of the words with such a character that its letters must make words of the language."""
_AHEAD = 1.5
"""Times as many words as any other letters would make."""
_WORD = re.compile("[^\\W\\d_]*[\ue000-\uf8ff](?:[^\\W\\d_]|[\ue000-\uf8ff])*")
_PLAIN = re.compile(r"[^\W\d_]+")


def restore_letters(pages: list[Page]) -> None:
    """Put letters in place of characters of private use; count those that stay unknown, and drop them."""
    lost = [
        (page, line)
        for page in pages
        for line in page.lines
        if not line.text.isascii() and PRIVATE.search(line.text)
    ]
    if not lost:
        return
    words: Counter[str] = Counter()
    for page in pages:
        for line in page.lines:
            words.update(_PLAIN.findall(PRIVATE.sub(" ", line.text).lower()))
    letters = _letters([line.text for _, line in lost], words)
    for page, line in lost:
        found = PRIVATE.findall(line.text)
        page.repaired += sum(c in letters for c in found)
        page.unknown += sum(c not in letters for c in found)
        _replace(line, letters)


def _letters(texts: list[str], words: Counter[str]) -> dict[str, str]:
    """Return what each character of private use stands for, as far as words show it."""
    listed = known_words(language_of(words, likely=True))
    broken = {word for text in texts for word in _WORD.findall(text)}
    letters: dict[str, str] = {}
    found = True
    while found:
        found = False
        open_words: dict[str, set[str]] = defaultdict(set)
        for word in broken:
            word = "".join(letters.get(c, c) for c in word)
            if len(unknown := set(PRIVATE.findall(word))) == 1:
                open_words[unknown.pop()].add(word.lower())
        for character, members in open_words.items():
            if letter := _letter(character, members, words, listed):
                letters[character] = letter
                found = True
    return letters


def _letter(character: str, members: set[str], words: Counter[str], listed: object) -> str | None:
    """Return the letters that make words of all, or nearly all, in which a character stands."""
    assert isinstance(listed, dict)
    made = {
        letters: sum(
            words[whole] > 0 or listed.get(whole, 0) > RARE
            for whole in (member.replace(character, letters.lower()) for member in members)
        )
        for letters in _LIGATURES
    }
    (best, count), (_, second) = Counter(made).most_common(2)
    return best if count >= _LEAST * len(members) and count >= _AHEAD * second and count else None


def _replace(line: Line, letters: dict[str, str]) -> None:
    text, marks = "", dict(line.marks)
    moved = []
    for at, character in enumerate(line.text):
        if at in marks:
            moved.append((len(text), marks[at]))
        text += letters.get(character, "") if PRIVATE.match(character) else character
    moved += [(len(text), mark) for at, mark in line.marks if at >= len(line.text)]
    line.text, line.marks = " ".join(text.split()), tuple(moved)
