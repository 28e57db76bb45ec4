"""The same text in two sources: a lecture in two collections, a book in PDF and in EPUB.

Every run of `SHINGLE` words is reduced to a number; a chapter most of whose numbers another source has is the
same chapter, however it was typeset. Case, punctuation and hyphens do not count (`originality.words`).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mckennabot.corpus import Segment
from mckennabot.originality import words

SHINGLE = 8
"""Words in a row that two texts hardly ever share by chance."""
KEPT = 4
"""Of the numbers, only those that this divides are compared: a quarter says the same of a chapter."""
LEAST = 5
"""Numbers that a chapter needs for a judgement; a heading, or an epigraph, may well stand twice."""
SAME = 0.5
"""Share of its numbers from which on a chapter is the same: a misread word spoils eight of them."""


@dataclass(frozen=True)
class Repeated:
    """A chapter that another source has too.

    Attributes:
        segment: its number in its source, from 0.
        other: the number of the source that keeps it.
    """

    segment: int
    other: int


def find_repeats(sources: Sequence[Sequence[Segment]]) -> list[list[Repeated]]:
    """For each source, its chapters that an earlier one has as well.

    Args:
        sources: segments of each, the one to keep first.
    """
    owner: dict[int, int] = {}
    found: list[list[Repeated]] = []
    for number, segments in enumerate(sources):
        repeated: list[Repeated] = []
        own: set[int] = set()
        for position, segment in enumerate(segments):
            shingles = set(_shingles(segment))
            owners = [owner[shingle] for shingle in shingles if shingle in owner]
            if len(shingles) >= LEAST and len(owners) > SAME * len(shingles):
                repeated.append(Repeated(position, max(set(owners), key=owners.count)))
            else:
                own |= shingles
        for shingle in own:
            owner.setdefault(shingle, number)
        found.append(repeated)
    return found


def _shingles(segment: Segment) -> Iterator[int]:
    spelt = [key for paragraph in segment for key, _, _ in words(paragraph)]
    for i in range(len(spelt) - SHINGLE + 1):
        number = zlib.crc32(" ".join(spelt[i : i + SHINGLE]).encode("utf-8", "surrogatepass"))
        if number % KEPT == 0:
            yield number
