"""Finds what a text has copied from the corpus, and which of its words the corpus does not have.

The corpus is kept as an index: its words as numbers, and a suffix array, the positions of all words sorted
by the words that follow. A bisection finds the longest match at each word of a text. Both arrays are linear
in the corpus, and 1 M words take a second or two. (Libraries for suffix arrays sort bytes, and a word has
several.)

Case and punctuation do not count: ``Don't`` and ``dont`` are one word, so are ``Self-Made`` and
``selfmade``.
"""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckennabot.corpus import Segment
from mckennabot.errors import ModelError
from mckennabot.models.checkpoint import ModelDir
from mckennabot.places import Spot
from mckennabot.system.files import replacing
from mckennabot.system.stored import damaged, read_arrays

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int32]

FILE = "originality.npz"
_ARRAYS = {
    **dict.fromkeys(("ids", "order"), ("iu", 1)),
    "paragraphs": ("iu", 2),
    **dict.fromkeys(("vocabulary", "files"), ("u", 1)),
}
_PLACES = {"spots": ("iu", 2), "names": ("u", 1)}
MOST_BYTES = 1 << 30
_HINT = "The next `finetune` of the run makes a new one."
COPIED_FROM = 8
"""Words in a row from which a match counts as copied; shorter ones are common phrases."""


@dataclass(frozen=True)
class Place:
    """Where a run of words stands in the corpus.

    Attributes:
        file: the corpus file's name.
        segment: counted from 1.
        paragraph: within the segment, counted from 1.
        page: of the PDF that it was extracted from, from 1; None where that is not known.
        label: how that page is numbered in print.
        chapter: the heading it stands under.
        part: the file of an EPUB that it stands in.
    """

    file: str
    segment: int
    paragraph: int
    page: int | None = None
    label: str | None = None
    chapter: str | None = None
    part: str | None = None

    def __str__(self) -> str:
        """Say the place as a reader of the book would look it up.

        >>> str(Place("book.txt", 2, 16)), str(Place("book.txt", 2, 16, 53, "47", "The Fern"))
        ('book.txt, segment 2, paragraph 16', 'book.txt, p. 47, The Fern')
        """
        page = self.label or self.page
        if page is None and self.chapter is None:
            return f"{self.file}, segment {self.segment}, paragraph {self.paragraph}"
        where = [f"p. {page}"] if page is not None else []
        return ", ".join([self.file, *where, *([self.chapter] if self.chapter else [])])


@dataclass(frozen=True)
class Run:
    """Consecutive words that also stand in the corpus.

    Attributes:
        start: first character in the text.
        end: after the last character.
        words: how many.
        place: where the corpus has the first word.
    """

    start: int
    end: int
    words: int
    place: Place


@dataclass(frozen=True)
class Report:
    """How original a text is.

    Attributes:
        words: how many the text has.
        longest: its longest run of words from the corpus; None where no word is from there.
        copied: the runs of `COPIED_FROM` words or more that no longer run contains, in order.
        share: of the words that stand in such a run, 0 to 1.
        new: start and end of each word that the corpus does not have.
    """

    words: int
    longest: Run | None
    copied: list[Run]
    share: float
    new: list[tuple[int, int]]


