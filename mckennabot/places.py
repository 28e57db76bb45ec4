"""Keep where each paragraph of a corpus stood in its book: ``book.txt.places`` next to ``book.txt``.

`extract` writes the file, and only what is shown depends on it: everything works without it, or with one that
is damaged or belongs to another corpus. Each line is about one paragraph, identified by a digest of its text,
so that an edited corpus loses only the places of the paragraphs that were edited:

    {"mckennabot": "places", "version": 1}
    {"digest": "5891b5b522d5df08", "page": 53, "label": "47", "chapter": "The Weather Inside the Word"}
    {"digest": "0263829989b6fd95", "part": "OEBPS/chapter2.xhtml", "chapter": "Eleven Minutes Fast"}
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mckennabot.config import PLACES
from mckennabot.corpus import Segment, neutralise
from mckennabot.system.files import write_atomic

VERSION = 1
MOST_NAME = 255
"""Bytes that a file's name may have; a text with a longer one than that, less the suffix, has no places."""
_DIGEST = 16
"""Hexadecimal digits of a digest: one in 10^19, for books of some 10^4 paragraphs."""
_MOST_PAGE = 1 << 31
_MARK = b'{"mckennabot": "places"'
"""How every file of places begins."""


@dataclass(frozen=True)
class Spot:
    """Where a paragraph begins in its book.

    Attributes:
        page: page of a PDF, counted from 1; None in a book without pages.
        label: that page's number in print, such as ``xii``; None if it is not known.
        chapter: heading of its chapter; None before the first.
        part: file of an EPUB that it stands in.
    """

    page: int | None = None
    label: str | None = None
    chapter: str | None = None
    part: str | None = None

    def __bool__(self) -> bool:
        """Return whether anything is known."""
        return self != Spot()


def sidecar(corpus: Path) -> Path:
    """Return the path of the file of places that belongs to a corpus file."""
    return corpus.with_name(f"{corpus.name}{PLACES}")


def render(segments: Iterable[Segment], spots: Iterable[Spot]) -> str:
    """Return the content of a file of places; "" if nothing is known.

    Args:
        segments: the paragraphs of the corpus, as `mckennabot.corpus.render` takes them.
        spots: the place of each paragraph, in order.
    """
    paragraphs = [paragraph for segment in segments for paragraph in segment]
    lines = [
        {"digest": _digest(paragraph)}
        | {name: value for name, value in vars(spot).items() if value is not None}
        for paragraph, spot in zip(paragraphs, spots, strict=True)
        if paragraph.strip()
    ]
    # Digests alone help nobody.
    if not any(len(line) > 1 for line in lines):
        return ""
    head = {"mckennabot": "places", "version": VERSION}
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [head, *lines])


def save(corpus: Path, content: str) -> None:
    """Write the file of places of a corpus file; with no content remove the one of an older text.

    A file of that name that is not a file of places is left as it is.

    Args:
        corpus: the corpus file.
        content: what `render` returns.

    Raises:
        ResourceError, UsageError: it cannot be written.
    """
    path = sidecar(corpus)
    if len(os.fsencode(path.name)) > MOST_NAME or (path.exists() and not _is_ours(path)):
        return
    if content:
        write_atomic(path, content)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_MARK)) == _MARK
    except OSError:
        return False


def load(corpus: Path, segments: Iterable[Segment]) -> list[Spot | None]:
    """Return where each paragraph of a corpus stood; None for those of which that is not known.

    Args:
        corpus: the corpus file.
        segments: its content, as `mckennabot.corpus.parse` returns it.
    """
    found = [_digest(paragraph) for segment in segments for paragraph in segment]
    known = _read(sidecar(corpus))
    matches = _matched(found, [digest for digest, _ in known])
    return [known[match][1] if match is not None else None for match in matches]


def _digest(paragraph: str) -> str:
    text = unicodedata.normalize("NFC", neutralise(paragraph)).strip()
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]


def _read(path: Path) -> list[tuple[str, Spot]]:
    """Return digest and spot of each line; nothing if the file is not what it should be."""
    try:
        head, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        if head != {"mckennabot": "places", "version": VERSION}:
            return []
        return [(str(line["digest"]), _spot(line)) for line in lines]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []


def _spot(line: dict[str, Any]) -> Spot:
    page = line.get("page")
    texts = {name: str(line[name]) for name in ("label", "chapter", "part") if name in line}
    return Spot(page if isinstance(page, int) and 0 < page < _MOST_PAGE else None, **texts)


def _matched(found: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """Return the index of each digest found among those known, None if it is not there.

    One that occurs once on either side matches wherever it stands. Others, such as ornaments and refrains,
    match next to a neighbour that does.

    >>> _matched(["a", "x", "*", "b", "*"], ["a", "*", "b", "*"])
    [0, None, 1, 2, 3]
    """
    once_found, once_known = _once(found), _once(known)
    matches = [once_known.get(digest) if digest in once_found else None for digest in found]
    # Forwards from each match, then backwards, along runs of paragraphs that did not change.
    for places, step in ((range(len(found)), 1), (reversed(range(len(found))), -1)):
        before = -1 if step == 1 else len(known)
        for place in places:
            match = matches[place]
            if match is None and 0 <= before + step < len(known) and known[before + step] == found[place]:
                match = matches[place] = before + step
            before = match if match is not None else -2 - len(known)
    return matches


def _once(digests: Sequence[str]) -> dict[str, int]:
    """Return the indices of the digests that occur once."""
    counts = Counter(digests)
    return {digest: index for index, digest in enumerate(digests) if counts[digest] == 1}
