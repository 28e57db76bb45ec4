"""Where each paragraph of a corpus stood in its book: ``book.txt.places`` beside ``book.txt``.

`extract` writes it, and only what is shown depends on it: whoever reads a corpus does without where it is
missing, damaged, or another corpus's. Each line is about one paragraph, which it knows by a digest of its
text, so that an edited corpus loses only the places of the paragraphs that were edited:

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
"""Bytes of a file's name; a text may have such a long one that there is none for its places."""


@dataclass(frozen=True)
class Spot:
    """Where a paragraph begins in its book.

    Attributes:
        page: of a PDF, counted from 1; None of a book without pages.
        label: how that page is numbered in print, such as ``xii``; None where that is not known.
        chapter: the heading it stands under; None before the first.
        part: the file of an EPUB that it stands in.
    """

    page: int | None = None
    label: str | None = None
    chapter: str | None = None
    part: str | None = None

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return self != Spot()


def sidecar(corpus: Path) -> Path:
    """The file of places that belongs to a corpus file."""
    return corpus.with_name(f"{corpus.name}{PLACES}")


def render(segments: Iterable[Segment], spots: Iterable[Spot]) -> str:
    """The content of a file of places; empty where nothing is known.

    Args:
        segments: the paragraphs of the corpus, as `mckennabot.corpus.render` takes them.
        spots: of each paragraph, in order.
    """
    paragraphs = [paragraph for segment in segments for paragraph in segment]
    lines = [
        {"digest": _digest(paragraph)}
        | {name: value for name, value in vars(spot).items() if value is not None}
        for paragraph, spot in zip(paragraphs, spots, strict=True)
        if paragraph.strip()
    ]
    if not any(len(line) > 1 for line in lines):
        return ""
    head = {"mckennabot": "places", "version": VERSION}
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [head, *lines])


def save(corpus: Path, content: str) -> None:
    """Write the file of places beside a corpus file, or remove the one that was an older text's.

    A file of that name that is no file of places stays as it is.

    Args:
        corpus: its file.
        content: as `render` gives it; nothing where nothing is known.

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
            return file.read(30).startswith(b'{"mckennabot": "places"')
    except OSError:
        return False


def load(corpus: Path, segments: Iterable[Segment]) -> list[Spot | None]:
    """Where each paragraph of a corpus stood; None for those of which that is not known.

    Args:
        corpus: its file.
        segments: what is in it, as `mckennabot.corpus.parse` gives it.
    """
    found = [_digest(paragraph) for segment in segments for paragraph in segment]
    known = _read(sidecar(corpus))
    matches = _matched(found, [digest for digest, _ in known])
    return [known[match][1] if match is not None else None for match in matches]


def _digest(paragraph: str) -> str:
    text = unicodedata.normalize("NFC", neutralise(paragraph)).strip()
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _read(path: Path) -> list[tuple[str, Spot]]:
    """Digest and spot of each line; of none where the file is not what it should be."""
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
    return Spot(page if isinstance(page, int) and 0 < page < 1 << 31 else None, **texts)


def _matched(found: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """For each digest found, its index among those known.

    One that stands once on either side is itself wherever it stands. Others, such as ornaments and
    refrains, are known by the neighbour before or behind them.

    >>> _matched(["a", "x", "*", "b", "*"], ["a", "*", "b", "*"])
    [0, None, 1, 2, 3]
    """
    once_found, once_known = _once(found), _once(known)
    matches = [once_known.get(digest) if digest in once_found else None for digest in found]
    for places, step in ((range(len(found)), 1), (reversed(range(len(found))), -1)):
        before = -1 if step == 1 else len(known)
        for place in places:
            match = matches[place]
            if match is None and 0 <= before + step < len(known) and known[before + step] == found[place]:
                match = matches[place] = before + step
            before = match if match is not None else -2 - len(known)
    return matches


def _once(digests: Sequence[str]) -> dict[str, int]:
    """The indices of those that stand there once."""
    counts = Counter(digests)
    return {digest: index for index, digest in enumerate(digests) if counts[digest] == 1}