class Index:
    """The corpus, searchable by runs of words."""

    def __init__(
        self,
        vocabulary: Sequence[str],
        ids: Ints,
        order: Ints,
        paragraphs: Ints,
        files: Sequence[str],
        spots: Ints | None = None,
        names: Sequence[str] = (),
    ) -> None:
        """Take what `build` or `load` made.

        Args:
            vocabulary: the distinct words; word i has the number i + 1.
            ids: [words] the corpus as numbers, 0 between segments.
            order: [words] the suffix array of `ids`.
            paragraphs: [paragraphs, 4] position in `ids` of each one's first word, and its file,
                segment and paragraph number.
            files: names of the corpus files.
            spots: [paragraphs, 4] page, and label, chapter and part by their numbers among `names`; 0
                stands for what is not known. None where nothing is.
            names: labels, chapters and parts; name i has the number i + 1.
        """
        self._number = {word: i for i, word in enumerate(vocabulary, 1)}
        self._ids = ids
        self._order = order
        self._paragraphs = paragraphs
        self._files = files
        self._spots = spots
        self._names = names

    @classmethod
    def build(
        cls,
        corpora: Iterable[tuple[str, Iterable[Segment]]],
        spots: Iterable[Spot | None] = (),
    ) -> Index:
        """Index the segments of each corpus file.

        Args:
            corpora: file name and segments, as `mckennabot.corpus.parse` gives them.
            spots: of all their paragraphs in order, as `mckennabot.places.load` gives them for each file.
        """
        import numpy as np

        number: dict[str, int] = {}
        ids: list[int] = []
        paragraphs: list[tuple[int, int, int, int]] = []
        files: list[str] = []
        for file, segments in corpora:
            for s, segment in enumerate(segments, 1):
                for p, paragraph in enumerate(segment, 1):
                    paragraphs.append((len(ids), len(files), s, p))
                    ids += [number.setdefault(key, len(number) + 1) for key, _, _ in words(paragraph)]
                ids.append(0)
            files.append(file)
        array = np.array(ids, np.int32)
        places = np.array(paragraphs, np.int32).reshape(-1, 4)
        rows, names = _packed_spots(spots)
        if len(rows) not in (0, len(places)):
            raise ValueError(f"{len(rows)} spots of {len(places)} paragraphs")
        known = rows if rows.any() else None
        return cls(list(number), array, _suffix_array(array), places, files, known, names)

    def save(self, run: Path) -> None:
        """Write the index into a run's directory.

        Raises:
            ResourceError, UsageError: the disk is full or cannot be written to.
        """
        import numpy as np

        with replacing(run / FILE) as temporary, temporary.open("wb") as file:
            known: dict[str, Any] = {}
            if self._spots is not None:
                known = {"spots": self._spots, "names": _packed(self._names)}
            np.savez(
                file,
                ids=self._ids,
                order=self._order,
                paragraphs=self._paragraphs,
                vocabulary=_packed(self._number),
                files=_packed(self._files),
                **known,
            )

    @classmethod
    def load(cls, run: Path) -> Index:
        """Read the index of a run.

        Raises:
            ModelError: the run has none, or it is damaged or another run's.
        """
        path = run / FILE
        try:
            if os.path.lexists(path):
                ModelDir(run).verify(FILE, _HINT)
            arrays: dict[str, Any] = read_arrays(path, _ARRAYS, MOST_BYTES, _HINT, optional=_PLACES)
        except FileNotFoundError as error:
            raise ModelError(
                "no index of a corpus to compare with", path=run, hint="Only runs of `finetune` have one."
            ) from error
        index = cls(
            _unpacked(arrays["vocabulary"]),
            arrays["ids"],
            arrays["order"],
            arrays["paragraphs"],
            _unpacked(arrays["files"]),
            arrays.get("spots"),
            _unpacked(arrays["names"]) if "names" in arrays else (),
        )
        try:
            index._check()
        except ValueError as error:
            raise damaged(path, str(error), _HINT) from error
        return index

    def counts(self) -> dict[str, int]:
        """Return how often the corpus has each word."""
        import numpy as np

        found = np.bincount(self._ids, minlength=len(self._number) + 1)
        return {word: int(found[number]) for word, number in self._number.items()}

    def _check(self) -> None:
        """Refuse arrays that point outside each other: an index may come from anyone, in a bundle.

        Raises:
            ValueError: they do.
        """
        words, paragraphs = len(self._ids), self._paragraphs
        if self._ids.shape != self._order.shape or self._ids.ndim != 1 or paragraphs.shape[1:] != (4,):
            raise ValueError("arrays of other shapes")
        if not (_lies_in(self._ids, len(self._number) + 1) and _lies_in(paragraphs[:, :1], words + 1)):
            raise ValueError("words that are not there")
        if words and (self._order.min() < 0 or self._order.max() >= words or not len(paragraphs)):
            raise ValueError("positions outside the corpus")
        if len(paragraphs) and not (0 <= paragraphs[:, 1].min() <= paragraphs[:, 1].max() < len(self._files)):
            raise ValueError("paragraphs of files that are not there")
        if (spots := self._spots) is not None:
            if spots.dtype.kind != "i" or spots.shape != (len(paragraphs), 4):
                raise ValueError("an array of another shape")
            if spots.size and (spots.min() < 0 or spots[:, 1:].max() > len(self._names)):
                raise ValueError("names that are not there")

    def report(self, text: str, start: int = 0) -> Report:
        """Compare a text with the corpus.

        Args:
            text: any text.
            start: words that end at this character or before are left out, such as a prefix's.
        """
        import numpy as np

        found = [word for word in words(text) if word[2] > start]
        pattern = np.array([self._number.get(key, -1) for key, _, _ in found], np.int32)
        matches = [self._longest_match(pattern[i:]) for i in range(len(pattern))]
        runs: list[Run] = []
        covered = np.zeros(len(found), bool)
        end = 0
        for i, (length, position) in enumerate(matches):
            if length and i + length > end:
                end = i + length
                runs.append(Run(found[i][1], found[end - 1][2], length, self._place(position)))
                if length >= COPIED_FROM:
                    covered[i:end] = True
        return Report(
            words=len(found),
            longest=max(runs, key=lambda run: run.words, default=None),
            copied=[run for run in runs if run.words >= COPIED_FROM],
            share=float(covered.mean()) if found else 0.0,
            new=[(a, b) for (_, a, b), number in zip(found, pattern, strict=True) if number < 0],
        )

    def _longest_match(self, pattern: Ints) -> tuple[int, int]:
        """Return how many words from the start of `pattern` [n] the corpus has in a row, and where."""
        low, high = 0, len(self._order)
        best = (0, 0)
        # The suffix that shares most with the pattern is next to where the pattern would be sorted in.
        while low < high:
            middle = (low + high) // 2
            position = int(self._order[middle])
            length = _shared(self._ids[position:], pattern)
            best = max(best, (length, -position))
            if length == len(pattern):
                break
            if position + length == len(self._ids) or self._ids[position + length] < pattern[length]:
                low = middle + 1
            else:
                high = middle
        return best[0], -best[1]

    def _place(self, position: int) -> Place:
        import numpy as np

        row = int(np.searchsorted(self._paragraphs[:, 0], position, side="right")) - 1
        _, file, segment, paragraph = (int(n) for n in self._paragraphs[row])
        place = Place(self._files[file], segment, paragraph)
        if self._spots is None:
            return place
        page, *numbers = (int(n) for n in self._spots[row])
        label, chapter, part = (self._names[n - 1] if n else None for n in numbers)
        return replace(place, page=page or None, label=label, chapter=chapter, part=part)


