"""Finds the passage of a book that a text copies, with its context."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mckennabot.corpus import parse, read_corpus
from mckennabot.errors import InputError
from mckennabot.models.checkpoint import ModelDir
from mckennabot.originality import Place, words

CONTEXT = 400
"""Characters shown before a copied passage and after it."""
REACH = 20
"""Paragraphs that a long copy may extend over."""


@dataclass(frozen=True)
class Passage:
    """Copied words in their place in the book.

    Attributes:
        before, text, after: the book's own words.
    """

    before: str
    text: str
    after: str


def find_passage(run: ModelDir, copied: str, place: Place) -> Passage | None:
    """Find the part of a run's corpus that was copied; None if its file is gone or has changed.

    Args:
        run: its run.json names the corpus files.
        copied: the copied words, as the copying text spells them.
        place: where the index found them.
    """
    wanted = [word for word, _, _ in words(copied)]
    # The paragraphs around the place, and those that a long copy may reach into.
    first = max(0, place.paragraph - 2)
    text = "\n\n".join(segment_of(run, place)[first : first + REACH])
    found = words(text)
    for i in range(len(found) - len(wanted) + 1):
        if [word for word, _, _ in found[i : i + len(wanted)]] == wanted:
            start, end = found[i][1], found[i + len(wanted) - 1][2]
            begin, last = max(0, start - CONTEXT), end + CONTEXT
            return Passage(
                ("…" if begin else "") + text[begin:start],
                text[start:end],
                text[end:last] + ("…" if last < len(text) else ""),
            )
    return None


def segment_of(run: ModelDir, place: Place) -> list[str]:
    """Return the paragraphs of the segment that a place is in; none if the corpus is gone or has changed."""
    corpus: Any = run.run_info().get("corpus")
    files = corpus.get("files") if isinstance(corpus, dict) else None
    for file in files if isinstance(files, list) else []:
        if isinstance(file, str) and Path(file).name == place.file:
            with contextlib.suppress(InputError):
                segments = parse(read_corpus(Path(file)))
                if place.segment <= len(segments):
                    return segments[place.segment - 1]
    return []