def words(text: str) -> list[tuple[str, int, int]]:
    """Return the words of a text as they are compared, each with its start and end.

    >>> words("“Don’t!” said crypto-geometers")
    [('dont', 1, 6), ('said', 9, 13), ('cryptogeometers', 14, 30)]
    """
    return [(_compared(match[0]), match.start(), match.end()) for match in _patterns()[0].finditer(text)]


@functools.lru_cache(1 << 16)
def _compared(word: str) -> str:
    return unicodedata.normalize("NFC", _patterns()[1].sub("", word).casefold())


@functools.cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Compile patterns of a word, and of the marks in it that do not count.

    Python's own class of letters lacks combining marks.
    """
    marks = "".join(map(chr, (c for c in range(0x300, 0x20000) if unicodedata.category(chr(c))[0] == "M")))
    inner = "'’ʼ\u00ad‐‑-"
    letter = f"(?:[^\\W_]|[{marks}])"
    return re.compile(f"[^\\W_]{letter}*(?:[{inner}]{letter}+)*"), re.compile(f"[{inner}]")


def _shared(one: Ints, other: Ints) -> int:
    """Return how many numbers two arrays have in common from their starts on."""
    done, step = 0, 16
    while True:
        a, b = one[done : done + step], other[done : done + step]
        size = min(len(a), len(b))
        differs = (a[:size] != b[:size]).nonzero()[0]
        if len(differs):
            return done + int(differs[0])
        done += size
        if size < step:
            return done
        step *= 2


def _suffix_array(ids: Ints) -> Ints:
    """Sort the positions of an array [n] by the numbers from there on, by prefix doubling (O(n log² n)).

    >>> import numpy as np
    >>> _suffix_array(np.array([2, 1, 2, 1]))
    array([3, 1, 2, 0], dtype=int32)
    """
    import numpy as np

    n = len(ids)
    rank = np.unique(ids, return_inverse=True)[1].astype(np.int64) + 1
    order = np.argsort(rank, kind="stable")
    width = 1
    while width < n and int(rank.max()) < n:
        following = np.zeros(n, np.int64)
        following[:-width] = rank[width:]
        key = rank * (n + 1) + following
        order = np.argsort(key, kind="stable")
        ranked = key[order]
        rank[order] = np.concatenate(([1], 1 + np.cumsum(ranked[1:] != ranked[:-1])))
        width *= 2
    return order.astype(np.int32)


def _packed_spots(spots: Iterable[Spot | None]) -> tuple[Ints, list[str]]:
    """Return spots as numbers [paragraphs, 4], and the names that they number."""
    import numpy as np

    number: dict[str, int] = {}
    rows = []
    for spot in spots:
        names = (spot.label, spot.chapter, spot.part) if spot else (None, None, None)
        numbers = [number.setdefault(_line(name), len(number) + 1) if name else 0 for name in names]
        rows.append([(spot.page or 0) if spot else 0, *numbers])
    return np.array(rows, np.int32).reshape(-1, 4), list(number)


def _line(name: str) -> str:
    """Return a name on one line, as `_packed` takes it: a heading may have two."""
    return " ".join(name.split())


def _lies_in(numbers: Any, end: int) -> bool:
    return not numbers.size or bool(numbers.min() >= 0 and numbers.max() < end)


def _packed(strings: Iterable[str]) -> npt.NDArray[np.uint8]:
    import numpy as np

    return np.frombuffer("\n".join(strings).encode("utf-8", "surrogateescape"), np.uint8)


def _unpacked(packed: npt.NDArray[np.uint8]) -> list[str]:
    text = packed.tobytes().decode("utf-8", "surrogateescape")
    return text.split("\n") if text else []
